"""What was allowed is dispatched while the law still allows it."""

import asyncio
from datetime import timedelta

import pytest

from application.tool_calls.execute import NoLongerLawful
from domain.agents.commands import ReinstateAgent, SuspendAgent
from domain.facts.spec import Effect, FactSpec, Reference, Yield
from domain.runs.events import (
    ToolCallDispatched,
)
from domain.runs.rejections import AllowanceExpired, CallUnknown
from domain.runs.run import Stage
from domain.tools.commands import SuspendTool
from domain.tools.registration import PersonalPlace, Registration
from tests.application.world import World, founded

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


async def test_an_allowed_call_is_dispatched_once(allowed: World) -> None:
    first = await allowed.dispatch()
    again = await allowed.dispatch()
    assert (first.stage, again.stage) == (Stage.DISPATCHED, Stage.DISPATCHED)
    assert first.position == again.position == await allowed.log.head()


async def test_dispatching_again_says_where_the_call_has_got_to_elsewhere(allowed: World) -> None:
    there = allowed.hire()
    await there.desk.law.load()
    await allowed.dispatch()
    await allowed.settle(by=there)
    assert (await allowed.dispatch()).stage is Stage.CONFIRMED
    assert (await allowed.settle()).position == await allowed.log.head()


async def test_an_allowance_expires(allowed: World) -> None:
    allowed.clock.advance(timedelta(seconds=300))
    with pytest.raises(AllowanceExpired):
        await allowed.dispatch()
    with pytest.raises(AllowanceExpired):
        await allowed.settle()


async def test_a_tool_says_how_long_its_allowances_last() -> None:
    world = await founded()
    await world.register("quick", Registration(arguments={}, allow_for=5))
    await world.start()
    await world.propose("c1", "quick")
    world.clock.advance(timedelta(seconds=5))
    with pytest.raises(AllowanceExpired):
        await world.dispatch()


async def test_what_is_not_there_has_no_dispatch_and_no_outcome(allowed: World) -> None:
    with pytest.raises(CallUnknown):
        await allowed.dispatch("c9")
    with pytest.raises(CallUnknown):
        await allowed.settle("c9")


@pytest.mark.parametrize("what", ["agent", "tool"])
async def test_dispatch_is_refused_once_a_suspension_stands_in_the_log(allowed: World, what: str) -> None:
    there = allowed.hire()
    await there.desk.law.load()
    if what == "agent":
        await allowed.agent("a1", SuspendAgent(reason="odd"), by=there)
    else:
        await allowed.tool("mail", SuspendTool(reason="odd"), by=there)
    with pytest.raises(NoLongerLawful) as no:
        await allowed.dispatch()
    assert no.value.evidence["policy"] == f"{what}-suspended"
    assert not any(isinstance(event, ToolCallDispatched) for event in await allowed.told())


async def test_what_was_suspended_and_reinstated_goes_on(allowed: World) -> None:
    await allowed.agent("a1", SuspendAgent(reason="odd"), ReinstateAgent(reason="fine"))
    assert (await allowed.dispatch()).stage is Stage.DISPATCHED


async def test_a_suspended_agent_still_tells_what_became_of_its_calls(allowed: World) -> None:
    await allowed.dispatch()
    await allowed.agent("a1", SuspendAgent(reason="odd"))
    assert (await allowed.settle()).stage is Stage.CONFIRMED


async def test_dispatches_and_suspensions_at_once_leave_no_dispatch_after_a_suspension() -> None:
    world = await founded()
    await world.start()
    workers = [world.first, world.hire(), world.hire()]
    for worker in workers[1:]:
        await worker.desk.law.load()
    for number in range(9):
        await world.propose(f"c{number}", n=number)

    async def send(number: int) -> None:
        try:
            await world.dispatch(f"c{number}", by=workers[number % 3])
        except NoLongerLawful:
            return

    async def stop() -> None:
        await world.agent("a1", SuspendAgent(reason="odd"), by=workers[1])

    await asyncio.gather(*(send(number) for number in range(5)), stop(), *(send(n) for n in range(5, 9)))
    history = await world.log.read(0, 500)
    (suspended,) = (each.position for each in history if each.name == "agent.suspended")
    sent = [each.position for each in history if isinstance(each.event, ToolCallDispatched)]
    assert all(position < suspended for position in sent)
