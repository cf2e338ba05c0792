"""A Postgres that comes with the program: started, found again and stopped without an administrator."""

from adapters.embedded_postgres.errors import (
    BinariesMissing,
    DirectoryUnusable,
    EmbeddedPostgresError,
    PasswordRefused,
    StartFailed,
    StartTimedOut,
    StopTimedOut,
)
from adapters.embedded_postgres.keeping import kept_running
from adapters.embedded_postgres.server import EmbeddedPostgres, ensure_running

__all__ = [
    "BinariesMissing",
    "DirectoryUnusable",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "PasswordRefused",
    "StartFailed",
    "StartTimedOut",
    "StopTimedOut",
    "ensure_running",
    "kept_running",
]
