"""What the tests of the embedded Postgres ask of the system, in other words than its own code."""

from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[2]


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    """Ask in a session of its own."""
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as session:
        cursor = session.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def postmaster_pid(directory: Path) -> int | None:
    """The live postmaster of a directory, by the file that Postgres itself keeps."""
    try:
        pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None
    return None if state == "Z" else pid
