"""What policy asks people for: who may consent, to what, and until when."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from application.access import Forbidden
from application.approvals import reject
from application.tool_calls.answers import Decided
from application.tool_calls.release import release
from domain.approvals.approval import Standing
from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalRejected,
    ApprovalRequested,
)
from domain.approvals.rejections import (
    ApprovalIsExpired,
    ApprovalNotGranted,
    ApprovalNotWaiting,
    ApprovalUnknown,
    FourEyes,
    NotWhatWasShown,
)
from domain.kernel import Role, Verdict, instant
from domain.runs.events import ToolCallReleased
from domain.runs.rejections import CallNotAllowed
from domain.runs.run import Stage
from domain.tenants.commands import GrantRole, WithdrawRole
from tests.application.doubles import ask
from tests.application.world import TENANT, World, caller, founded

LONG_AGO = datetime(2024, 5, 15, 15, tzinfo=UTC)

Asking = tuple[World, Decided]


@pytest.fixture
async def asking() -> tuple[World, Decided]:
    """A world in which `c1` waits for one approver's consent."""
    world = await founded(policy="ask")
    await world.start()
    return world, await world.propose("c1", to="x")


def names(events: Sequence[object]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_a_question_and_its_approval_are_one_append(asking: Asking) -> None:
    world, answer = asking
    assert (answer.verdict, answer.stage, answer.approval) == (Verdict.ASK, Stage.ASKED, "waiting")
    (requested,) = await world.consents(answer.approval_id)
    assert isinstance(requested, ApprovalRequested)
    assert (requested.run_id, requested.call_id, requested.tool) == ("r1", "c1", "mail")
    assert requested.action_digest == answer.action_digest
    assert requested.asks[0].expires_at == instant(world.clock.now() + timedelta(seconds=600))
    assert answer.position == await world.log.head()
    assert [each.position for each in await world.log.read(answer.position - 3, 9)] == [
        answer.position - 2,
        answer.position - 1,
        answer.position,
    ]


async def test_consent_releases_the_call_and_is_used_up_in_one_append(asking: Asking) -> None:
    world, answer = asking
    consented = await world.grant(answer.approval_id, answer.action_digest)
    assert consented.hindrance is None
    assert consented.released is not None
    assert (consented.released.verdict, consented.released.stage) == (Verdict.ALLOW, Stage.ALLOWED)
    assert consented.position == await world.log.head()
    assert names(await world.consents(answer.approval_id)) == [
        "ApprovalRequested",
        "ApprovalGrantedBy",
        "ApprovalGranted",
        "ApprovalConsumed",
    ]
    released, consumed = (each.event for each in await world.log.read(consented.position - 2, 2))
    assert isinstance(released, ToolCallReleased)
    assert isinstance(consumed, ApprovalConsumed)
    assert released.seen.run_version == 3


async def test_a_released_call_can_be_carried_out(asking: Asking) -> None:
    world, answer = asking
    await world.grant(answer.approval_id, answer.action_digest)
    assert (await world.dispatch()).stage is Stage.DISPATCHED
    assert (await world.settle()).stage is Stage.CONFIRMED


async def test_before_consent_nothing_is_carried_out_and_asking_again_says_it_waits(asking: Asking) -> None:
    world, answer = asking
    again = await world.propose("c1", to="x")
    assert replace(again, position=answer.position) == answer
    for step in (world.dispatch(), world.settle()):
        with pytest.raises(CallNotAllowed):
            await step
    with pytest.raises(ApprovalNotGranted) as no:
        await release(world.desk, TENANT, "r1", "c1", world.context())
    assert no.value.evidence["standing"] == "waiting"


async def test_a_voice_that_does_not_complete_the_quorum_releases_nothing() -> None:
    world = await founded()
    world.policy.rules["two"] = ask(quorum=2)
    await world.activate("two")
    await world.start()
    answer = await world.propose()
    first = await world.grant(answer.approval_id, answer.action_digest, "bob")
    assert (first.approval.standing, first.released) == (Standing.WAITING, None)
    again = await world.grant(answer.approval_id, answer.action_digest, "bob")
    assert (again.approval.standing, again.released) == (Standing.WAITING, None)
    second = await world.grant(answer.approval_id, answer.action_digest, "cyd")
    assert second.released is not None


async def test_one_no_settles_it(asking: Asking) -> None:
    world, answer = asking
    assert answer.approval_id is not None
    for _ in range(2):
        told = await reject(
            world.desk, world.handler, caller("bob"), answer.approval_id, "no", world.context("bob")
        )
        assert told.approval.standing is Standing.REJECTED
    assert isinstance((await world.consents(answer.approval_id))[-1], ApprovalRejected)
    with pytest.raises(ApprovalNotWaiting):
        await world.grant(answer.approval_id, answer.action_digest, "cyd")
    known = await world.propose("c1", to="x")
    assert (known.verdict, known.approval) == (Verdict.ASK, "rejected")


async def test_four_eyes(asking: Asking) -> None:
    world, answer = asking
    await world.tenant(
        GrantRole(principal="gate", role=Role.APPROVER), GrantRole(principal="ada", role=Role.APPROVER)
    )
    await world.desk.law.load()
    with pytest.raises(FourEyes):
        await world.grant(answer.approval_id, answer.action_digest, "owen")
    assert answer.approval_id is not None
    both = caller("gate", Role.APPROVER)
    with pytest.raises(FourEyes):
        await reject(world.desk, world.handler, both, answer.approval_id, "no", world.context())


async def test_neither_the_agent_nor_whom_it_acts_for_nor_whoever_proposed_may_approve() -> None:
    world = await founded(policy="ask")
    await world.start(on_behalf_of="cyd")
    answer = await world.propose(who=caller("a1"))
    requested = (await world.consents(answer.approval_id))[0]
    assert isinstance(requested, ApprovalRequested)
    assert requested.barred == ("a1", "cyd", "gate", "owen")


async def test_only_an_approver_settles_approvals_by_the_law_as_it_stands_now(asking: Asking) -> None:
    world, answer = asking
    for who in ("ada", "gate", "aud", "a1", "stranger"):
        with pytest.raises(Forbidden):
            await world.grant(answer.approval_id, answer.action_digest, who)
    there = world.hire()
    await there.desk.law.load()
    await world.tenant(WithdrawRole(principal="bob", role=Role.APPROVER), by=there)
    with pytest.raises(Forbidden):
        await world.grant(answer.approval_id, answer.action_digest, "bob")
    assert len(await world.consents(answer.approval_id)) == 1


async def test_consent_is_to_what_was_shown(asking: Asking) -> None:
    world, answer = asking
    with pytest.raises(NotWhatWasShown):
        await world.grant(answer.approval_id, "0" * 64)
    with pytest.raises(ApprovalUnknown):
        await world.grant("nothing", answer.action_digest)


async def test_consent_that_comes_too_late_is_refused(asking: Asking) -> None:
    world, answer = asking
    world.clock.advance(timedelta(seconds=600))
    await world.desk.law.load()
    with pytest.raises(ApprovalIsExpired):
        await world.grant(answer.approval_id, answer.action_digest)
    known = await world.propose("c1", to="x")
    assert (known.verdict, known.approval) == (Verdict.ASK, "expired")
    with pytest.raises(ApprovalNotGranted) as no:
        await release(world.desk, TENANT, "r1", "c1", world.context())
    assert no.value.evidence["standing"] == "expired"
