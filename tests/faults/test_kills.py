"""kill -9 under load: what was answered is in the log exactly once, and the service comes back by itself."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.adapters.embedded import postmaster_pid
from tests.api.servers import start, stop
from tests.faults.caller import Caller
from tests.faults.installation import Installation
from tests.faults.processes import backends, database, send
from tests.faults.service import Service, calling, served, until

CALLERS = 64
EACH = 157
AMOUNTS = (50, 60, 70, 500, 80, 2000, 90)
VERDICTS = {50: "allow", 500: "ask", 2000: "deny"}

DECIDED = """
SELECT body.told->>'call_id', body.told->>'verdict' FROM event_log.events e,
LATERAL (SELECT convert_from(e.body, 'utf8')::jsonb AS told) body
WHERE e.name = 'run.tool-call-decided' AND e.position > %s
"""


@dataclass
class Load:
    """Callers at work, and what they were answered."""

    verdicts: dict[str, str] = field(default_factory=dict[str, str])
    positions: dict[str, int] = field(default_factory=dict[str, int])

    async def call(self, caller: Caller, run: str, calls: int) -> None:
        """One call after another in a run of its own; when nobody answers, the same call again."""
        begun = await caller.answered(
            "POST", "/v1/runs", {"run_id": run, "purpose": "load"}, idempotency_key=f"start-{run}"
        )
        assert begun.status == 201, begun.content
        for number in range(calls):
            call = f"{run}-{number}"
            amount = AMOUNTS[number % len(AMOUNTS)]
            body = {"call_id": call, "tool": "pay", "arguments": {"to": "bob", "amount": amount}}
            reply = await caller.answered("POST", f"/v1/runs/{run}/tool-calls", body)
            assert reply.status == 200, reply.content
            assert reply.body["verdict"] == VERDICTS.get(amount, "allow")
            self.verdicts[call], self.positions[call] = reply.body["verdict"], reply.body["position"]


def must_stand_in_the_log(home: Installation, load: Load, after: int) -> None:
    """Each answered decision once, with the verdict that was answered, and nothing else."""
    recorded = home.rows(DECIDED, after)
    assert len(recorded) == len(load.verdicts)
    assert dict(recorded) == load.verdicts
    assert max(load.positions.values()) <= home.head()
    home.positions_are_whole()


def misfortunes(home: Installation, service: Service) -> list[tuple[str, Callable[[], int]]]:
    """What happens, one after the other; each says how many processes it hit."""
    kill = signal.SIGKILL
    return [
        ("a worker", lambda: send(kill, service.workers()[:1])),
        ("the postmaster and its children", lambda: send(kill, database(home.database))),
        ("the supervisor", lambda: send(kill, [service.pid])),
        ("a backend", lambda: send(kill, backends(home.database)[-1:])),
        ("both workers", lambda: send(kill, service.workers())),
        ("the postmaster alone", lambda: send(kill, database(home.database)[:1])),
    ]


@pytest.mark.timeout(240)
async def test_ten_thousand_answered_decisions_survive_every_kill(home: Installation) -> None:
    before, load = home.head(), Load()
    with served(home, workers=2) as service:
        await under_blows(home, service, load)
        assert service.starts == 2, "only the supervisor's death needs somebody else"
        service.ready()
    assert len(load.verdicts) == CALLERS * EACH >= 10_000
    must_stand_in_the_log(home, load, before)


async def under_blows(home: Installation, service: Service, load: Load) -> None:
    """All callers at work, and one misfortune after the other."""
    async with calling(service, home.token("robot"), CALLERS) as callers, asyncio.timeout(200):
        work = [
            asyncio.create_task(load.call(caller, f"kills-{number}", EACH))
            for number, caller in enumerate(callers)
        ]
        blows = misfortunes(home, service)
        for number, (whom, strike) in enumerate(blows, 1):
            due = number * CALLERS * EACH // (len(blows) + 2)
            await until(lambda due=due: len(load.verdicts) >= due, f"load before {whom}", 120)  # type: ignore[misc]
            assert strike() >= 1, whom
        await asyncio.gather(*work)


@pytest.mark.timeout(120)
async def test_up_starts_its_killed_database_again_and_adopts_it_when_killed_itself(
    home: Installation,
) -> None:
    home.postgres.stop()
    up = await asyncio.to_thread(start, home.directory)
    load, killed = Load(), postmaster_pid(home.database)
    home.postgres.start()
    before = home.head()
    caller = Caller(up.address, home.token("robot"))
    async with asyncio.timeout(90):
        await load.call(caller, "up-1", 5)
        assert send(signal.SIGKILL, database(home.database)) > 1
        await load.call(caller, "up-2", 5)
        adopted = postmaster_pid(home.database)
        assert adopted not in {None, killed}
        up.process.kill()
        up.process.communicate()
        await caller.hang_up()
        again = await asyncio.to_thread(start, home.directory)
        assert postmaster_pid(home.database) == adopted
        caller = Caller(again.address, home.token("robot"))
        await load.call(caller, "up-3", 5)
        await caller.hang_up()
    must_stand_in_the_log(home, load, before)
    assert await asyncio.to_thread(stop, again) == 0
    assert postmaster_pid(home.database) is None
