"""An outcome is recorded once, with who vouches for it, and teaches the run."""

import asyncio

import pytest

from adapters.event_store.log import StoredEventLog
from application.access import Forbidden
from application.tool_calls.outcomes import SourceNotYours, Status
from domain.facts.records import FactRecord
from domain.facts.spec import Effect, FactSpec, Reference, Yield
from domain.kernel import Json, Role, Source
from domain.runs.events import (
    ToolCallConfirmed,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
)
from domain.runs.rejections import CallNotAllowed, OutcomeRecorded
from domain.runs.run import Stage
from domain.tenants.commands import GrantRole, WithdrawRole
from domain.tools.commands import ReclassifyTool
from domain.tools.registration import Outputs, PersonalPlace, Registration
from tests.application.world import TENANT, World, caller, founded

BOOKING = FactSpec(
    yields=(
        Yield(kind="booking", key=("/id",), fields={"cabin": "/cabin", "name": "/name", "paid": "/paid"}),
    ),
    points_at=(Reference(name="booking", kind="booking", key=("/id",)),),
    effects=(Effect(on="booking", set={"cabin": "arg:/cabin"}),),
)

PERSONAL = (
    PersonalPlace(within="facts", pointer="/booking/name", subject="arg:/customer"),
    PersonalPlace(within="facts", pointer="/booking/paid/*/card"),
)

OUTPUT = {"id": "b1", "cabin": "basic", "name": "Eve", "paid": [{"card": "1234", "sum": 5}]}


@pytest.fixture
async def allowed() -> World:
    """A world in which `c1`, a mail, is allowed."""
    world = await founded()
    await world.start(subject="ada")
    await world.propose("c1", to="x")
    return world


async def looked_up(world: World, outputs: Outputs = Outputs.DIGEST, **arguments: Json) -> None:
    """A tool that yields bookings, and an allowed call of it, `c2`."""
    registration = Registration(
        risk="change", arguments={}, reads=("personal",), facts=BOOKING, personal=PERSONAL, outputs=outputs
    )
    await world.register("booking", registration)
    await world.propose("c2", "booking", **arguments)


async def confirmation(world: World) -> ToolCallConfirmed:
    event = (await world.told())[-1]
    assert isinstance(event, ToolCallConfirmed)
    return event


async def test_outcomes_are_recorded_as_they_are_told(allowed: World) -> None:
    for call, status, stage, kind in (
        ("c1", Status.CONFIRMED, Stage.CONFIRMED, ToolCallConfirmed),
        ("c2", Status.FAILED, Stage.FAILED, ToolCallFailed),
        ("c3", Status.UNKNOWN, Stage.UNKNOWN, ToolCallOutcomeUnknown),
    ):
        await allowed.propose(call, to=call if call != "c1" else "x")
        settled = await allowed.settle(call, status)
        assert (settled.stage, settled.position) == (stage, await allowed.log.head())
        assert isinstance((await allowed.told())[-1], kind)


async def test_an_outcome_told_twice_is_recorded_once_and_another_is_refused(allowed: World) -> None:
    first = await allowed.settle()
    assert await allowed.settle() == first
    with pytest.raises(OutcomeRecorded):
        await allowed.settle("c1", Status.FAILED)


async def test_what_was_denied_has_no_outcome(allowed: World) -> None:
    await allowed.activate("deny")
    await allowed.propose("c2", to="y")
    with pytest.raises(CallNotAllowed):
        await allowed.settle("c2")


async def test_an_agent_vouches_only_for_itself(allowed: World) -> None:
    for claimed in (Source.TOOL, Source.GATEWAY, Source.EXECUTOR):
        with pytest.raises(SourceNotYours) as no:
            await allowed.settle(source=claimed, who=caller("a1"))
        assert no.value.evidence == {"claimed": claimed.value}
    await allowed.settle(source=Source.AGENT, who=caller("a1"))
    assert (await confirmation(allowed)).source is Source.AGENT
    assert (await allowed.run()).sources == {"agent"}


async def test_an_agent_whose_operator_role_was_withdrawn_a_moment_ago_vouches_only_for_itself(
    allowed: World,
) -> None:
    there = allowed.hire()
    await there.desk.law.load()
    await allowed.tenant(WithdrawRole(principal="gate", role=Role.OPERATOR), by=there)
    with pytest.raises(Forbidden):
        await allowed.settle(source=Source.TOOL)


@pytest.mark.parametrize("claimed", [None, *Source])
async def test_an_operator_says_who_vouches_or_vouches_as_the_gateway(
    allowed: World, claimed: Source | None
) -> None:
    await allowed.settle(source=claimed)
    assert (await confirmation(allowed)).source is (claimed or Source.GATEWAY)


async def test_outcomes_are_told_by_whoever_drives_the_run(allowed: World) -> None:
    for who in ("a2", "bob", "ada", "stranger"):
        with pytest.raises(Forbidden):
            await allowed.settle(who=caller(who))
        with pytest.raises(Forbidden):
            await allowed.dispatch(who=caller(who))


async def test_an_output_puts_the_tools_labels_on_the_run(allowed: World) -> None:
    await allowed.propose("c2", "look")
    await allowed.settle("c2")
    assert (await allowed.run()).labels == {"personal"}


async def test_an_unknown_outcome_puts_the_tools_labels_on_the_run_too(allowed: World) -> None:
    await allowed.propose("c2", "look")
    await allowed.settle("c2", Status.UNKNOWN)
    assert (await allowed.run()).labels == {"personal"}


async def test_labels_follow_the_newest_registration_whichever_worker_hears_of_the_outcome(
    allowed: World,
) -> None:
    there = allowed.hire()
    await there.desk.law.load()
    stricter = Registration(risk="send", arguments={}, reads=("secret",))
    await allowed.tool("mail", ReclassifyTool(registration=stricter), by=there)
    await allowed.settle()
    assert (await allowed.run()).labels == {"secret"}


async def test_an_outcome_of_a_tool_this_worker_has_not_heard_of_is_recorded(allowed: World) -> None:
    there = allowed.hire()
    await there.desk.law.load()
    await allowed.register("fly", Registration(arguments={}), by=there)
    await allowed.propose("c2", "fly", by=there)
    assert (await allowed.settle("c2")).stage is Stage.CONFIRMED


async def test_an_output_teaches_the_run_facts_with_their_source(allowed: World) -> None:
    await looked_up(allowed, of="b1")
    await allowed.settle("c2", output=OUTPUT, source=Source.TOOL)
    assert (await allowed.run()).facts["booking", "b1"] == FactRecord(
        kind="booking",
        key="b1",
        fields={"cabin": "basic", "name": "Eve", "paid": [{"card": "1234", "sum": 5}]},
        source=Source.TOOL,
    )


async def test_a_success_makes_of_the_records_what_the_tools_effects_say(allowed: World) -> None:
    await looked_up(allowed, id="b1", cabin="business")
    await allowed.settle("c2", output=OUTPUT)
    facts = (await confirmation(allowed)).facts
    assert [record.fields.get("cabin") for record in facts] == ["basic", "business"]
    assert (await allowed.run()).facts["booking", "b1"].fields["cabin"] == "business"


async def test_a_failure_teaches_no_facts(allowed: World) -> None:
    await looked_up(allowed, id="b1", cabin="business")
    await allowed.settle("c2", Status.FAILED, OUTPUT)
    assert not (await allowed.run()).facts


async def test_the_next_call_is_decided_on_what_was_learned(allowed: World) -> None:
    await looked_up(allowed, of="b1")
    await allowed.settle("c2", output=OUTPUT)
    await allowed.propose("c3", "look")
    asked = allowed.policy.questions[-1]
    assert asked.known["booking", "b1"].fields["cabin"] == "basic"
    assert asked.run.sources == {"gateway"}


async def test_personal_facts_are_sealed_for_their_subjects_wherever_they_stand(allowed: World) -> None:
    await looked_up(allowed, customer="eve")
    await allowed.settle("c2", output=OUTPUT)
    log = allowed.log
    assert isinstance(log, StoredEventLog)

    async def fields() -> dict[str, Json]:
        (record,) = (await confirmation(allowed)).facts
        return dict(record.fields)

    assert await fields() == {"cabin": "basic", "name": "Eve", "paid": [{"card": "1234", "sum": 5}]}
    await log.erase(TENANT, "eve")
    assert await fields() == {"cabin": "basic", "name": "[erased]", "paid": [{"card": "1234", "sum": 5}]}
    await log.erase(TENANT, "ada")
    assert await fields() == {
        "cabin": "basic",
        "name": "[erased]",
        "paid": [{"card": "[erased]", "sum": 5}],
    }


@pytest.mark.parametrize(
    ("outputs", "kept", "digested"),
    [(Outputs.NONE, False, False), (Outputs.DIGEST, False, True), (Outputs.ENCRYPTED, True, True)],
)
async def test_a_tool_says_what_is_kept_of_its_output(
    allowed: World, outputs: Outputs, kept: bool, digested: bool
) -> None:
    await looked_up(allowed, outputs, of="b1")
    await allowed.settle("c2", output=OUTPUT)
    event = await confirmation(allowed)
    assert event.output == (OUTPUT if kept else None)
    assert (event.output_digest is not None) == digested
    assert isinstance(allowed.log, StoredEventLog)
    await allowed.log.erase(TENANT, "ada")
    assert (await confirmation(allowed)).output == ("[erased]" if kept else None)


async def test_an_output_without_canonical_form_is_an_outcome_all_the_same(allowed: World) -> None:
    await allowed.settle(output={"n": 2**60})
    event = await confirmation(allowed)
    assert (event.output_digest, (await allowed.run()).calls["c1"].stage) == (None, Stage.CONFIRMED)


async def test_an_errors_text_is_sealed_for_the_runs_subject(allowed: World) -> None:
    await allowed.settle("c1", Status.FAILED)
    assert isinstance(allowed.log, StoredEventLog)
    await allowed.log.erase(TENANT, "ada")
    failed = (await allowed.told())[-1]
    assert isinstance(failed, ToolCallFailed)
    assert failed.error == "[erased]"


async def test_outcomes_told_from_two_workers_at_once_are_recorded_once(allowed: World) -> None:
    workers = [allowed.first, allowed.hire()]
    await workers[1].desk.law.load()
    settled = await asyncio.gather(*(allowed.settle(by=workers[n % 2]) for n in range(10)))
    assert {each.stage for each in settled} == {Stage.CONFIRMED}
    assert sum(isinstance(event, ToolCallConfirmed) for event in await allowed.told()) == 1


async def test_an_operators_grant_reaches_every_worker(allowed: World) -> None:
    there = allowed.hire()
    await there.desk.law.load()
    await allowed.tenant(GrantRole(principal="bob", role=Role.OPERATOR), by=allowed.first)
    settled = await allowed.settle(who=caller("bob", Role.OPERATOR), by=there)
    assert settled.stage is Stage.CONFIRMED
