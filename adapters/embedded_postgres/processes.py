"""The server's processes as the system lists them: which is the postmaster, and which outlived theirs."""

import os
import signal
from pathlib import Path

from adapters.embedded_postgres.configuration import cluster_name


def postmaster(data: Path) -> int | None:
    """The process id of the live postmaster of this data directory, if there is one."""
    pid = _recorded(data)
    return pid if pid is not None and _serves(pid, data) else None


def end_orphans(data: Path) -> None:
    """End server processes whose postmaster is gone: they serve nobody and keep a new server out.

    A busy backend notices the death of its postmaster only when its statement ends.
    """
    pid = _recorded(data)
    processes = _server_processes(data)
    # No recorded id: the postmaster is just starting and these processes are its own.
    if pid is None or pid in processes:
        return
    for orphan in processes:
        try:
            os.kill(orphan, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _recorded(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _server_processes(data: Path) -> set[int]:
    return {pid for pid in _all_processes() if _serves(pid, data)}


def _serves(pid: int, data: Path) -> bool:
    # By command line and not by working directory: the latter of another account's process is hidden
    # from root in containers without the ptrace capability. Children rewrite theirs to the cluster's name.
    option = b"\0-D\0" + bytes(data) + b"\0"
    title = f"postgres: {cluster_name(data)}: ".encode()
    line = _command_line(pid)
    return line.startswith(title) or option in line


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
