"""A proposal is decided on the run's own history, and recorded before it is answered."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.event_store.log import StoredEventLog
from application.policy import ArgumentsInvalid
from application.tool_calls.answers import Decided
from application.tool_calls.outcomes import Status
from application.tool_calls.propose import Proposal, TimeNotYours, propose_many
from application.tool_calls.ruling import ToolNotRegistered
from domain.kernel import Json, Rejected, Verdict, instant
from domain.runs.commands import CompleteRun, PauseRun
from domain.runs.decider import runs
from domain.runs.events import Determination, ToolCallDecided, ToolCallProposed
from domain.runs.rejections import CallIdReused, RunEnded, RunIsPaused, RunUnknown
from domain.runs.run import Stage
from domain.tools.commands import ReclassifyTool, RetireTool
from domain.tools.registration import PersonalPlace, Registration
from tests.application.doubles import allow, deny
from tests.application.world import TENANT, World, caller

LONG_AGO = datetime(2024, 5, 15, 15, tzinfo=UTC)


async def proposed_arguments(world: World) -> dict[str, Json]:
    proposal = (await world.told())[1]
    assert isinstance(proposal, ToolCallProposed)
    return dict(proposal.arguments)


async def last_decision(world: World, run: str = "r1") -> ToolCallDecided:
    decision = (await world.told(run))[-1]
    assert isinstance(decision, ToolCallDecided)
    return decision


async def test_proposal_and_decision_are_one_append_before_the_answer(world: World) -> None:
    await world.start()
    answer = await world.propose("c1", to="x")
    proposal, decision = (await world.told())[1:]
    assert isinstance(proposal, ToolCallProposed)
    assert isinstance(decision, ToolCallDecided)
    assert (proposal.tool, dict(proposal.arguments)) == ("mail", {"to": "x"})
    assert decision.verdict is answer.verdict is Verdict.ALLOW
    assert answer.position == await world.log.head()
    assert answer.stage is Stage.ALLOWED


async def test_a_decision_says_all_that_it_rested_on(world: World) -> None:
    active = await world.activate("deny")
    await world.start()
    await world.propose("c1", tool="look")
    decision = await last_decision(world)
    seen = decision.seen
    assert decision.determined == (Determination(policy="none", effect="forbid", reason="Not today."),)
    assert (seen.run_version, seen.law_position) == (1, await world.log.law_head(TENANT))
    assert (seen.policy_set, seen.tool_edition, seen.engine) == (active, 1, "scripted 1")
    assert (seen.now, seen.principal, seen.roles) == (instant(world.clock.now()), "gate", ("operator",))
    assert seen.evidence == {"why": "not today"}


async def test_a_decision_says_what_the_run_had_done_before(world: World) -> None:
    await world.start()
    for call in ("c1", "c2"):
        await world.propose(call, tool="look", of="x")
        await world.settle(call)
    await world.propose("c3", tool="look", of="y")
    await world.settle("c3", Status.FAILED)
    await world.propose("c4", tool="look", of="x")
    seen, asked = (await last_decision(world)).seen, world.policy.questions[-1]
    assert (seen.done, seen.failed, seen.identical_done, seen.identical_failed) == (2, 1, 2, 0)
    assert seen.labels == ("personal",)
    assert (dict(asked.run.done), dict(asked.run.failed)) == ({"look": 2}, {"look": 1})
    assert (asked.run.identical_done, asked.run.identical_failed) == (2, 0)
    assert asked.run.labels == {"personal"}


async def test_policy_is_asked_about_the_runs_agent_and_the_caller(world: World) -> None:
    await world.start(on_behalf_of="ada")
    await world.propose("c1", to="x")
    asked = world.policy.questions[-1]
    assert (asked.tenant, asked.agent_id, asked.principal, asked.roles) == (
        TENANT,
        "a1",
        "gate",
        ("operator",),
    )
    assert (asked.on_behalf_of, asked.zone, asked.tool.name) == ("ada", "UTC", "mail")
    assert asked.agent["discipline"] == "developer"
    assert asked.arguments == {"to": "x"}


async def test_the_same_call_asked_again_gets_the_same_answer_and_nothing_is_recorded(world: World) -> None:
    await world.start()
    first = await world.propose("c1", to="x")
    await world.activate("deny")
    assert await world.propose("c1", to="x") == first
    assert len(await world.told()) == 3


async def test_the_same_call_asked_again_is_answered_whatever_the_registration_takes_now(
    world: World,
) -> None:
    await world.start()
    first = await world.propose("c1", to="x")
    stricter = Registration(risk="send", arguments={"required": ["subject"]})
    await world.tool("mail", ReclassifyTool(registration=stricter), RetireTool(reason="gone"))
    await world.desk.law.load()
    assert await world.propose("c1", to="x") == first


async def test_a_call_id_is_not_used_for_another_action(world: World) -> None:
    await world.start()
    await world.propose("c1", to="x")
    with pytest.raises(CallIdReused):
        await world.propose("c1", to="y")
    with pytest.raises(CallIdReused):
        await world.propose("c1", "look", to="x")
    assert len(await world.told()) == 3


async def test_the_same_action_has_another_digest_in_another_run(world: World) -> None:
    await world.start("r1")
    await world.start("r2")
    one, other = await world.propose("c1", run="r1", to="x"), await world.propose("c1", run="r2", to="x")
    assert one.action_digest != other.action_digest


async def test_nothing_is_proposed_in_a_run_that_is_not_there(world: World) -> None:
    with pytest.raises(RunUnknown):
        await world.propose(run="r9")


async def test_what_is_not_registered_cannot_be_called(world: World) -> None:
    await world.start()
    with pytest.raises(ToolNotRegistered) as no:
        await world.propose(tool="fly")
    assert no.value.evidence == {"tool": "fly"}


async def test_a_tool_registered_elsewhere_a_moment_ago_can_be_called(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    await world.register("fly", Registration(arguments={}), by=there)
    await world.start()
    assert (await world.propose(tool="fly")).verdict is Verdict.ALLOW


async def test_arguments_that_do_not_fit_are_refused_and_nothing_is_recorded(world: World) -> None:
    await world.register("pay", Registration(arguments={"required": ["amount"]}))
    await world.desk.law.load()
    await world.start()
    with pytest.raises(ArgumentsInvalid):
        await world.propose(tool="pay")
    assert len(await world.told()) == 1
    assert not world.policy.questions


async def test_an_ended_or_paused_run_proposes_nothing(world: World) -> None:
    for run, command, reason in (
        ("r1", CompleteRun(result=""), RunEnded),
        ("r2", PauseRun(reason=""), RunIsPaused),
    ):
        await world.start(run)
        stream = (await world.log.read(await world.log.head() - 1, 1))[0].stream
        await world.handler.handle(runs, stream, command, world.context())
        with pytest.raises(reason):
            await world.propose(run=run)


async def test_a_recorded_run_is_decided_as_of_its_own_time_and_usable_in_ours(world: World) -> None:
    await world.start(mode="recorded", started_at=LONG_AGO)
    answer = await world.propose(at=LONG_AGO + timedelta(minutes=3))
    assert world.policy.questions[-1].now == LONG_AGO + timedelta(minutes=3)
    assert (await last_decision(world)).seen.now == "2024-05-15T15:03:00.000000Z"
    assert answer.expires_at == instant(world.clock.now() + timedelta(seconds=300))
    assert (await world.settle()).stage is Stage.CONFIRMED


async def test_a_live_runs_time_is_ours(world: World) -> None:
    await world.start()
    with pytest.raises(TimeNotYours):
        await world.propose(at=LONG_AGO)
    assert len(await world.told()) == 1


async def test_each_proposal_of_a_batch_is_decided_on_its_own(world: World) -> None:
    await world.start("r1")
    await world.start("r2")
    world.policy.rules["no mail"] = lambda q: deny(q) if q.tool.name == "mail" else allow(q)
    await world.activate("no mail")
    batch = [
        Proposal("r1", "c1", "look", {}),
        Proposal("r1", "c2", "fly", {}),
        Proposal("r9", "c1", "look", {}),
        Proposal("r2", "c1", "mail", {}),
        Proposal("r1", "c1", "look", {"other": 1}),
        Proposal("r1", "c3", "look", {}),
    ]
    answers = await propose_many(world.desk, caller("gate"), batch, world.context())
    kinds = [answer.verdict if isinstance(answer, Decided) else type(answer) for answer in answers]
    assert kinds == [Verdict.ALLOW, ToolNotRegistered, RunUnknown, Verdict.DENY, CallIdReused, Verdict.ALLOW]
    assert len(await world.told("r1")) == 5


async def test_the_same_call_proposed_everywhere_at_once_is_decided_once(world: World) -> None:
    await world.start()
    desks = [world.first, world.hire(), world.hire()]
    for worker in desks[1:]:
        await worker.desk.law.load()
    answers = await asyncio.gather(*(world.propose("c1", to="x", by=desks[n % 3]) for n in range(24)))
    assert len({(answer.verdict, answer.action_digest, answer.expires_at) for answer in answers}) == 1
    assert len(await world.told()) == 3


async def test_many_calls_of_one_run_in_two_workers_are_all_decided_on_what_stands_before_them(
    world: World,
) -> None:
    await world.start()
    workers = [world.first, world.hire()]
    await workers[1].desk.law.load()
    await asyncio.gather(*(world.propose(f"c{n}", by=workers[n % 2]) for n in range(32)))
    decisions = [event for event in await world.told() if isinstance(event, ToolCallDecided)]
    assert [decision.seen.run_version for decision in decisions] == list(range(1, 65, 2))


async def test_personal_arguments_are_sealed_for_their_subjects(world: World) -> None:
    places = (
        PersonalPlace(pointer="/to/*/mail", subject="arg:/customer"),
        PersonalPlace(pointer="/note"),
        PersonalPlace(pointer="/missing"),
    )
    await world.register("write", Registration(arguments={}, personal=places))
    await world.start(subject="ada")
    arguments: dict[str, Json] = {
        "to": [{"mail": "x", "n": 1}, {"mail": "y", "n": 2}],
        "note": "n",
        "customer": "eve",
    }
    await world.propose(tool="write", **arguments)
    assert await proposed_arguments(world) == arguments
    assert isinstance(world.log, StoredEventLog)
    await world.log.erase(TENANT, "eve")
    erased = {**arguments, "to": [{"mail": "[erased]", "n": 1}, {"mail": "[erased]", "n": 2}]}
    assert await proposed_arguments(world) == erased
    await world.log.erase(TENANT, "ada")
    assert await proposed_arguments(world) == {**erased, "note": "[erased]"}


async def test_a_refusal_says_on_what_grounds(world: World) -> None:
    await world.start()
    with pytest.raises(Rejected) as no:
        await world.propose(who=caller("a2"))
    assert no.value.evidence == {"to": "drive somebody else's run", "run": "r1"}
