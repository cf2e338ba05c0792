"""Processes to be killed: whose children they are, read from the system."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.adapters.embedded import postmaster_pid


def children(parent: int) -> list[int]:
    """The living children of a process."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                state, its_parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(its_parent) == parent and state != "Z":
                    found.append(int(entry.name))
    return found


def workers(supervisor: int) -> list[int]:
    """The worker processes of a server; its tracker of shared memory is none."""
    return [pid for pid in children(supervisor) if b"spawn_main" in _command(pid)]


def backends(directory: Path) -> list[int]:
    """Postgres' server processes below the postmaster."""
    pid = postmaster_pid(directory)
    return [] if pid is None else children(pid)


def database(directory: Path) -> list[int]:
    """All of Postgres' server processes of a directory, the postmaster first."""
    pid = postmaster_pid(directory)
    return [] if pid is None else [pid, *children(pid)]


def send(number: signal.Signals, pids: Iterable[int]) -> int:
    """Signals each process that is still there; returns how many were."""
    reached = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            reached += 1
    return reached


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
