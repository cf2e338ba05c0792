"""Following: how fast the audit trail is filled from a warm log, and how far it lags behind decisions.

The follower runs in a process of its own, as under `magistrate work`.
"""

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import perf_counter

import psycopg
from psycopg import sql

from adapters.clock import SystemClock
from adapters.event_store.postgres import PostgresEventLog
from adapters.followers.follower import Follower
from adapters.keys.master import MasterKey
from adapters.read_models.live import LiveModel
from api.worker import collect_seldom
from application.desk import Desk
from application.tool_calls.propose import propose
from bench.databases import Database, throw_away
from bench.measure import Row, median_of, quantile, reaching
from bench.world import CALLER, desk_on, next_call, settle_in, start_run, why
from projections.decisions import decisions

RUNS, CALLERS, CALLS = 512, 64, 14_000
ROUNDS = 3
RATE, SECONDS = 1_000, 6
LAG_BOUND = 100.0
LOOK_EVERY = 0.002

POSITION = "SELECT position FROM read_models.follower_positions WHERE name = 'decisions'"


@dataclass(frozen=True)
class Grounds:
    """A log in Postgres with a desk on it, and a session of the superuser to look on."""

    database: Database
    log: PostgresEventLog
    desk: Desk
    session: psycopg.AsyncConnection[tuple[int]]

    async def position(self) -> int:
        """How far the audit trail has got."""
        row = await (await self.session.execute(POSITION)).fetchone()
        return row[0] if row else 0


async def measure() -> list[Row]:
    """Rows `follow` and `follow-lag`."""
    async with _grounds() as grounds:
        await _decide(grounds.desk, CALLS)
        speeds = [await _follow_from_zero(grounds) for _ in range(ROUNDS)]
        collect_seldom()  # what we measure with must not pause
        with _following(grounds.database):
            lags = [await _lag(grounds) for _ in range(ROUNDS)]
    p99s = [quantile(lag, 0.99) * 1000 for lag in lags]
    value = median_of(p99s)
    unit = f"ms p99 at {RATE:,} decisions/s"
    spread = (min(p99s), max(p99s))
    lag = Row("follow-lag", value, unit, None, None, f"< {LAG_BOUND:g}", value < LAG_BOUND, spread)
    return [reaching("follow", speeds, "events/s", 20_000), lag]


@asynccontextmanager
async def _grounds() -> AsyncGenerator[Grounds]:
    with throw_away() as database:
        log = PostgresEventLog(
            database.url("writer"), database.url("follower"), SystemClock(), MasterKey.fresh()
        )
        await log.open()
        try:
            desk, handler = await desk_on(log)
            await settle_in(desk, handler)
            for number in range(RUNS):
                await start_run(desk, handler, f"run-{number}")
            async with await psycopg.AsyncConnection.connect(database.owner, autocommit=True) as session:
                yield Grounds(database, log, desk, session)
        finally:
            await log.close()


async def _decide(desk: Desk, calls: int) -> None:
    async def caller(first: int) -> None:
        for call in range(first, calls, CALLERS):
            await propose(desk, CALLER, next_call(f"run-{call % RUNS}"), why(desk))

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))


async def _follow_from_zero(grounds: Grounds) -> float:
    """Events a second, from the first batch of an empty audit trail to the end of the log."""
    tables = [sql.Identifier("read_models", f"{table.name}_v1") for table in decisions.tables]
    await grounds.session.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
    await grounds.session.execute(
        "UPDATE read_models.follower_positions SET position = 0, folded = 0 WHERE name = 'decisions'"
    )
    head = await grounds.log.head()
    with _following(grounds.database):
        while (begun := await grounds.position()) == 0:  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(LOOK_EVERY)
        at = perf_counter()
        while await grounds.position() < head:  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(LOOK_EVERY)
        return (head - begun) / (perf_counter() - at)


async def _lag(grounds: Grounds) -> list[float]:
    """Seconds from each decision's answer until the audit trail shows it, at a steady rate."""
    waiting: list[tuple[int, float]] = []
    lags: list[float] = []

    async def one(call: int) -> None:
        answer = await propose(grounds.desk, CALLER, next_call(f"run-{call % RUNS}"), why(grounds.desk))
        waiting.append((answer.position, perf_counter()))

    while await grounds.position() < await grounds.log.head():  # noqa: ASYNC110  # it is another process
        await asyncio.sleep(LOOK_EVERY)
    async with asyncio.TaskGroup() as group:
        began, started = perf_counter(), 0
        while len(lags) < RATE * SECONDS:
            due = min(RATE * SECONDS, int((perf_counter() - began) * RATE))
            for call in range(started, due):
                group.create_task(one(call))
            started = max(started, due)
            at = await grounds.position()
            now = perf_counter()
            lags += [now - answered for position, answered in waiting if position <= at]
            waiting[:] = [(position, answered) for position, answered in waiting if position > at]
            await asyncio.sleep(LOOK_EVERY)
    return lags


@contextmanager
def _following(database: Database) -> Generator[None]:
    urls = (database.url("writer"), database.url("follower"))
    process = multiprocessing.get_context("spawn").Process(target=_work, args=urls, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _work(writer: str, follower: str) -> None:
    async def work() -> None:
        clock = SystemClock()
        log = PostgresEventLog(writer, follower, clock, MasterKey.fresh())  # opens nothing that is sealed
        await log.open()
        collect_seldom()
        await Follower(LiveModel(decisions), log, follower, clock).run()

    asyncio.run(work())
