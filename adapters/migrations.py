"""Brings the schema up to date: plain SQL files, each applied once, in order, all or nothing.

`NNNN_pre_<name>.sql` expands the schema and runs before the new code is rolled out;
`NNNN_post_<name>.sql` contracts it afterwards.
"""

import hashlib
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

Phase = Literal["pre", "post", "all"]

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

# Any fixed number will do; this one spells "magistra". The server frees the lock with the session that
# holds it, so a killed run leaves none behind (a row in a table would stay locked for ever).
LOCK_KEY = 0x6D61_6769_7374_7261

_FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<phase>pre|post)_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The schema cannot be brought up to date as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Migration:
    """One migration file, as it is on disk now."""

    name: str
    phase: Phase
    text: bytes

    @property
    def sha256(self) -> str:
        """The digest that is recorded when the file is applied."""
        return hashlib.sha256(self.text).hexdigest()


def read_migrations(directory: Path = MIGRATIONS) -> list[Migration]:
    """All migrations of a folder by number, `pre` before `post`. Raises MigrationError for a bad name."""
    found: dict[tuple[int, bool], Migration] = {}
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: name it NNNN_pre_<name>.sql or NNNN_post_<name>.sql")
        phase: Phase = "pre" if match["phase"] == "pre" else "post"
        place = (int(match["number"]), phase == "post")
        if place in found:
            raise MigrationError(f"{path.name} and {found[place].name} have the same number: renumber one")
        found[place] = Migration(path.name, phase, path.read_bytes())
    return [found[place] for place in sorted(found)]


def migrate(conninfo: str, *, phase: Phase = "all", directory: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing of a phase; returns the names applied, in order. Callers queue.

    `conninfo` is the owner's or a superuser's. Each file is one transaction, so it cannot hold COMMIT or
    CREATE INDEX CONCURRENTLY. Raises MigrationError when history and files disagree or a file fails;
    files before the failing one stay applied.
    """
    migrations = read_migrations(directory)
    with _locked_session(conninfo) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.schema_migrations ("
            " name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute("GRANT SELECT ON public.schema_migrations TO PUBLIC")
        applied = _applied(connection)
        if missing := sorted(applied.keys() - {migration.name for migration in migrations}):
            raise MigrationError(
                f"applied to the database but not among the files: {', '.join(missing)}. The database is "
                "newer than this version: use the newer version, or put the files back."
            )
        pending = _pending(migrations, applied, phase)
        for migration in pending:
            _apply(connection, migration)
        return [migration.name for migration in pending]


def check(conninfo: str, *, phase: Phase = "pre", directory: Path = MIGRATIONS) -> list[str]:
    """The migrations of a phase that are still to be applied: empty when the schema is up to date.

    Any role may ask. Code runs on the `pre` files alone, and a schema that is further along than these
    files is fine too: during a rollout, older servers stay ready. Raises MigrationError when an applied
    file was changed, and psycopg.OperationalError when the database cannot be reached.
    """
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
        pending = _pending(read_migrations(directory), _applied(connection), phase)
        return [migration.name for migration in pending]


def set_role_passwords(conninfo: str, passwords: Mapping[str, str]) -> None:
    """Let roles log in with these passwords; all of them or none. Raises MigrationError for an unknown role.

    Passwords are hashed here (SCRAM), so neither the network nor any log of the server sees them.
    """
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
        for role, password in passwords.items():
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            try:
                connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier.decode())))
            except psycopg.errors.UndefinedObject as error:
                raise MigrationError(f"role {role} does not exist: apply the migrations first") from error


@contextmanager
def _locked_session(conninfo: str) -> Generator[psycopg.Connection]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        _settle(connection)
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        yield connection


def _applied(connection: psycopg.Connection) -> dict[str, str]:
    if connection.execute("SELECT to_regclass('public.schema_migrations')").fetchone() == (None,):
        return {}
    return dict(connection.execute("SELECT name, sha256 FROM public.schema_migrations").fetchall())


def _pending(migrations: Sequence[Migration], applied: Mapping[str, str], phase: Phase) -> list[Migration]:
    for migration in migrations:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationError(
                f"{migration.name} was changed after it was applied: put the old text back and write "
                "the change as a new migration"
            )
    return [
        migration
        for migration in migrations
        if migration.name not in applied and phase in ("all", migration.phase)
    ]


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            # Recorded first, while the role and the search path are still ours.
            connection.execute(
                "INSERT INTO public.schema_migrations (name, sha256) VALUES (%s, %s)",
                [migration.name, migration.sha256],
            )
            connection.execute(migration.text)
            if connection.info.transaction_status != TransactionStatus.INTRANS:
                raise MigrationError(f"{migration.name} ends its own transaction: remove COMMIT or ROLLBACK")
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name} failed and left nothing behind: {error}") from error
    _settle(connection)


def _settle(connection: psycopg.Connection) -> None:
    """Undo what a file may have set for the session."""
    connection.execute("RESET ROLE")
    connection.execute("RESET ALL")
    # Without it the server would finish a long statement of a killed run before it lets go.
    connection.execute("SET client_connection_check_interval = '1s'")
