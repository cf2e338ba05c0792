"""Who starts a run, for which agent, and who drives, stops and resumes it."""

from datetime import UTC, datetime, timedelta

import pytest

from application.access import Caller, Forbidden
from application.law import LawBehind
from application.runs import AgentIsSuspended, Beginning, drive_run, start_run
from application.tool_calls.propose import TimeNotYours
from application.tool_calls.ruling import AgentNotRegistered
from domain.agents.commands import RegisterAgent, RetireAgent, SuspendAgent
from domain.agents.rejections import AgentIsRetired
from domain.kernel import Role, instant
from domain.runs.commands import CancelRun, CompleteRun, PauseRun, ReportProgress, ResumeRun, RunCommand
from domain.runs.rejections import RunExists, RunUnknown
from domain.runs.run import Standing
from domain.tenants.commands import WithdrawRole
from tests.application.world import Worker, World, caller

LONG_AGO = datetime(2024, 5, 15, 15, tzinfo=UTC)


async def begin(world: World, who: Caller, beginning: Beginning) -> None:
    await start_run(world.desk, world.handler, who, beginning, world.context(who.principal))


async def drive(world: World, who: Caller, command: RunCommand, by: Worker | None = None) -> Standing:
    worker = by or world.first
    handled = await drive_run(worker.desk, worker.handler, who, "r1", command, world.context(who.principal))
    return handled.state.standing


async def test_an_agent_starts_its_own_run(world: World) -> None:
    await begin(world, caller("a1"), Beginning("r1", purpose="tidy up"))
    run = await world.run()
    assert (run.agent_id, run.principal, run.purpose, run.mode) == ("a1", "a1", "tidy up", "live")
    assert run.started_at == instant(world.clock.now())


async def test_an_operator_starts_a_run_for_an_agent_and_says_on_whose_behalf(world: World) -> None:
    await begin(world, caller("gate"), Beginning("r1", "a1", on_behalf_of="ada"))
    run = await world.run()
    assert (run.agent_id, run.principal, run.on_behalf_of) == ("a1", "gate", "ada")


async def test_an_agent_starts_no_run_for_another_nor_in_anothers_name_nor_a_recorded_one(
    world: World,
) -> None:
    for beginning in (
        Beginning("r1", "a2"),
        Beginning("r1", on_behalf_of="ada"),
        Beginning("r1", mode="recorded", started_at=LONG_AGO),
    ):
        with pytest.raises(Forbidden):
            await begin(world, caller("a1"), beginning)
    with pytest.raises(RunUnknown):
        await drive(world, caller("a1"), PauseRun(reason=""))


async def test_a_token_says_on_whose_behalf_an_agent_acts(world: World) -> None:
    who = Caller("acme", "a1", frozenset({Role.AGENT}), on_behalf_of="ada")
    await begin(world, who, Beginning("r1"))
    assert (await world.run()).on_behalf_of == "ada"


async def test_who_drives_no_runs_starts_none(world: World) -> None:
    for who in ("ada", "bob", "aud", "stranger"):
        with pytest.raises(Forbidden):
            await begin(world, caller(who), Beginning("r1", "a1"))


async def test_the_same_start_again_changes_nothing_and_another_is_refused(world: World) -> None:
    first = await world.start(purpose="tidy up")
    world.clock.advance(timedelta(seconds=1))
    again = await world.start(purpose="tidy up")
    assert (again.version, again.state, again.changed) == (1, first.state, False)
    with pytest.raises(RunExists):
        await world.start(purpose="mess up")


async def test_a_live_run_starts_now(world: World) -> None:
    with pytest.raises(TimeNotYours):
        await world.start(started_at=LONG_AGO)
    await world.start(mode="recorded", started_at=LONG_AGO)
    assert (await world.run()).started_at == "2024-05-15T15:00:00.000000Z"


async def test_only_an_active_agent_has_runs_whichever_worker_has_heard_of_it(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    await world.agent("a1", SuspendAgent(reason="odd"), by=there)
    await world.agent("a2", RetireAgent(reason="old"), by=there)
    with pytest.raises(AgentIsSuspended) as no:
        await world.start(agent_id="a1")
    assert no.value.evidence == {"agent": "a1", "reason": "odd"}
    with pytest.raises(AgentIsRetired):
        await world.start(agent_id="a2")
    with pytest.raises(AgentNotRegistered):
        await world.start(agent_id="a3")
    register = RegisterAgent(discipline="developer", model="m-1", owner="owen")
    await world.agent("a3", register, by=there)
    assert (await world.start(agent_id="a3")).changed


async def test_no_run_starts_on_law_that_may_be_too_old(world: World) -> None:
    world.clock.advance(timedelta(seconds=3))
    with pytest.raises(LawBehind):
        await world.start()


async def test_a_run_is_driven_by_its_principal_its_agent_or_an_operator(world: World) -> None:
    await world.start()
    for who in ("gate", "a1"):
        assert await drive(world, caller(who), ReportProgress(note="on my way")) is Standing.ACTIVE
    for who in ("a2", "ada", "bob", "aud", "stranger"):
        with pytest.raises(Forbidden):
            await drive(world, caller(who), CompleteRun(result=""))
    assert await drive(world, caller("a1"), CompleteRun(result="")) is Standing.COMPLETED


async def test_whoever_may_stop_things_pauses_and_cancels_any_run(world: World) -> None:
    await world.start()
    assert await drive(world, caller("ada"), PauseRun(reason="look")) is Standing.PAUSED
    assert await drive(world, caller("ada"), ResumeRun(reason="fine")) is Standing.ACTIVE
    assert await drive(world, caller("ada"), CancelRun(reason="enough")) is Standing.CANCELLED


async def test_an_agent_may_stop_itself_but_does_not_let_itself_go(world: World) -> None:
    await world.start()
    assert await drive(world, caller("a1"), PauseRun(reason="unsure")) is Standing.PAUSED
    with pytest.raises(Forbidden):
        await drive(world, caller("a1"), ResumeRun(reason="sure"))
    assert await drive(world, caller("gate"), ResumeRun(reason="fine")) is Standing.ACTIVE


async def test_a_role_that_was_withdrawn_a_moment_ago_stops_nothing(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    await world.start()
    await world.tenant(WithdrawRole(principal="gate", role=Role.OPERATOR), by=there)
    with pytest.raises(Forbidden):
        await drive(world, caller("gate"), CancelRun(reason="enough"))
    assert (await world.run()).standing is Standing.ACTIVE


async def test_a_run_started_elsewhere_a_moment_ago_can_be_driven(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    with pytest.raises(RunUnknown):
        await drive(world, caller("gate"), PauseRun(reason=""), by=there)
    await world.start()
    assert await drive(world, caller("gate"), PauseRun(reason="look"), by=there) is Standing.PAUSED
