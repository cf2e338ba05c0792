"""Servers as processes of their own, on a throw-away Postgres with the example fleet in it."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from adapters.clock import SystemClock
from adapters.event_store.postgres import PostgresEventLog
from adapters.keys.master import MasterKey
from api.cli.home import Home
from api.settings import Settings
from bench.databases import Database, throw_away
from bench.world import AGENT, TENANT, desk_on, settle_in, start_run

WORKERS, STARTS_WITHIN, STOPS_WITHIN = 2, 60.0, 15.0
TOGETHER = 64
MAGISTRATE = str(Path(sys.executable).parent / "magistrate")


class NotServing(Exception):
    """A server did not start; the message holds what it said."""


@dataclass(frozen=True)
class Installation:
    """A database with the fleet's law in it, and the settings of whoever serves on it."""

    database: Database
    settings: Mapping[str, str]

    def token(self) -> str:
        """A token of the clerk, good for longer than any benchmark takes."""
        # As the server reads them, whatever else the environment says.
        settings = Settings.model_validate({"master_key": self.settings["MAGISTRATE_MASTER_KEY"]})
        return Home(settings).token(TENANT, AGENT, lifetime=timedelta(hours=1))

    async def start_runs(self, names: Sequence[str]) -> None:
        """Runs of the clerk, with what it read first."""
        async with _log(self.database, self.settings["MAGISTRATE_MASTER_KEY"]) as log:
            desk, handler = await desk_on(log)
            for first in range(0, len(names), TOGETHER):
                some = names[first : first + TOGETHER]
                await asyncio.gather(*(start_run(desk, handler, name) for name in some))


@asynccontextmanager
async def installation() -> AsyncGenerator[Installation]:
    """Inside, there is a database that servers can be started on."""
    with throw_away() as database, tempfile.TemporaryDirectory(prefix="magistrate-bench-") as folder:
        key = MasterKey.fresh_text()
        async with _log(database, key) as log:
            await settle_in(*await desk_on(log))
        urls = {
            f"MAGISTRATE_{role.upper()}_URL": database.url(role) for role in ("writer", "follower", "reader")
        }
        given = {"DATABASE_URL": database.owner, "MAGISTRATE_MASTER_KEY": key, "MAGISTRATE_DATA_DIR": folder}
        yield Installation(database, {**urls, **given, "MAGISTRATE_WORKERS": str(WORKERS)})


@asynccontextmanager
async def _log(database: Database, key: str) -> AsyncGenerator[PostgresEventLog]:
    urls = database.url("writer"), database.url("follower")
    log = PostgresEventLog(*urls, SystemClock(), MasterKey.from_text(key))
    await log.open()
    try:
        yield log
    finally:
        await log.close()


@contextmanager
def magistrate(place: Installation) -> Generator[str]:
    """Inside, `magistrate serve` answers at this address."""
    port = free_port()
    settings = {**place.settings, "MAGISTRATE_PORT": str(port)}
    with process([MAGISTRATE, "serve"], settings) as serving:
        yield deciding(answering(serving, port, "/health/ready"))


@contextmanager
def empty() -> Generator[str]:
    """Inside, the route that decides nothing answers at this address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.empty:app", "--workers", str(WORKERS)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    with process([*command, "--port", str(port)], {}) as serving:
        yield answering(serving, port, "/openapi.json")


@contextmanager
def stock(place: Installation) -> Generator[str]:
    """Inside, the same service on the library's own recorder answers at this address."""
    port = free_port()
    settings = {**place.settings, "MAGISTRATE_PORT": str(port)}
    with process([sys.executable, "-m", "bench.stock"], settings) as serving:
        yield deciding(answering(serving, port, "/health/ready"))


@contextmanager
def process(command: Sequence[str], settings: Mapping[str, str]) -> Generator["subprocess.Popen[str]"]:
    """Inside, a program runs with these settings and no others of ours; afterwards it has ended."""
    ours = ("MAGISTRATE_", "DATABASE_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    running = subprocess.Popen(
        command,
        env={**clean, **settings},
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        if running.stdout is not None:
            running.stdout.close()


def answering(serving: "subprocess.Popen[str]", port: int, path: str) -> str:
    """The address, once it answers. Raises NotServing."""
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        if serving.poll() is not None:
            raise NotServing(f"{serving.args!r} ended with {serving.returncode}")
        try:
            if httpx.get(address + path, trust_env=False, timeout=5).is_success:
                return address
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise NotServing(f"{serving.args!r} does not answer")


def deciding(address: str) -> str:
    """The address, once every worker behind it has read the law. Raises NotServing.

    Each tells figures of its own, and when it began to count.
    """
    ready, until = set[str](), time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        lines = httpx.get(f"{address}/metrics", trust_env=False, timeout=5).text.splitlines()
        figures = dict(line.split(" ", 1) for line in lines if line.count(" ") == 1)
        if float(figures["magistrate_law_lag_seconds"]) >= 0:
            ready.add(figures["magistrate_faults_created"])
        if len(ready) == WORKERS:
            return address
    raise NotServing(f"of {WORKERS} workers {len(ready)} are ready")


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
