"""A database that goes away, hangs, or loses its answers: what was acknowledged is there, and only once."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from adapters.clock import SystemClock
from adapters.event_store.connections import Patience
from adapters.event_store.log import StoredEventLog
from adapters.event_store.postgres import PostgresEventLog
from application.ports import ConcurrentWrite, LogBusy, LogUnavailable
from tests.adapters.event_store import (
    IMPATIENT,
    MASTER,
    WHY,
    WORDS,
    note,
    notes,
    opened,
    postgres_log,
    stream,
)
from tests.adapters.event_store_proxy import Proxy, proxied
from tests.postgres import Database


@pytest.fixture
async def proxy(database: Database) -> AsyncIterator[Proxy]:
    async with proxied(database.owner_url) as ready:
        yield ready


@pytest.fixture
async def log(database: Database, proxy: Proxy) -> AsyncIterator[StoredEventLog]:
    """A log whose writer goes through the proxy; its followers do not."""
    chosen = PostgresEventLog(
        proxy.url(database.url("writer")),
        database.url("follower"),
        SystemClock(),
        MASTER,
        vocabulary=WORDS,
        patience=IMPATIENT,
    )
    async with opened(chosen) as ready:
        yield ready


def ask(database: Database, query: str, *given: object) -> list[tuple[object, ...]]:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        cursor = owner.execute(query.encode(), given)
        return cursor.fetchall() if cursor.description else []


async def test_a_lost_acknowledgement_is_answered_truthfully(log: StoredEventLog, proxy: Proxy) -> None:
    assert await log.record([note("a", "0")], WHY) == 1
    proxy.lose_answers = True
    positions = await asyncio.gather(*(log.record([note(n, str(n))], WHY) for n in range(1, 6)))
    assert positions == [2, 3, 4, 5, 6]
    assert await log.head() == 6


async def test_a_request_that_never_arrived_is_sent_again(log: StoredEventLog, proxy: Proxy) -> None:
    assert await log.record([note("a", "0")], WHY) == 1
    proxy.lose_requests = True
    positions = await asyncio.gather(*(log.record([note(n, str(n))], WHY) for n in range(1, 6)))
    assert positions == [2, 3, 4, 5, 6]


async def test_a_conflict_whose_answer_was_lost_is_still_a_conflict(
    log: StoredEventLog, proxy: Proxy
) -> None:
    await log.record([note("a", "0")], WHY)
    proxy.lose_answers = True
    with pytest.raises(ConcurrentWrite):
        await log.record([note("b", "0")], WHY)
    assert (await log.recall(notes, stream("0"), fresh=True)).version == 1


async def test_connections_may_be_lost_again_and_again(log: StoredEventLog, proxy: Proxy) -> None:
    written: list[int] = []
    for n in range(12):
        proxy.lose_answers, proxy.lose_requests = n % 3 == 1, n % 3 == 2
        written += await asyncio.gather(*(log.record([note(m, f"{n} {m}")], WHY) for m in range(4)))
    assert sorted(written) == list(range(1, 49))
    assert await log.head() == 48


async def test_a_backend_that_outlives_its_client_does_not_write_behind_its_back(
    log: StoredEventLog, proxy: Proxy, database: Database
) -> None:
    """It is asleep under the append lock when its client is cut off: we may not say no while it may."""
    ask(
        database,
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.version = 7 THEN PERFORM pg_sleep(0.7); END IF; RETURN NEW; END $$",
    )
    ask(
        database,
        "CREATE TRIGGER doze BEFORE INSERT ON event_log.events FOR EACH ROW EXECUTE FUNCTION doze()",
    )
    for version in range(6):
        await log.record([note(version, "slow", after=version)], WHY)
    slow = asyncio.create_task(log.record([note("slow", "slow", after=6)], WHY))
    await asyncio.sleep(0.3)
    proxy.hang_up()
    assert await slow == 7
    assert await log.record([note("next", "next")], WHY) == 8
    assert ask(database, "SELECT count(*) FROM event_log.events") == [(8,)]


async def test_without_a_database_callers_are_told_soon_and_served_again_later(
    log: StoredEventLog, proxy: Proxy
) -> None:
    loop = asyncio.get_running_loop()
    await log.record([note("a", "0")], WHY)
    proxy.refuse = True
    proxy.hang_up()
    began = loop.time()
    with pytest.raises(LogUnavailable):
        await log.record([note("b", "1")], WHY)
    with pytest.raises(LogUnavailable):
        await log.recall(notes, stream("9"))
    assert loop.time() - began < 6
    proxy.refuse = False
    assert await log.record([note("c", "2")], WHY) == 2
    await asyncio.sleep(1.5)
    assert (await log.recall(notes, stream("2"), fresh=True)).version == 1


async def test_a_server_that_no_longer_answers_is_given_up(log: StoredEventLog, proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    await log.record([note("a", "0")], WHY)
    proxy.deaf = True
    began = loop.time()
    with pytest.raises(LogUnavailable):
        await log.record([note("b", "1")], WHY)
    assert loop.time() - began < 12
    proxy.deaf = False
    proxy.hang_up()
    assert await log.record([note("c", "2")], WHY) == 2


async def test_a_log_that_is_not_there_cannot_be_opened(database: Database) -> None:
    async with proxied(database.owner_url) as proxy:
        proxy.refuse = True
        closed = PostgresEventLog(
            proxy.url(database.url("writer")),
            database.url("follower"),
            SystemClock(),
            MASTER,
            vocabulary=WORDS,
            patience=IMPATIENT,
        )
        with pytest.raises(LogUnavailable):
            await closed.open()


async def test_who_waits_too_long_for_the_lock_is_told_to_come_back(database: Database) -> None:
    async with opened(postgres_log(database)) as log:
        with psycopg.connect(database.owner_url) as other:
            other.execute("SELECT FROM event_log.log_head FOR UPDATE")
            with pytest.raises(LogBusy) as busy:
                await log.record([note()], WHY)
            assert busy.value.evidence == {"retry_after": 1}
        assert await log.record([note()], WHY) == 1


async def test_a_full_queue_turns_callers_away(database: Database) -> None:
    async with opened(postgres_log(database, most_waiting=3, patience=Patience(lock=2))) as log:
        with psycopg.connect(database.owner_url) as other:
            other.execute("SELECT FROM event_log.log_head FOR UPDATE")
            tries = [asyncio.ensure_future(log.record([note(name=str(n))], WHY)) for n in range(6)]
            await asyncio.sleep(0.2)
            turned_away = [t for t in tries if t.done() and isinstance(t.exception(), LogBusy)]
            assert len(turned_away) == 3
            other.rollback()
            others = [t for t in tries if t not in turned_away]
            assert sorted(await asyncio.gather(*others)) == [1, 2, 3]
