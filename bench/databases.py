"""A throw-away Postgres of our own, migrated, with the service roles logged in."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import urlsplit, urlunsplit

from adapters.embedded_postgres import EmbeddedPostgres
from adapters.migrations import migrate, set_role_passwords

ROLES = ("writer", "follower", "reader")


@dataclass(frozen=True)
class Database:
    """A migrated database. `owner` is the superuser's address."""

    owner: str
    password: str

    def url(self, role: str) -> str:
        """The address of a service role: `writer`, `follower` or `reader`."""
        parts = urlsplit(self.owner)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"magistrate_{role}:{self.password}@{host}"))


@contextmanager
def throw_away() -> Generator[Database]:
    """Lives as long as the block, with fsync on."""
    directory = Path(tempfile.mkdtemp(prefix="magistrate-bench-"))
    try:
        with EmbeddedPostgres(directory) as server:
            migrate(server.url)
            database = Database(server.url, token_urlsafe(24))
            set_role_passwords(server.url, {f"magistrate_{role}": database.password for role in ROLES})
            yield database
    finally:
        shutil.rmtree(directory, ignore_errors=True)
