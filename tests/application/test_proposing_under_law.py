"""A proposal is decided on the law as it stands when the decision is recorded."""

from datetime import UTC, datetime, timedelta

import pytest

from application.access import Caller, Forbidden
from application.law import LawBehind
from application.ports import StreamId
from domain.agents.commands import RetireAgent, SuspendAgent
from domain.kernel import Role, Verdict
from domain.runs.events import Determination, ToolCallDecided
from domain.runs.rejections import RunUnknown
from domain.tenants.commands import FoundTenant, GrantRole, WithdrawRole
from domain.tenants.tenant import tenants
from domain.tools.commands import RetireTool, SuspendTool
from tests.application.world import TENANT, World, caller, founded

LONG_AGO = datetime(2024, 5, 15, 15, tzinfo=UTC)


async def last_decision(world: World, run: str = "r1") -> ToolCallDecided:
    decision = (await world.told(run))[-1]
    assert isinstance(decision, ToolCallDecided)
    return decision


async def test_without_an_active_policy_set_nothing_is_allowed() -> None:
    world = await founded(policy=None)
    await world.start()
    answer = await world.propose()
    assert answer.verdict is Verdict.DENY
    assert answer.determined == (
        Determination(
            policy="no-policy-set", effect="default", reason="No policy set is active, so nothing is allowed."
        ),
    )
    assert not world.policy.questions


async def test_a_suspended_or_retired_agents_calls_are_denied_with_the_reason(world: World) -> None:
    await world.start("r1", agent_id="a1")
    await world.start("r2", agent_id="a2")
    await world.agent("a1", SuspendAgent(reason="odd mails"))
    await world.agent("a2", RetireAgent(reason="replaced"))
    for run, policy, reason in (
        ("r1", "agent-suspended", "Agent a1 is suspended: odd mails"),
        ("r2", "agent-retired", "Agent a2 is retired: replaced"),
    ):
        answer = await world.propose(run=run)
        assert answer.verdict is Verdict.DENY
        assert answer.determined == (Determination(policy=policy, effect="forbid", reason=reason),)
    assert not world.policy.questions[1:], "policy is asked at most once, on law that turned out to be old"


async def test_a_suspended_or_retired_tools_calls_are_denied_with_the_reason(world: World) -> None:
    await world.start()
    await world.tool("mail", SuspendTool(reason="leaks"))
    await world.tool("look", RetireTool(reason="gone"))
    assert (await world.propose("c1", "mail")).determined[0].policy == "tool-suspended"
    assert (await world.propose("c2", "look")).determined[0].policy == "tool-retired"


@pytest.mark.parametrize("change", ["policy", "agent", "tool"])
async def test_law_that_changes_between_deciding_and_recording_is_the_law_that_holds(
    world: World, change: str
) -> None:
    there = world.hire()
    await there.desk.law.load()
    await world.start()
    match change:
        case "policy":
            await world.activate("deny", by=there)
        case "agent":
            await world.agent("a1", SuspendAgent(reason="odd"), by=there)
        case _:
            await world.tool("mail", SuspendTool(reason="odd"), by=there)
    head = await world.log.law_head(TENANT)
    assert world.desk.law.peek(TENANT).position < head, "this worker has not heard of it"
    answer = await world.propose()
    assert answer.verdict is Verdict.DENY
    assert (await last_decision(world)).seen.law_position == head


async def test_a_role_that_was_withdrawn_a_moment_ago_drives_nothing(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    await world.start()
    await world.tenant(WithdrawRole(principal="gate", role=Role.OPERATOR), by=there)
    with pytest.raises(Forbidden):
        await world.propose()
    assert len(await world.told()) == 1


async def test_memory_of_the_law_that_is_too_old_decides_nothing(world: World) -> None:
    await world.start()
    world.clock.advance(timedelta(seconds=3))
    with pytest.raises(LawBehind):
        await world.propose()
    assert len(await world.told()) == 1
    await world.desk.law.load()
    assert (await world.propose()).verdict is Verdict.ALLOW


async def test_a_run_is_driven_by_its_principal_its_agent_or_an_operator(world: World) -> None:
    await world.start()
    for call, who in (("c1", caller("gate")), ("c2", caller("a1"))):
        assert (await world.propose(call, who=who)).verdict is Verdict.ALLOW
    for who in (caller("a2"), caller("ada"), caller("bob"), caller("aud"), caller("stranger")):
        with pytest.raises(Forbidden):
            await world.propose("c3", who=who)


async def test_another_tenants_run_is_not_there(world: World) -> None:
    await world.start()
    other = StreamId("other", tenants.category, "other")
    for command in (
        FoundTenant(name="Other", zone="UTC", founder="gate", founder_name="Gate"),
        GrantRole(principal="gate", role=Role.OPERATOR),
    ):
        await world.handler.handle(tenants, other, command, world.context())
    await world.desk.law.load()
    with pytest.raises(RunUnknown):
        await world.propose(who=Caller("other", "gate", frozenset({Role.OPERATOR})))
