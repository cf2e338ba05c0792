"""A call that was consented to is decided again, and released once with the consent used up."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from application.access import Forbidden
from application.approvals import Consented
from application.ports import Append, StreamId
from application.tool_calls.answers import Decided
from application.tool_calls.outcomes import Status
from application.tool_calls.release import release
from domain.agents.commands import SuspendAgent
from domain.approvals.approval import Standing
from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalGranted,
    ApprovalGrantedBy,
    ApprovalWentStale,
)
from domain.approvals.rejections import (
    ApprovalIsStale,
    ApprovalNotWaiting,
)
from domain.kernel import Rejected, Role, Verdict, instant
from domain.runs.commands import CancelRun
from domain.runs.decider import runs
from domain.runs.events import ToolCallDecided, ToolCallReleased
from domain.runs.rejections import OutcomeNotKnown, RunEnded
from domain.runs.run import Stage
from domain.tenants.commands import WithdrawRole
from tests.application.doubles import allow, ask
from tests.application.world import TENANT, World, caller, founded

LONG_AGO = datetime(2024, 5, 15, 15, tzinfo=UTC)

Asking = tuple[World, Decided]


@pytest.fixture
async def asking() -> tuple[World, Decided]:
    """A world in which `c1` waits for one approver's consent."""
    world = await founded(policy="ask")
    await world.start()
    return world, await world.propose("c1", to="x")


async def granted_but_not_released(world: World, answer: Decided) -> None:
    """As if the worker had died between consent and release."""
    assert answer.approval_id is not None
    events = [
        ApprovalGrantedBy(approver="bob", roles=("approver",), saw=answer.action_digest, note=""),
        ApprovalGranted(),
    ]
    await world.log.record(
        [Append(StreamId(TENANT, "approval", answer.approval_id), 1, events)], world.context("bob")
    )


async def test_a_call_whose_consent_was_not_used_is_released_when_it_is_proposed_again(
    asking: Asking,
) -> None:
    world, answer = asking
    await granted_but_not_released(world, answer)
    known = await world.propose("c1", to="x")
    assert (known.verdict, known.stage, known.approval) == (Verdict.ALLOW, Stage.ALLOWED, "consumed")


async def test_a_call_whose_consent_was_not_used_is_released_when_it_is_granted_again(asking: Asking) -> None:
    world, answer = asking
    await granted_but_not_released(world, answer)
    assert (await world.grant(answer.approval_id, answer.action_digest)).released is not None


async def test_consent_that_was_not_used_in_time_is_not_used_any_more(asking: Asking) -> None:
    world, answer = asking
    await granted_but_not_released(world, answer)
    world.clock.advance(timedelta(seconds=600))
    await world.desk.law.load()
    known = await world.propose("c1", to="x")
    assert (known.verdict, known.approval) == (Verdict.ASK, "expired")


@pytest.mark.parametrize("law", ["allow", "deny", "another ask"])
async def test_consent_goes_stale_when_the_law_no_longer_asks_for_it(asking: Asking, law: str) -> None:
    world, answer = asking
    world.policy.rules["another ask"] = ask()
    await world.activate(law)
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert consented.released is None
    assert isinstance(consented.hindrance, ApprovalIsStale)
    assert isinstance((await world.consents(answer.approval_id))[-1], ApprovalWentStale)
    assert (await world.run()).calls["c1"].stage is Stage.ASKED
    for _ in range(2):
        with pytest.raises(ApprovalIsStale):
            await world.propose("c1", to="x")
        with pytest.raises(ApprovalIsStale):
            await release(world.desk, TENANT, "r1", "c1", world.context())
    assert len(await world.consents(answer.approval_id)) == 4


async def test_consent_goes_stale_when_the_agent_was_suspended_elsewhere_a_moment_ago(asking: Asking) -> None:
    world, answer = asking
    there = world.hire()
    await there.desk.law.load()
    await world.agent("a1", SuspendAgent(reason="odd"), by=there)
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert isinstance(consented.hindrance, ApprovalIsStale)
    assert not any(isinstance(event, ToolCallReleased) for event in await world.told())


async def test_consent_to_less_than_is_asked_for_now_goes_stale(asking: Asking) -> None:
    world, answer = asking
    world.policy.rules["ask"] = ask(quorum=2)  # the same policies ask for more, on the facts of today
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert isinstance(consented.hindrance, ApprovalIsStale)


async def test_the_call_is_decided_again_on_present_facts_by_a_worker_that_remembers_older_ones() -> None:
    world = await founded()
    world.policy.rules["ask until read"] = lambda q: (
        allow(q) if q.tool.name == "look" or "look" in q.run.done else ask()(q)
    )
    await world.activate("ask until read")
    await world.start()
    here, there = world.first, world.hire()
    await there.desk.law.load()
    answer = await world.propose("c1", by=here)
    await world.propose("c2", "look", by=there)
    await world.settle("c2", by=there)
    consented = await world.grant(answer.approval_id, answer.action_digest, by=here)
    assert isinstance(consented.hindrance, ApprovalIsStale)


async def test_memory_of_an_older_run_retires_no_consent() -> None:
    world = await founded()
    world.policy.rules["ask once read"] = lambda q: ask()(q) if "look" in q.run.done else allow(q)
    await world.activate("ask once read")
    await world.start()
    here, there = world.first, world.hire()
    await there.desk.law.load()
    await world.propose("c0", by=here)
    await world.propose("c1", "look", by=there)
    await world.settle("c1", by=there)
    answer = await world.propose("c2", by=there)
    assert answer.verdict is Verdict.ASK
    assert (await world.grant(answer.approval_id, answer.action_digest, by=here)).released is not None


async def test_the_call_is_decided_again_for_whoever_proposed_it(asking: Asking) -> None:
    world, _ = asking
    answer = await world.propose("c2", who=caller("a1"), to="y")
    await world.grant(answer.approval_id, answer.action_digest)
    asked = world.policy.questions[-1]
    assert (asked.principal, asked.roles) == ("a1", ("agent",))
    released = (await world.told())[-1]
    assert isinstance(released, ToolCallReleased)
    assert released.seen.principal == "a1"


async def test_a_call_of_somebody_who_may_no_longer_act_is_not_released(asking: Asking) -> None:
    world, answer = asking
    await world.tenant(WithdrawRole(principal="gate", role=Role.OPERATOR))
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert isinstance(consented.hindrance, Forbidden)
    assert (await world.run()).calls["c1"].stage is Stage.ASKED


async def test_an_ended_run_releases_nothing_and_the_consent_stands(asking: Asking) -> None:
    world, answer = asking
    stream = (await world.log.read(answer.position - 2, 1))[0].stream
    await world.handler.handle(runs, stream, CancelRun(reason="enough"), world.context())
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert isinstance(consented.hindrance, RunEnded)
    assert consented.approval.standing is Standing.GRANTED


async def test_consent_is_no_leave_to_try_again_blindly(asking: Asking) -> None:
    world, answer = asking
    world.policy.rules["ask"] = allow
    await world.propose("c2", to="x")
    await world.settle("c2", Status.UNKNOWN)
    world.policy.rules["ask"] = ask()
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert isinstance(consented.hindrance, OutcomeNotKnown)


async def test_a_recorded_runs_call_is_decided_again_as_of_its_own_time() -> None:
    world = await founded(policy="ask")
    await world.start(mode="recorded", started_at=LONG_AGO)
    answer = await world.propose(at=LONG_AGO + timedelta(minutes=5))
    world.clock.advance(timedelta(seconds=60))
    await world.desk.law.load()
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert consented.released is not None
    assert world.policy.questions[-1].now == LONG_AGO + timedelta(minutes=5)
    assert consented.released.expires_at == instant(world.clock.now() + timedelta(seconds=300))


async def test_a_live_runs_call_is_decided_again_as_of_now(asking: Asking) -> None:
    world, answer = asking
    world.clock.advance(timedelta(seconds=60))
    await world.grant(answer.approval_id, answer.action_digest)
    assert world.policy.questions[-1].now == world.clock.now()


async def test_grants_and_proposals_from_three_workers_at_once_release_once(asking: Asking) -> None:
    world, answer = asking
    workers = [world.first, world.hire(), world.hire()]
    for worker in workers[1:]:
        await worker.desk.law.load()

    async def grant(number: int) -> Consented | Rejected:
        try:
            return await world.grant(
                answer.approval_id, answer.action_digest, ("bob", "cyd")[number % 2], by=workers[number % 3]
            )
        except ApprovalNotWaiting as no:
            return no

    async def again(number: int) -> Decided:
        return await world.propose("c1", to="x", by=workers[number % 3])

    await asyncio.gather(*(task(number) for number in range(12) for task in (grant, again)))
    told = await world.told()
    assert sum(isinstance(event, ToolCallReleased) for event in told) == 1
    assert sum(isinstance(event, ToolCallDecided) for event in told) == 1
    consents = await world.consents(answer.approval_id)
    assert sum(isinstance(event, ApprovalConsumed) for event in consents) == 1
    for worker in workers:
        assert (await world.propose("c1", to="x", by=worker)).verdict is Verdict.ALLOW
