"""What only the real log can show: batches, poisoned neighbours, and writers in several processes."""

import asyncio
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from adapters.clock import FixedClock
from adapters.event_store.envelope import NotStorable
from adapters.event_store.recovery import find_written
from application.ports import Append, ConcurrentWrite
from tests.adapters.event_store import WHY, NoteTaken, note, opened, postgres_log, stream
from tests.postgres import Database

TOO_LONG = "".join(sha256(bytes([n])).hexdigest() for n in range(200))
"""Longer than an index can hold, and it cannot be compressed."""

ROOT = Path(__file__).resolve().parents[2]


async def test_concurrent_appends_share_transactions(database: Database) -> None:
    async with opened(postgres_log(database)) as log:
        await asyncio.gather(*(log.record([note(name=str(n))], WHY) for n in range(200)))
    with psycopg.connect(database.owner_url) as owner:
        found = owner.execute("SELECT count(*), count(DISTINCT xmin::text) FROM event_log.events").fetchone()
    assert found is not None
    assert found[0] == 200
    assert found[1] <= 10


async def test_a_poisoned_command_does_not_harm_its_neighbours(database: Database) -> None:
    """Such text passes every check before the batch, and would take the whole batch with it."""
    async with opened(postgres_log(database)) as log:
        appends = [note(name=name) for name in ("a", "b\0", "c", "d\ud800", "e")]
        appends += [note(tenant="f\0"), note(tenant="g\ud800"), note(name="h"), note(name=TOO_LONG)]
        results = await asyncio.gather(
            *(log.record([append], WHY) for append in appends), return_exceptions=True
        )
        written = [position for position, result in enumerate(results) if isinstance(result, int)]
        assert written == [0, 2, 4, 7]
        assert Counter(map(type, results)) == {int: 4, NotStorable: 5}
        assert [e.position for e in await log.read(0, 10)] == [1, 2, 3, 4]
        assert not any("\0" in str(r) for r in results)


class SameIds(FixedClock):
    """Makes the same id every time."""

    def new_id(self) -> str:
        return "01890000-0000-7000-8000-000000000000"


async def test_an_event_id_is_used_once(database: Database) -> None:
    async with opened(postgres_log(database, SameIds())) as log:
        results = await asyncio.gather(
            *(log.record([note(name=str(n))], WHY) for n in range(3)), return_exceptions=True
        )
        assert Counter(map(type, results)) == {int: 1, ConcurrentWrite: 2}
        with pytest.raises(ConcurrentWrite):
            await log.record([Append(stream("x"), 0, [NoteTaken(text=1), NoteTaken(text=2)])], WHY)
        assert await log.head() == 1


async def test_what_was_written_is_found_again(database: Database) -> None:
    async with opened(postgres_log(database)) as log:
        there = (await log._drafter.draft([note("there", "1")], WHY, None, look=True)).write
        missing = (await log._drafter.draft([note("missing", "2")], WHY, None, look=True)).write
        await log.record([note("before", "0")], WHY)
        await log._storage.write(there)
        connection = await psycopg.AsyncConnection.connect(database.url("writer"), autocommit=True)
        async with connection:
            assert await find_written(connection, "nobody", [missing, there]) == [None, 2]


async def test_looking_at_the_end_of_a_stream_costs_the_same_however_long_it_is(database: Database) -> None:
    """Without statistics, which a new table has none of, the planner would rather read the whole stream."""
    async with opened(postgres_log(database)) as log:
        for version in range(150):
            await log.record([note(version, after=version)], WHY)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        read, looked = 0, 0
        for _ in range(50):  # the figures come a little late
            (read, looked) = owner.execute(
                "SELECT sum(idx_tup_read)::int, sum(idx_scan)::int FROM pg_stat_user_indexes"
                " WHERE indexrelname = 'events_stream_version'"
            ).fetchall()[0]
            if looked >= 150:
                break
            await asyncio.sleep(0.1)
        assert looked >= 150
        assert read <= 2 * looked
        scans = owner.execute("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'events'").fetchone()
        assert scans == (0,)


async def test_a_batch_of_large_events_is_written(database: Database) -> None:
    async with opened(postgres_log(database)) as log:
        text = "x" * 1_500_000
        await asyncio.gather(*(log.record([note(text, str(n))], WHY) for n in range(8)))
        (last,) = await log.read(7, 10)
        assert isinstance(last.event, NoteTaken)
        assert last.event.text == text


WRITER = """
import asyncio, sys
from tests.adapters.event_store import *
from adapters.clock import SystemClock
from application.ports import ConcurrentWrite, LogUnavailable
from adapters.event_store.postgres import PostgresEventLog

async def main(writer, follower, me):
    async with opened(PostgresEventLog(writer, follower, SystemClock(), MASTER, vocabulary=WORDS)) as log:
        async def caller(n):
            for m in range(40):
                print(await log.record([note(f"{me} {n} {m}", f"{me} {n} {m}")], WHY), flush=True)
                try:  # everybody quarrels over one stream too
                    head = await log.recall(notes, stream("shared"), fresh=True)
                    print(await log.record([note("s", "shared", after=head.version)], WHY), flush=True)
                except ConcurrentWrite:
                    pass
        await asyncio.gather(*(caller(n) for n in range(8)))

asyncio.run(main(*sys.stdin.read().split()))
"""


async def test_writers_in_two_processes_and_a_follower_survive_killed_backends(database: Database) -> None:
    def kill() -> None:
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    async def write(me: str) -> list[int]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, cwd=ROOT, stdin=-1, stdout=-1, stderr=-1
        )
        given = f"{database.url('writer')} {database.url('follower')} {me}"
        out, err = await process.communicate(given.encode())
        assert process.returncode == 0, err.decode()
        return [int(line) for line in out.split()]

    async with opened(postgres_log(database)) as log:
        followed: list[int] = []

        async def follow() -> None:
            async for batch in log.follow(0, batch=50):
                followed.extend(event.position for event in batch)

        following = asyncio.create_task(follow())
        writing = [asyncio.create_task(write(me)) for me in ("one", "two")]
        while not all(task.done() for task in writing):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(kill)
        acknowledged = [position for task in writing for position in await task]
        await asyncio.sleep(2.5)
        following.cancel()
        head = await log.head()
        assert len(acknowledged) == len(set(acknowledged)), "no position is given twice"
        assert sorted(acknowledged) == list(range(1, head + 1)), "what was acknowledged is all there is"
        assert followed == list(range(1, head + 1)), "nothing is missed and nothing comes twice"
        shared = await log.stream(stream("shared"))
        assert [e.version for e in shared] == list(range(1, len(shared) + 1))
