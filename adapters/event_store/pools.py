"""Pools of connections for reading: what fails on a broken connection is asked again on another."""

from collections.abc import Sequence
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from adapters.event_store.connections import (
    Patience,
    hung_up_after,
    is_cut_off,
    is_overload,
    settings,
    unavailable,
)
from application.ports import LogBusy, LogUnavailable

Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]
Statement: TypeAlias = tuple[LiteralString, Sequence[Any]]
Rows: TypeAlias = Sequence[tuple[Any, ...]]

MOMENT: LiteralString = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class Pool:
    """Runs short statements; raises LogUnavailable and LogBusy, never an error that quotes values."""

    def __init__(self, conninfo: str, patience: Patience, size: int, name: str) -> None:
        self._patience, self._size = patience, size
        self._pool = AsyncConnectionPool[Connection](
            conninfo,
            kwargs=settings(patience, name),
            min_size=1,
            max_size=size,
            open=False,
            timeout=patience.outage,
            reconnect_timeout=5,
            name=name,
        )

    async def open(self) -> None:
        """Begin to connect, without waiting for it."""
        await self._pool.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.close()

    async def rows(self, query: LiteralString, given: Sequence[Any]) -> Rows:
        """The rows of one statement, seen with the rights of the pool's role alone."""
        return (await self._run([(query, given)], together=False))[0]

    async def rows_of(self, tenant: str, *statements: Statement, at_once: bool = False) -> Sequence[Rows]:
        """The rows of some statements in one transaction that sees this tenant's rows and no others.

        `at_once` says that they only read, and must all see the same moment.
        """
        first: Statement = ("SELECT set_config('magistrate.tenants', %s, true)", [tenant])
        if at_once:
            return (await self._run([(MOMENT, []), first, *statements], together=True))[2:]
        return (await self._run([first, *statements], together=True))[1:]

    async def _run(self, statements: Sequence[Statement], *, together: bool) -> Sequence[Rows]:
        # After a restart of the server every pooled connection is broken once.
        for left in range(self._size, -1, -1):
            try:
                async with self._pool.connection() as connection:
                    try:
                        with hung_up_after(self._patience.answer, connection):
                            if together:
                                return await _transaction(connection, statements)
                            return [await _rows(connection, *statements[0])]
                    except psycopg.Error as error:
                        if not left or not is_cut_off(error, connection):
                            raise _told(error) from None
                        await connection.close()
            except (PoolTimeout, PoolClosed, TooManyRequests) as error:
                raise unavailable(error) from None
            except psycopg.Error as error:
                raise _told(error) from None
        raise LogUnavailable(retry_after=1)


async def _rows(connection: Connection, query: LiteralString, given: Sequence[Any]) -> Rows:
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(query, given, prepare=True)
        return await cursor.fetchall() if cursor.description else [(cursor.rowcount,)]


async def _transaction(connection: Connection, statements: Sequence[Statement]) -> Sequence[Rows]:
    """One round trip: all statements and the commit travel together."""
    cursors = [connection.cursor(binary=True) for _ in statements]
    async with connection.pipeline(), connection.transaction():
        for cursor, (query, given) in zip(cursors, statements, strict=True):
            await cursor.execute(query, given, prepare=True)
    return [await c.fetchall() if c.description else [(c.rowcount,)] for c in cursors]


def _told(error: psycopg.Error) -> LogUnavailable | LogBusy:
    return LogBusy(retry_after=1) if is_overload(error) else unavailable(error)
