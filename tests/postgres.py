"""Fixtures for a real Postgres: one server a test process, and a fresh database for every test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from adapters.embedded_postgres import EmbeddedPostgres
from adapters.migrations import LOCK_KEY, migrate, read_migrations, set_role_passwords

ROLE_PREFIX = "magistrate_"
ROLE_PASSWORD = "only-for-tests"


@dataclass(frozen=True)
class Database:
    """A database of one test. `owner_url` is the superuser's: row-level security does not bind it."""

    name: str
    owner_url: str = field(repr=False)
    roles: frozenset[str]

    def url(self, role: str) -> str:
        """The connection string of a service role: `owner`, `writer`, `follower`, `reader`."""
        if ROLE_PREFIX + role not in self.roles:
            raise LookupError(f"no migration makes {ROLE_PREFIX + role}, only {sorted(self.roles)}")
        parts = urlsplit(self.owner_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{ROLE_PREFIX}{role}:{ROLE_PASSWORD}@{host}"))


@pytest.fixture
def postgres_directory() -> Iterator[Path]:
    """A directory for a server's data; pytest's own temporary directories are closed to other accounts."""
    directory = Path(tempfile.mkdtemp(prefix="magistrate-test-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of the server under test: DATABASE_URL if set, else one started for this process.

    The service roles of a server given by DATABASE_URL get the tests' password.
    """
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    directory = Path(tempfile.mkdtemp(prefix="magistrate-tests-"))
    with EmbeddedPostgres(directory) as server:
        yield server.url
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[Database]:
    """A migrated database that the databases of the tests are copied from; nobody connects to it."""
    name = f"magistrate_template_{uuid4().hex}"
    url = _within(postgres_url, name)
    with psycopg.connect(postgres_url, autocommit=True) as session:
        # Roles belong to the whole server, which other test processes may be migrating too.
        session.execute("SELECT pg_advisory_lock(%s + 1)", [LOCK_KEY])
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        if read_migrations():
            migrate(url)
        found = session.execute(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [ROLE_PREFIX]
        ).fetchall()
        roles = frozenset(str(row[0]) for row in found)
        set_role_passwords(postgres_url, dict.fromkeys(roles, ROLE_PASSWORD))
    yield Database(name, url, roles)
    _drop(postgres_url, name)


@pytest.fixture
def database(postgres_url: str, template_database: Database) -> Iterator[Database]:
    """A fresh, migrated database, dropped afterwards with whoever is still connected."""
    name = f"magistrate_test_{uuid4().hex}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG")
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(copy.format(sql.Identifier(name), sql.Identifier(template_database.name)))
    yield Database(name, _within(postgres_url, name), template_database.roles)
    _drop(postgres_url, name)


def _within(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _drop(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
