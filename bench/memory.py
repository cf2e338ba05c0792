"""Memory of `magistrate up` at rest, all its processes without Postgres."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.measure import Row, staying_under
from bench.servers import MAGISTRATE, NotServing, process

MIB = 1024 * 1024
LOOKS, BETWEEN = 5, 1.0
UNDER = 200.0


async def measure() -> list[Row]:
    """Row `memory`: the proportional set size (shared pages in equal parts), in MiB."""
    with _up() as pid:
        await _rested(pid)
        looks: list[float] = []
        for _ in range(LOOKS):
            await asyncio.sleep(BETWEEN)
            looks.append(held(pid) / MIB)
    return [staying_under("memory", looks, "MiB (PSS)", UNDER)]


@contextmanager
def _up() -> Generator[int]:
    with tempfile.TemporaryDirectory(prefix="magistrate-bench-") as folder:
        # The database may run under another account, which must be able to pass through.
        Path(folder).chmod(0o711)
        command = [MAGISTRATE, "up", "--port", "0", "--json"]
        with process(command, {"MAGISTRATE_DATA_DIR": folder}) as running:
            assert running.stdout is not None
            line = running.stdout.readline()
            if not line or "address" not in json.loads(line):
                raise NotServing("magistrate up did not start")
            yield running.pid


async def _rested(pid: int) -> None:
    """Returns when what is held has stopped growing."""
    before, now = 0, held(pid)
    while abs(now - before) > MIB:
        await asyncio.sleep(BETWEEN)
        before, now = now, held(pid)


def held(pid: int) -> int:
    """Bytes that a process and its children hold, Postgres left out."""
    if sys.platform != "linux":
        raise NotServing("only Linux tells how much memory processes hold together")
    first = psutil.Process(pid)
    return sum(pss(one.pid) for one in (first, *first.children(recursive=True)) if one.name() != "postgres")


def pss(pid: int) -> int:
    """Bytes of one process; what it shares counts in equal parts."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * next(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
