"""A real server of two workers on a real Postgres: it decides, survives the death of a worker, and stops."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.house import House, on_postgres
from tests.postgres import Database

SERVE = "from api.http.server import serve; from api.settings import read_settings; serve(read_settings())"
CALL = {"tool": "look", "arguments": {}}


def said(answer: httpx.Response) -> dict[str, Any]:
    """A decision, without the position at which it was read again."""
    return {name: value for name, value in answer.json().items() if name != "position"}


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"{self.url}{path}", timeout=10)
        except httpx.TransportError:
            return None

    def until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            answer = self.get("/health/ready")
            if answer is not None and answer.status_code == 200:
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text()[-4_000:])

    def workers(self) -> set[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(child) for child in children if b"spawn_main" in command_of(int(child))}


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def server(database: Database, folder: Path, workers: int = 2) -> Generator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    urls = {f"MAGISTRATE_{role.upper()}_URL": database.url(role) for role in ("writer", "reader", "follower")}
    env = {
        **os.environ,
        **urls,
        "DATABASE_URL": database.owner_url,
        "MAGISTRATE_DATA_DIR": str(folder),
        "MAGISTRATE_PORT": str(port),
        "MAGISTRATE_WORKERS": str(workers),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE], env=env, stderr=log, stdout=log)
        serving = Server(f"http://127.0.0.1:{port}", process, folder / "log")
        try:
            serving.until_ready()
            yield serving
        finally:
            process.terminate()
            process.wait(20)


async def furnished(database: Database, folder: Path) -> House:
    async with on_postgres(database, folder) as house:
        await house.furnish()
        await house.run()
        house.token("robot")
        return house


@pytest.mark.timeout(120)
async def test_two_workers_decide_and_one_that_dies_is_replaced(database: Database, tmp_path: Path) -> None:
    house = await furnished(database, tmp_path)
    headers = {"Authorization": f"Bearer {house.token('robot')}"}
    with server(database, tmp_path) as serving:
        assert len(serving.workers()) == 2

        def decide(call_id: str) -> httpx.Response:
            body = {**CALL, "call_id": call_id}
            return httpx.post(f"{serving.url}/v1/runs/r1/tool-calls", json=body, headers=headers, timeout=10)

        decided = [decide(f"c{n}") for n in range(20)]
        assert {answer.status_code for answer in decided} == {200}, decided[0].text
        positions = [answer.json()["position"] for answer in decided]
        assert positions == sorted(set(positions))

        killed = min(serving.workers())
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while killed in (pids := serving.workers()) or len(pids) < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        serving.until_ready()
        again = [decide(f"c{n}") for n in range(20)]
        assert [said(answer) for answer in again] == [said(answer) for answer in decided]
    assert "swordfish" not in serving.log.read_text()
    assert house.token("robot")[:40] not in serving.log.read_text()


@pytest.mark.timeout(60)
async def test_a_server_told_to_stop_stops(database: Database, tmp_path: Path) -> None:
    await furnished(database, tmp_path)
    with server(database, tmp_path, workers=1) as serving:
        serving.process.send_signal(signal.SIGTERM)
        serving.process.wait(20)
        assert serving.get("/health/live") is None
