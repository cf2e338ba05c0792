"""`magistrate serve` as it is run in production: with somebody who starts it again when it ends."""

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from tests.api.servers import MAGISTRATE, surroundings
from tests.faults.caller import Caller
from tests.faults.installation import Installation
from tests.faults.processes import workers

PATIENCE = 60.0
STOPS_WITHIN = 30.0
POLL = 0.02


class Service:
    """Started again whenever it ends, as an init system does."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.port, self.starts = free_port(), 0
        self._environment, self._log = environment, folder / f"serve-{self.port}.log"
        self._ending = threading.Event()
        self._process = self._begin()
        self._init = threading.Thread(target=self._tend, name="init")
        self._init.start()

    @property
    def address(self) -> str:
        """Where it serves, each time."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        return self._process.pid

    def workers(self) -> list[int]:
        """The processes that it started in turn."""
        return workers(self.pid)

    def ready(self) -> None:
        """Waits until it can decide."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.address}/health/ready", timeout=5).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(POLL)
        raise AssertionError(self._log.read_text()[-4000:])

    def end(self) -> None:
        """Stops it for good; fails if it does not stop when asked."""
        self._ending.set()
        self._init.join()
        orphans = self.workers()
        self._process.terminate()
        try:
            self._process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            for pid in [*orphans, self.pid]:
                subprocess.run(["kill", "-9", str(pid)], check=False)
            self._process.wait()
            raise

    def _begin(self) -> "subprocess.Popen[bytes]":
        self.starts += 1
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [MAGISTRATE, "serve", "--port", str(self.port)],
                env=surroundings(**self._environment),
                stdout=log,
                stderr=log,
            )

    def _tend(self) -> None:
        while not self._ending.wait(POLL):
            if self._process.poll() is not None:
                self._process = self._begin()


@contextmanager
def served(
    home: Installation, environment: Mapping[str, str] | None = None, *, workers: int = 1, ready: bool = True
) -> Generator[Service]:
    """A service on this installation, at a port of its own; handed out when it is `ready`, or at once."""
    own = {
        "MAGISTRATE_DATA_DIR": str(home.directory),
        "MAGISTRATE_WORKERS": str(workers),
        # What is killed often should start fast: bytecode is kept, but not in the tree.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(home.directory / "bytecode"),
    }
    service = Service({**own, **(environment or {})}, home.directory)
    try:
        if ready:
            service.ready()
        yield service
    finally:
        service.end()


@asynccontextmanager
async def calling(service: Service, token: str, callers: int) -> AsyncGenerator[list[Caller]]:
    """So many callers, each with a connection of its own."""
    chosen = [Caller(service.address, token) for _ in range(callers)]
    try:
        yield chosen
    finally:
        for caller in chosen:
            await caller.hang_up()


async def until(true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Waits for something, but not for ever."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not true():
        assert loop.time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(POLL)


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
