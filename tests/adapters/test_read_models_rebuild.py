"""A rebuild reads the log from its start and ends with the very rows that following it made."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from adapters.clock import FixedClock
from adapters.event_store.memory import MemoryEventLog
from adapters.read_models.live import LiveModel, RebuildNeeded
from adapters.read_models.reading import ReadModels
from adapters.read_models.rebuild import RebuildDiffers, RebuildRunning, rebuild
from adapters.read_models.run_list import RunsAsked, list_runs
from application.ports import Append, Context, StreamId
from domain.kernel import Event, Verdict
from domain.runs.events import RunCompleted, RunPaused, RunResumed
from projections.approvals import approvals
from projections.changes import Change, ReadModel
from projections.decisions import decisions
from projections.runs import runs
from tests.adapters.read_models import everything, fill, session
from tests.postgres import Database
from tests.projections.histories import (
    SETTLED,
    START,
    confirmed,
    decided,
    dispatched,
    proposed,
    requested,
    started,
)

MODELS = (runs, decisions, approvals)


async def record(log: MemoryEventLog, category: str, stream_id: str, *events: Event, tenant: str) -> None:
    stream = StreamId(tenant, category, stream_id)
    after = len(await log.stream(stream))
    await log.record([Append(stream, after, events)], Context("somebody", START, "correlation"))


async def some_history(seed: int, steps: int = 60) -> MemoryEventLog:
    """Runs of several tenants that take random turns, one after the other or entwined."""
    chance = random.Random(seed)  # noqa: S311  # a history holds no secret
    log = MemoryEventLog(FixedClock(START))
    going: list[tuple[str, str]] = []
    for step in range(steps):
        turn = chance.choice(["start", "call", "call", "call", "pause", "ask", "complete"])
        if turn == "start" or not going:
            tenant, run_id = chance.choice(["acme", "other"]), f"run-{step}"
            await record(log, "run", run_id, started(run_id), tenant=tenant)
            going.append((tenant, run_id))
            continue
        tenant, run_id = chance.choice(going)
        call = f"call-{step}"
        match turn:
            case "call":
                verdict = chance.choice([Verdict.ALLOW, Verdict.DENY])
                told = [proposed(call), decided(call, verdict), dispatched(call), confirmed(call)]
                await record(log, "run", run_id, *told[: 4 if verdict is Verdict.ALLOW else 2], tenant=tenant)
            case "pause":
                await record(log, "run", run_id, RunPaused(reason="x"), RunResumed(reason="y"), tenant=tenant)
            case "ask":
                await record(log, "approval", call, requested(run_id, call), tenant=tenant)
                for event in SETTLED[chance.choice(sorted(SETTLED))][: chance.choice([0, 1, 2])]:
                    await record(log, "approval", call, event, tenant=tenant)
            case _:
                await record(log, "run", run_id, RunCompleted(result="done"), tenant=tenant)
    return log


def rows(database: Database, model: ReadModel) -> dict[str, Sequence[object]]:
    """All rows of the live generation, each as text, in one order."""
    [live] = everything(
        database,
        f"SELECT generation FROM read_models.live WHERE model = '{model.name}'",  # noqa: S608
    )
    return {
        table.name: [
            row["row"]
            for row in everything(
                database,
                f"SELECT t::text AS row FROM read_models.{table.name}_v{live['generation']} t ORDER BY 1",  # noqa: S608
            )
        ]
        for table in model.tables
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("seed", range(3))
async def test_a_rebuild_makes_the_same_rows(database: Database, model: ReadModel, seed: int) -> None:
    log = await some_history(seed)
    await fill(database, model, await log.read(0, 10_000), batch=1 + 13 * seed)
    before = rows(database, model)
    told: list[tuple[int, int]] = []
    rebuilt = await rebuild(
        database.url("follower"), log, model, progress=lambda at, to: told.append((at, to))
    )
    assert (rebuilt.generation, rebuilt.differed) == (2, False)
    assert any(before.values())
    assert rows(database, model) == before
    assert told[-1] == (rebuilt.position, rebuilt.position)


async def test_only_the_live_generation_is_kept(database: Database) -> None:
    log = await some_history(1)
    await fill(database, runs, await log.read(0, 10_000))
    for generation in (2, 3):
        assert (await rebuild(database.url("follower"), log, runs)).generation == generation
    tables = everything(
        database,
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'run%'"
        " AND relnamespace = 'read_models'::regnamespace ORDER BY 1",
    )
    assert [row["relname"] for row in tables] == ["run_standings_v3", "run_timeline_v3", "runs_v3"]


async def test_following_goes_on_in_the_new_generation(database: Database) -> None:
    log = await some_history(2)
    handler, history = LiveModel(runs), await log.read(0, 10_000)
    async with session(database, "follower") as opened:
        await handler.resume(opened)
        async with opened.transaction():
            await handler.take(opened, history[:20], 20)
        await rebuild(database.url("follower"), log, runs)
        assert await handler.resume(opened) == 20
        async with opened.transaction():
            await handler.take(opened, history[20:], len(history))
    whole = rows(database, runs)
    await rebuild(database.url("follower"), log, runs)
    assert rows(database, runs) == whole


async def test_a_difference_is_told_and_what_is_read_stays(database: Database) -> None:
    log = await some_history(3)
    await fill(database, runs, (await log.read(0, 10_000))[1:])  # the first event was missed
    before = rows(database, runs)
    with pytest.raises(RebuildDiffers):
        await rebuild(database.url("follower"), log, runs)
    assert rows(database, runs) == before
    accepted = await rebuild(database.url("follower"), log, runs, accept_difference=True)
    assert accepted.differed
    assert rows(database, runs) != before


async def test_a_new_version_of_a_model_is_rebuilt_and_followed(database: Database) -> None:
    log = await some_history(4)
    await fill(database, runs, await log.read(0, 10_000))

    def only_runs(recorded: object) -> list[Change]:
        return [change for change in runs.project(recorded) if change.table == "runs"]  # type: ignore[arg-type]

    changed = ReadModel(runs.name, 2, runs.follows, runs.tables, only_runs)
    async with session(database, "follower") as opened:
        with pytest.raises(RebuildNeeded):
            await LiveModel(changed).resume(opened)
        await rebuild(database.url("follower"), log, changed)
        assert await LiveModel(changed).resume(opened) == await log.head()
    assert rows(database, runs)["run_timeline"] == []


async def test_an_interrupted_rebuild_leaves_nothing_in_the_way(database: Database) -> None:
    log = await some_history(5)
    await fill(database, runs, await log.read(0, 10_000))
    before = rows(database, runs)

    def interrupt(_at: int, _to: int) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await rebuild(database.url("follower"), log, runs, progress=interrupt)
    assert rows(database, runs) == before
    assert (await rebuild(database.url("follower"), log, runs)).generation == 2
    assert rows(database, runs) == before


async def test_two_rebuilds_of_a_model_do_not_run_at_once(database: Database) -> None:
    log = await some_history(6)
    await fill(database, runs, await log.read(0, 10_000))
    second: list[asyncio.Task[None]] = []

    async def meanwhile() -> None:
        with pytest.raises(RebuildRunning):
            await rebuild(database.url("follower"), log, runs)

    reading = log.read

    async def read(*args: object, **more: object) -> object:
        if not second:
            second.append(asyncio.create_task(meanwhile()))
            await second[0]
        return await reading(*args, **more)  # type: ignore[arg-type]

    log.read = read  # type: ignore[method-assign,assignment]
    await rebuild(database.url("follower"), log, runs)
    await second[0]


async def test_readers_of_the_old_generation_do_not_hold_up_the_switch(database: Database) -> None:
    log = await some_history(7)
    await fill(database, runs, await log.read(0, 10_000))
    async with session(database, "reader") as reader, reader.transaction():
        await reader.execute("SELECT set_config('magistrate.tenants', 'acme', true)")
        await reader.execute("SELECT count(*) FROM read_models.runs_v1")
        rebuilding = asyncio.create_task(rebuild(database.url("follower"), log, runs))
        async with session(database, "reader") as other:
            async with asyncio.timeout(20):
                while True:
                    found = await other.execute(
                        "SELECT generation FROM read_models.live WHERE model = 'runs'"
                    )
                    if await found.fetchone() == (2,):
                        break
            async with other.transaction():
                await other.execute("SELECT set_config('magistrate.tenants', 'acme', true)")
                await other.execute("SET LOCAL statement_timeout = '500ms'")
                await other.execute("SELECT count(*) FROM read_models.runs_v2")
        assert not rebuilding.done()
        await reader.execute("SELECT count(*) FROM read_models.runs_v1")
    await rebuilding
    assert everything(database, "SELECT to_regclass('read_models.runs_v1') IS NULL AS gone") == [
        {"gone": True}
    ]


async def test_questions_are_answered_alike_all_through_rebuilds(database: Database) -> None:
    log = await some_history(8)
    await fill(database, runs, await log.read(0, 10_000))
    models = ReadModels(database.url("reader"))
    await models.open()

    async def ask() -> list[object]:
        found, _ = await models.read(runs, "acme", lambda view: list_runs(view, RunsAsked(limit=200)))
        return [{**row} for row in found]

    first = await ask()
    assert first

    async def rebuild_often() -> None:
        for _ in range(5):
            await rebuild(database.url("follower"), log, runs)

    rebuilding = asyncio.create_task(rebuild_often())
    answers = 0
    while not rebuilding.done():
        assert await ask() == first
        answers += 1
    await rebuilding
    await models.close()
    assert answers > 5
