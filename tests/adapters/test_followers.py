"""Followers: every event once and in order, one at a time under a name, whatever happens on the way."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest

from adapters.clock import FixedClock, SystemClock
from adapters.event_store.memory import MemoryEventLog
from adapters.event_store.postgres import PostgresEventLog
from adapters.followers import follower as following
from adapters.followers.follower import Follower
from adapters.followers.handler import Handler, Session
from adapters.keys.master import MasterKey
from adapters.read_models.live import LiveModel
from application.ports import Append, Context, LogUnavailable, StreamId
from domain.kernel import Event
from domain.record import Recorded
from domain.runs.events import ProgressReported
from projections.approvals import approvals
from projections.runs import runs
from tests.adapters.read_models import everything, until
from tests.postgres import Database
from tests.projections.histories import START, started


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "STANDBY_SECONDS", 0.05)
    monkeypatch.setattr(following, "LONGEST_PAUSE", 0.2)


async def record(log: MemoryEventLog | PostgresEventLog, run_id: str, *events: Event, after: int = 0) -> int:
    context = Context("somebody", START, "correlation")
    return await log.record([Append(StreamId("acme", "run", run_id), after, events)], context)


@asynccontextmanager
async def running(*followers: Follower) -> AsyncGenerator[None]:
    tasks = [asyncio.create_task(follower.run()) for follower in followers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def kept(database: Database) -> list[object]:
    return [
        row["valid_from"]
        for row in everything(database, "SELECT valid_from FROM read_models.run_timeline_v1 ORDER BY 1")
    ]


def follower(
    handler: Handler, log: MemoryEventLog | PostgresEventLog, database: Database, *, batch: int = 500
) -> Follower:
    return Follower(handler, log, database.url("follower"), SystemClock(), batch=batch)


async def at(one: Follower, position: int) -> None:
    async def there() -> bool:
        return one.standing.position >= position

    await until(there)


async def test_a_follower_starts_where_it_left_off(database: Database) -> None:
    log = MemoryEventLog(FixedClock())
    for number in range(7):
        await record(log, f"run-{number}", started(f"run-{number}"))
    one = follower(LiveModel(runs), log, database, batch=3)
    async with running(one):
        await at(one, 7)
    await record(log, "run-x", started("run-x"))
    again = follower(LiveModel(runs), log, database, batch=3)
    async with running(again):
        await at(again, 8)
    assert kept(database) == list(range(1, 9))


async def test_what_does_not_concern_a_follower_moves_its_position_too(database: Database) -> None:
    log = MemoryEventLog(FixedClock())
    one = follower(LiveModel(approvals), log, database)
    async with running(one):
        position = await record(log, "run-1", started())
        await at(one, position)
        assert one.standing.lag_seconds is not None


async def test_one_process_at_a_time_follows_and_another_takes_over(database: Database) -> None:
    log = MemoryEventLog(FixedClock())
    await record(log, "run-1", started())
    first, second = (follower(LiveModel(runs), log, database) for _ in range(2))
    async with running(second):
        async with running(first):
            await until_one_is_active(first, second)
            active, waiting = (first, second) if first.standing.active else (second, first)
            await at(active, 1)
            assert not waiting.standing.active
        position = await record(log, "run-2", started("run-2"))
        await at(second, position)
        assert second.standing.active
    assert kept(database) == [1, 2]


async def until_one_is_active(*followers: Follower) -> None:
    async def active() -> bool:
        return any(one.standing.active for one in followers)

    await until(active)


class Choking(LiveModel):
    """Raises at one position until it is told not to."""

    chokes_at = 3

    async def take(self, session: Session, batch: Sequence[Recorded], upto: int) -> None:
        await super().take(session, batch, upto)
        if any(recorded.position == self.chokes_at for recorded in batch):
            raise ValueError("secret contents")


def error_of(one: Follower) -> str | None:
    return one.standing.error


async def test_a_handler_that_raises_stays_where_it_is_and_says_so(database: Database) -> None:
    log, handler = MemoryEventLog(FixedClock()), Choking(runs)
    for number in range(5):
        await record(log, f"run-{number}", started(f"run-{number}"))
    one = follower(handler, log, database, batch=1)

    async def failing() -> bool:
        return one.standing.error is not None

    async with running(one):
        await until(failing)
        assert error_of(one) == "ValueError after position 2"
        assert kept(database) == [1, 2]
        handler.chokes_at = 0
        await at(one, 5)
        assert error_of(one) is None
    assert kept(database) == [1, 2, 3, 4, 5]


class Flaky(MemoryEventLog):
    """A log that is away at first."""

    away = 3

    async def head(self) -> int:
        if self.away:
            self.away -= 1
            raise LogUnavailable
        return await super().head()


async def test_a_log_that_is_away_is_waited_for(database: Database) -> None:
    log = Flaky(FixedClock())
    position = await record(log, "run-1", started())
    one = follower(LiveModel(runs), log, database)
    async with running(one):
        await at(one, position)
    assert kept(database) == [1]


@pytest.fixture
async def log(database: Database) -> AsyncGenerator[PostgresEventLog]:
    opened = PostgresEventLog(
        database.url("writer"), database.url("follower"), SystemClock(), MasterKey.fresh()
    )
    await opened.open()
    yield opened
    await opened.close()


async def test_every_event_of_many_writers_is_taken_once_though_connections_are_cut(
    database: Database, log: PostgresEventLog
) -> None:
    one = follower(LiveModel(runs), log, database, batch=7)

    async def write(run_id: str) -> None:
        await record(log, run_id, started(run_id))
        for number in range(10):
            await record(log, run_id, ProgressReported(note=str(number)), after=number + 1)

    async def cut() -> None:
        async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as session:
            killed = 0
            while killed < 20:
                cut_off = await session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'magistrate_follower' AND datname = current_database()"
                )
                killed += cut_off.rowcount

    async with running(one):
        await asyncio.gather(cut(), *(write(f"run-{number}") for number in range(20)))
        with suppress(LogUnavailable):
            await log.head()
        await at(one, 220)
    assert kept(database) == list(range(1, 221))
