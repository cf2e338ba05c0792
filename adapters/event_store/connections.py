"""Connections to the log's database: named, impatient, and never a source of quoted values."""

import asyncio
import logging
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection

from adapters.event_store import rows
from application.ports import Clock, LogUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long to wait for the database, in seconds."""

    connect: float = 2.0
    statement: float = 5.0
    lock: float = 3.0
    outage: float = 3.0
    """How long commands wait for a database that is away before they are told so."""

    @property
    def answer(self) -> float:
        """When a server that should have given up by itself is taken for dead."""
        return self.statement + 1

    def options(self) -> str:
        """For the server: what it cannot do in time it gives up by itself.

        All we ask has an index, but plans are kept, and one that was made while a table was small, or not
        yet analysed, would read all of it, or all of a tenant's entries in an index, for a long time after.
        """
        return (
            f"-c statement_timeout={round(self.statement * 1000)} -c lock_timeout={round(self.lock * 1000)}"
            f" -c idle_in_transaction_session_timeout={round(self.statement * 1000)}"
            " -c enable_seqscan=off -c enable_bitmapscan=off"
        )


def settings(patience: Patience, name: str) -> dict[str, Any]:
    """Connection parameters that notice a dead peer soon."""
    return {
        "autocommit": True,
        "application_name": name,
        "connect_timeout": max(2, round(patience.connect)),
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": round(patience.statement * 2000),
        "options": patience.options(),
    }


@contextmanager
def hung_up_after(seconds: float, connection: AsyncConnection[Any]) -> Generator[None]:
    """Shut the connection's socket if the block takes longer, so that whoever waits on it gets an error.

    Cancelling would not do: psycopg then asks the server to cancel, and waits for it, and a server that is
    stopped or cut off never answers.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _shut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: AsyncConnection[Any]) -> None:
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


class WriterConnection:
    """The one connection of a writer, made again when it breaks, each time under a name of its own."""

    def __init__(self, conninfo: str, patience: Patience, clock: Clock) -> None:
        self._conninfo, self._patience, self._clock = conninfo, patience, clock
        self._connection: AsyncConnection[tuple[Any, ...]] | None = None
        self.name = ""

    async def get(self) -> AsyncConnection[tuple[Any, ...]]:
        """The connection, able to send the rows of an append. Raises psycopg.Error."""
        if self._connection is None or self._connection.closed:
            self.name = f"magistrate writer {self._clock.new_id()}"
            connection = await AsyncConnection.connect(self._conninfo, **settings(self._patience, self.name))
            try:
                with hung_up_after(self._patience.connect, connection):
                    await rows.teach(connection)
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        return self._connection

    def is_lost(self, error: psycopg.Error) -> bool:
        """Whether a statement failed because the connection broke, so that nobody knows what became of it."""
        return is_cut_off(error, self._connection)

    async def drop(self) -> None:
        """Let go of it, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


BAD_INPUT = ("22", "23", "54")
"""SQLSTATE classes that are the fault of what was to be written, not of the database's condition."""


def is_bad_input(error: psycopg.Error) -> bool:
    """Whether the same command would fail again on a healthy database."""
    return isinstance(error, psycopg.DataError) or (error.sqlstate or "").startswith(BAD_INPUT)


def is_cut_off(error: psycopg.Error, connection: AsyncConnection[Any] | None) -> bool:
    """Whether the connection is lost.

    A server that ends a session says so before it hangs up (57P01 and its like); an operational error
    without a code is one of the client's own, about the connection.
    """
    if connection is None or connection.closed or isinstance(error, psycopg.InterfaceError):
        return True
    code = error.sqlstate
    return code.startswith("57P") if code else isinstance(error, psycopg.OperationalError)


def is_overload(error: psycopg.Error) -> bool:
    """Whether the database gave up waiting: nothing was written, and later it may work."""
    return isinstance(
        error,
        psycopg.errors.QueryCanceled
        | psycopg.errors.LockNotAvailable
        | psycopg.errors.DeadlockDetected
        | psycopg.errors.SerializationFailure,
    )


def unavailable(error: psycopg.Error) -> LogUnavailable:
    """What callers are told instead of the error, which could quote values or addresses."""
    log.warning("the event log is not available: %s %s", type(error).__name__, error.sqlstate or "")
    return LogUnavailable(retry_after=1)
