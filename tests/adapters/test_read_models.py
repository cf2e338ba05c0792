"""Read models in Postgres: rows hold from and to positions, and only the tenant's own readers see them."""

from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from adapters.followers.handler import FollowerMoved
from adapters.read_models.folding import fold
from adapters.read_models.live import LiveModel, RebuildNeeded, live_place
from domain.runs.events import RunCompleted, RunPaused, RunResumed
from projections.approvals import approvals
from projections.changes import ReadModel
from projections.decisions import decisions
from projections.runs import runs
from tests.adapters.read_models import everything, fill, session
from tests.postgres import Database
from tests.projections.histories import (
    History,
    a_run_with_an_approval,
    decided,
    dispatched,
    proposed,
    requested,
    started,
)

MODELS = (runs, decisions, approvals)
Refused = psycopg.errors.InsufficientPrivilege


def paused_and_ended() -> History:
    history = History()
    history.happened("run", "run-1", started())  # 1
    history.happened("run", "run-1", RunPaused(reason="Lunch"))  # 2
    history.happened("run", "run-1", RunResumed(reason="Back"))  # 3
    history.happened("run", "run-1", RunCompleted(result="Answered"))  # 4
    return history


@pytest.mark.parametrize("batch", [1, 2, 500])
async def test_what_held_before_ends_where_its_successor_begins(database: Database, batch: int) -> None:
    await fill(database, runs, paused_and_ended().recorded, batch=batch)
    held = everything(
        database,
        "SELECT standing, valid_from, valid_to FROM read_models.run_standings_v1 ORDER BY valid_from",
    )
    assert [tuple(row.values()) for row in held] == [
        ("active", 1, 2),
        ("paused", 2, 3),
        ("active", 3, 4),
        ("completed", 4, None),
    ]


@pytest.mark.parametrize("batch", [1, 500])
async def test_a_settled_approval_waits_until_it_was_settled(database: Database, batch: int) -> None:
    await fill(database, approvals, a_run_with_an_approval().recorded, batch=batch)
    waited = everything(database, "SELECT valid_from, valid_to FROM read_models.approvals_waiting_v1")
    assert [tuple(row.values()) for row in waited] == [(4, 6)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_the_hash_does_not_depend_on_batches(database: Database, model: ReadModel) -> None:
    history = a_run_with_an_approval().recorded
    whole = fold(model, [one for one in history if one.name in model.follows])
    for one in history:
        await fill(database, model, [one])
    async with session(database, "follower") as asked:
        place = await live_place(asked, model.name)
    assert (place.hash, place.folded) == (whole.hash.to_bytes(32, "big"), whole.count)
    assert place.position == len(history)


async def test_a_batch_that_fails_leaves_neither_rows_nor_a_position(database: Database) -> None:
    handler, history = LiveModel(runs), paused_and_ended().recorded
    async with session(database, "follower") as opened:
        await handler.resume(opened)
        async with opened.transaction(force_rollback=True):
            await handler.take(opened, history, 4)
        assert await handler.resume(opened) == 0
    assert everything(database, "SELECT * FROM read_models.run_standings_v1") == []


async def test_two_that_follow_at_once_do_nothing_twice(database: Database) -> None:
    one, other, history = LiveModel(runs), LiveModel(runs), paused_and_ended().recorded
    async with session(database, "follower") as mine, session(database, "follower") as theirs:
        await one.resume(mine)
        await other.resume(theirs)
        async with mine.transaction():
            await one.take(mine, history, 4)
        with pytest.raises(FollowerMoved):
            async with theirs.transaction():
                await other.take(theirs, history, 4)
    assert len(everything(database, "SELECT * FROM read_models.run_timeline_v1")) == 4


async def test_a_model_that_changed_its_mind_asks_for_a_rebuild(database: Database) -> None:
    await fill(database, runs, paused_and_ended().recorded)
    changed = ReadModel(runs.name, runs.version + 1, runs.follows, runs.tables, runs.project)
    async with session(database, "follower") as opened:
        with pytest.raises(RebuildNeeded):
            await LiveModel(changed).resume(opened)


async def test_what_postgres_cannot_keep_does_not_stop_the_follower(database: Database) -> None:
    history = History()
    nasty = "a\x00b \\u0000 \\\\ \x01 \U0001f600"
    history.happened(
        "run", "run-1", started(), proposed(to=nasty), decided(policies=["p" * 4000, "p" * 3999])
    )
    history.happened("approval", "approval-1", requested(to=nasty))
    for model in MODELS:
        await fill(database, model, history.recorded)
    [row] = everything(database, "SELECT arguments->>'to' AS kept FROM read_models.approvals_waiting_v1")
    assert row["kept"] == nasty.replace("\x00", "\ufffd")


async def tried(
    database: Database, role: str, statement: LiteralString, tenants: str | None = None, table: str = ""
) -> list[tuple[object, ...]]:
    """What a role gets for a statement, in which {} is a table."""
    async with session(database, role) as asked, asked.transaction():
        if tenants is not None:
            await asked.execute("SELECT set_config('magistrate.tenants', %s, true)", [tenants])
        found = await asked.execute(sql.SQL(statement).format(sql.Identifier("read_models", table)))
        return await found.fetchall() if found.description else []


async def two_tenants(database: Database) -> None:
    history = a_run_with_an_approval()
    history.happened("run", "run-2", started("run-2"), proposed(), decided(), dispatched(), tenant="other")
    history.happened("approval", "approval-2", requested("run-2"), tenant="other")
    for model in MODELS:
        await fill(database, model, history.recorded)


TABLES = [f"{table.name}_v1" for model in MODELS for table in model.tables]


@pytest.mark.parametrize("table", TABLES)
async def test_a_reader_sees_only_the_tenants_of_its_transaction(database: Database, table: str) -> None:
    await two_tenants(database)
    for tenants, seen in (
        (None, []),
        ("", []),
        ("nobody", []),
        ("acme", [("acme",)]),
        ("acme,other", [("acme",), ("other",)]),
    ):
        found = await tried(database, "reader", "SELECT DISTINCT tenant FROM {} ORDER BY 1", tenants, table)
        assert found == seen


@pytest.mark.parametrize("table", TABLES)
async def test_each_role_may_do_with_rows_only_what_it_is_for(database: Database, table: str) -> None:
    await two_tenants(database)

    async def refused(role: str, statement: LiteralString) -> None:
        with pytest.raises(Refused):
            await tried(database, role, statement, "acme,other", table)

    await refused("writer", "SELECT FROM {}")
    for role in ("reader", "follower", "writer"):
        await refused(role, "DELETE FROM {}")
        await refused(role, "TRUNCATE {}")
        await refused(role, "DROP TABLE {}")
        await refused(role, "ALTER TABLE {} DISABLE ROW LEVEL SECURITY")
    await refused("reader", "UPDATE {} SET tenant = 'acme'")
    await refused("reader", "INSERT INTO {0} SELECT * FROM {0}")


async def test_a_reader_moves_no_follower_and_makes_no_tables(database: Database) -> None:
    for statement in (
        "UPDATE read_models.follower_positions SET position = 0",
        "UPDATE read_models.live SET generation = 2",
        "SELECT read_models.prepare('runs')",
        "SELECT read_models.discard('runs')",
        "SELECT read_models.guard('read_models.live')",
    ):
        with pytest.raises(Refused):
            await tried(database, "reader", statement, "acme")


async def test_a_follower_cannot_rename_what_rebuilding_drops(database: Database) -> None:
    with pytest.raises(Refused):
        await tried(database, "follower", "UPDATE read_models.live SET tables = '{{x}}'")
    with pytest.raises(Refused):
        await tried(database, "follower", "SELECT read_models.guard('read_models.live')")
