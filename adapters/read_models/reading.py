"""Reading read models: one tenant's rows, in one snapshot, as of the model's position or an earlier one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, LiteralString, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from adapters.read_models.tables import table_of
from domain.kernel import Rejected
from projections.changes import ReadModel

T = TypeVar("T")

Row: TypeAlias = Mapping[str, Any]
Connection: TypeAlias = AsyncConnection[DictRow]

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 2.0
STATEMENT_SECONDS = 10
WAITING_AT_MOST = 200


class ReadingUnavailable(Rejected):
    """What was recorded cannot be looked up just now. Try again shortly."""

    kind = "unavailable"


class NotThereYet(Rejected):
    """What you ask for is recorded, but cannot be looked up yet. Try again shortly."""

    kind = "unavailable"


@dataclass(frozen=True)
class View:
    """One tenant's rows of one model, in one snapshot. `as_of` is None for the present."""

    tenant: str
    position: int
    as_of: int | None
    _connection: Connection
    _tables: Mapping[str, sql.Identifier]

    async def rows(
        self,
        query: LiteralString,
        where: Sequence[LiteralString],
        values: Mapping[str, object],
        *,
        source: LiteralString = "",
    ) -> Sequence[Row]:
        """Rows of a query that names tables as in {runs}, and its {source} and conditions {where}.

        All of the conditions must hold; %(tenant)s and %(as_of)s are given.
        """
        conditions = sql.SQL(" AND ").join(sql.SQL(one).format(**self._tables) for one in where)
        origin = sql.SQL(source).format(**self._tables)
        text = sql.SQL(query).format(where=conditions, source=origin, **self._tables)
        given = {"tenant": self.tenant, "as_of": self.as_of, **values}
        found = await self._connection.execute(text, given)
        return await found.fetchall()

    def held(self, row: LiteralString) -> list[LiteralString]:
        """Conditions for the version of a row that holds at this moment."""
        if self.as_of is None:
            return [row + ".valid_to IS NULL"]
        return [*self.known(row), "(" + row + ".valid_to IS NULL OR " + row + ".valid_to > %(as_of)s)"]

    def known(self, row: LiteralString) -> list[LiteralString]:
        """Conditions for rows that were there at this moment."""
        return [] if self.as_of is None else [row + ".valid_from <= %(as_of)s"]


class ReadModels:
    """A pool of the reader role's connections. Row-level security shows each transaction one tenant."""

    def __init__(self, url: str, *, size: int = 4) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "application_name": "magistrate queries"}
            | {"options": f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC"},
            configure=_configure,
            min_size=1,
            max_size=size,
            max_waiting=WAITING_AT_MOST,
            timeout=PATIENCE_SECONDS,
            open=False,
        )
        self._positions: dict[str, int] = {}
        self._asked_at = 0.0
        self._asking = asyncio.Lock()

    async def open(self) -> None:
        """Starts connecting; does not wait for it."""
        await self._pool.open()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._pool.close()

    async def read(
        self,
        model: ReadModel,
        tenant: str,
        ask: Callable[[View], Awaitable[T]],
        *,
        at_least: int = 0,
        as_of: int | None = None,
    ) -> tuple[T, int]:
        """What `ask` finds, and the model's position; waits a little until that is `at_least` so far.

        Raises NotThereYet, ReadingUnavailable.
        """
        await self._reach(model, max(at_least, as_of or 0))
        try:
            return await self._ask(model, tenant, ask, as_of)
        except psycopg.errors.UndefinedTable:  # a rebuild switched, and dropped the tables, in between
            return await self._ask(model, tenant, ask, as_of)

    async def _ask(
        self, model: ReadModel, tenant: str, ask: Callable[[View], Awaitable[T]], as_of: int | None
    ) -> tuple[T, int]:
        async with self._transaction() as connection:
            found = await connection.execute(
                "SELECT l.generation, p.position, set_config('magistrate.tenants', %s, true)"
                " FROM read_models.live l JOIN read_models.follower_positions p"
                " ON p.name = l.model AND p.generation = l.generation WHERE l.model = %s",
                [tenant, model.name],
            )
            place = await found.fetchone()
            assert place is not None, "migrations name the models"
            tables = {table.name: table_of(table.name, place["generation"]) for table in model.tables}
            position: int = place["position"]
            past = as_of if as_of is not None and as_of < position else None
            return await ask(View(tenant, position, past, connection, tables)), position

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.UndefinedTable:
            raise
        except (psycopg.OperationalError, PoolTimeout, TooManyRequests) as error:
            raise ReadingUnavailable(retry_after=1) from error

    async def _reach(self, model: ReadModel, position: int) -> None:
        deadline = monotonic() + PATIENCE_SECONDS
        while self._positions.get(model.name, 0) < position:
            if monotonic() > deadline:
                at = self._positions.get(model.name, 0)
                raise NotThereYet(asked=position, reached=at, retry_after=1)
            await self._look()
            if self._positions.get(model.name, 0) < position:
                await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        """Reads all positions, once for all who wait."""
        async with self._asking:
            if monotonic() - self._asked_at < POLL_SECONDS:
                return
            async with self._transaction() as connection:
                found = await connection.execute(
                    "SELECT p.name, p.position FROM read_models.live l JOIN read_models.follower_positions p"
                    " ON p.name = l.model AND p.generation = l.generation"
                )
                self._positions = {row["name"]: row["position"] for row in await found.fetchall()}
            self._asked_at = monotonic()


async def _configure(connection: Connection) -> None:
    # All statements of a query see one snapshot, in which the rows belong to the position.
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
