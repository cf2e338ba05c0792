"""Random commands from three workers at once, each with its own connections to one log, agree with a model.

The model reads the log in order, alone, and fails on whatever could not have happened one after another.
"""

import asyncio
from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from adapters.clock import FixedClock, SystemClock
from adapters.event_store.postgres import PostgresEventLog
from adapters.keys.master import MasterKey
from tests.application.doubles import ScriptedPolicy
from tests.application.interleaved import Hesitating
from tests.application.test_three_workers import WORKERS, ThreeWorkers
from tests.application.world import World
from tests.postgres import Database

STORIES = settings(
    max_examples=20, stateful_step_count=10, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class OnPostgres(ThreeWorkers):
    """Every story is a tenant of its own on the same log."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant
        self._logs: list[PostgresEventLog] = []
        super().__init__()

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    async def world(self) -> World:
        master, clock = MasterKey.fresh(), SystemClock()
        writer, follower = (self._database.url(role) for role in ("writer", "follower"))
        for _ in range(WORKERS + 1):  # one more looks on
            self._logs.append(PostgresEventLog(writer, follower, clock, master))
            await self._logs[-1].open()
        free = iter(self._logs)
        return World(
            FixedClock(), ScriptedPolicy(), lambda: Hesitating(next(free), self.chance), name=self._tenant
        )

    def teardown(self) -> None:
        self.loop.run_until_complete(self._close())
        super().teardown()

    async def _close(self) -> None:
        for log in self._logs:
            await log.close()


@pytest.mark.timeout(180)
def test_three_workers_on_one_database_agree_with_a_model_that_works_alone(database: Database) -> None:
    numbers = count(1)

    class Story(OnPostgres):
        def __init__(self) -> None:
            super().__init__(database, f"story-{next(numbers)}")

    run_state_machine_as_test(Story, settings=STORIES)
    with psycopg.connect(database.owner_url) as owner:
        told = owner.execute(
            "SELECT count(DISTINCT tenant), count(*) FILTER (WHERE name = 'run.tool-call-decided'),"
            " count(*) = max(position) FROM event_log.events"
        ).fetchone()
    assert told is not None
    stories, decisions, whole = told
    assert whole
    assert stories >= STORIES.max_examples
    assert decisions >= 2 * stories
