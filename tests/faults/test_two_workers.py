"""Two worker processes on one log: the law binds both at once, and a key has one effect in either."""

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.faults.caller import Caller
from tests.faults.installation import STRICTER, Installation
from tests.faults.processes import send
from tests.faults.service import Service, calling, served, until

CALLERS = 32
"""At each of the two."""

ROUNDS = 4

OF_RUNS = """
SELECT e.position, e.name, told->>'verdict' FROM event_log.events e,
LATERAL convert_from(e.body, 'utf8') text, LATERAL (SELECT text::jsonb AS told) body
WHERE e.position > %s AND e.name IN ('run.tool-call-decided', 'run.tool-call-dispatched') ORDER BY 1
"""
OF_LAW = """
SELECT e.position, e.name FROM event_log.events e WHERE e.position > %s
AND e.name IN ('policy-set.activated', 'agent.suspended', 'agent.reinstated') ORDER BY 1
"""
BEGUN_UNDER_KEY = """
SELECT count(*) FROM event_log.events e
WHERE convert_from(e.context, 'utf8')::jsonb->>'idempotency_key' = %s
"""

Two = tuple[Service, Service]


@pytest.fixture(scope="module")
def two(home: Installation) -> Iterator[Two]:
    """Each at an address of its own, so that a caller knows which it asks."""
    with served(home) as one, served(home) as other:
        yield one, other


@dataclass
class Traffic:
    """Agents that ask and, when they may, act; until they are told to stop."""

    decided: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def flow(self, caller: Caller, run: str) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            body = {"call_id": f"c{number}", "tool": "pay", "arguments": {"to": "bob", "amount": 50}}
            reply = await caller.answered("POST", f"/v1/runs/{run}/tool-calls", body)
            assert reply.status == 200, reply.content
            self.decided += 1
            if reply.body["verdict"] == "allow" and number % 3 == 0:
                sent = await caller.answered("POST", f"/v1/runs/{run}/tool-calls/c{number}/dispatch")
                assert sent.status in {200, 403, 409}, sent.content

    async def passes(self, decisions: int = 150) -> None:
        """Waits for so many more."""
        enough = self.decided + decisions
        await until(lambda: self.decided >= enough, "traffic")


async def begin(caller: Caller, run: str) -> None:
    begun = await caller.answered("POST", "/v1/runs", {"run_id": run, "purpose": "race"})
    assert begun.status == 201, begun.content


async def legislate(admin: Caller, path: str) -> None:
    reply = await admin.answered("POST", path, None if "policy" in path else {"reason": "a test"})
    assert reply.status == 200, reply.content


async def drafted(admin: Caller, text: str) -> str:
    reply = await admin.answered("POST", "/v1/policy-sets", {"text": text})
    assert reply.status in {200, 201}, reply.content
    return f"/v1/policy-sets/{reply.body['digest']}/activate"


def in_force(home: Installation, after: int, first: str, last: str) -> list[tuple[int, int]]:
    """From where to where in the log something was forbidden: every second law event of two names."""
    told = [(place, name) for place, name in home.rows(OF_LAW, after) if name in {first, last}]
    assert len(told) == 2 * ROUNDS
    return [(begin, end) for (begin, _), (end, _) in zip(told[::2], told[1::2], strict=True)]


async def raced(home: Installation, two: Two, name: str, forbid: str, permit: str) -> int:
    """64 callers while the law changes to and fro; returns the position before they began."""
    before, traffic = home.head(), Traffic()
    robot = home.token("robot")
    async with (
        calling(two[0], robot, CALLERS) as here,
        calling(two[1], robot, CALLERS) as there,
        calling(two[0], home.token("ada"), 1) as (ada,),
        calling(two[1], home.token("ada"), 1) as (ada_there,),
    ):
        runs = {f"{name}-{number}": caller for number, caller in enumerate([*here, *there])}
        await asyncio.gather(*(begin(caller, run) for run, caller in runs.items()))
        work = [asyncio.create_task(traffic.flow(caller, run)) for run, caller in runs.items()]
        for number in range(ROUNDS):
            await traffic.passes()
            await legislate([ada, ada_there][number % 2], forbid)
            await traffic.passes()
            await legislate([ada_there, ada][number % 2], permit)
        await traffic.passes()
        traffic.ended.set()
        await asyncio.gather(*work)
    return before


def verdicts(home: Installation, before: int, begin: int, end: int) -> set[tuple[str, str | None]]:
    """What was done, and decided how, between two positions."""
    told = home.rows(OF_RUNS, before)
    return {(name, verdict) for position, name, verdict in told if begin < position < end}


ALLOWED, DENIED = ("run.tool-call-decided", "allow"), ("run.tool-call-decided", "deny")
SENT = ("run.tool-call-dispatched", None)


async def test_nothing_is_allowed_after_a_stricter_policy_set(home: Installation, two: Two) -> None:
    async with calling(two[0], home.token("ada"), 1) as (ada,):
        active = (await ada.ask("GET", "/v1/policy-sets/active")).body["text"]
        stricter, usual = await drafted(ada, active + STRICTER), await drafted(ada, active)
    before = await raced(home, two, "stricter", stricter, usual)
    periods = in_force(home, before, "policy-set.activated", "policy-set.activated")
    for begin, end in periods:
        done = verdicts(home, before, begin, end)
        assert DENIED in done
        assert ALLOWED not in done, f"between {begin} and {end}"
    for (_, begin), (end, _) in pairwise(periods):
        assert ALLOWED in verdicts(home, before, begin, end)
    home.positions_are_whole()


async def test_nothing_is_allowed_or_sent_after_a_suspension(home: Installation, two: Two) -> None:
    before = await raced(home, two, "suspended", "/v1/agents/robot/suspend", "/v1/agents/robot/reinstate")
    periods = in_force(home, before, "agent.suspended", "agent.reinstated")
    for begin, end in periods:
        done = verdicts(home, before, begin, end)
        assert DENIED in done
        assert not done & {ALLOWED, SENT}, f"between {begin} and {end}"
    for (_, begin), (end, _) in pairwise(periods):
        assert {ALLOWED, SENT} <= verdicts(home, before, begin, end)
    home.positions_are_whole()


async def test_a_key_has_one_effect_and_one_answer_in_two_workers_and_after_a_kill(
    home: Installation, two: Two
) -> None:
    key, body, robot = "the-same-key", {"purpose": "once"}, home.token("robot")
    async with calling(two[0], robot, 16) as here, calling(two[1], robot, 16) as there:
        answers = await asyncio.gather(
            *(
                caller.answered("POST", "/v1/runs", body, idempotency_key=key)
                for pair in zip(here, there, strict=True)
                for caller in pair
            )
        )
        assert send(signal.SIGKILL, [two[0].pid]) == 1
        for caller in (here[0], there[0]):  # the one in a process that has never heard of it
            answers.append(await caller.answered("POST", "/v1/runs", body, idempotency_key=key))
            other = await caller.answered("POST", "/v1/runs", {"purpose": "twice"}, idempotency_key=key)
            assert (other.status, other.problem) == (422, "/problems/idempotency-key-reused")
    assert {answer.status for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["magistrate-position"] for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1
    assert home.rows(BEGUN_UNDER_KEY, key) == [(1,)]
    assert two[0].starts == 2
