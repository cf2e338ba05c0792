"""The path of a command on one stream: recall, decide, record; stale memory refuses nobody."""

import asyncio
from datetime import timedelta

import pytest

from application.handle import Handled, VersionMoved
from application.ports import AlreadyAnswered, Answer, IdempotencyKey, IdempotencyKeyReused, StreamId
from domain.agents.agent import Agent, Standing, agents
from domain.agents.commands import RegisterAgent, ReinstateAgent, RetireAgent, SuspendAgent
from domain.agents.rejections import AgentIsRetired, AgentUnknown
from tests.application.world import TENANT, World

A1 = StreamId(TENANT, agents.category, "a1")
REGISTERED = RegisterAgent(discipline="developer", model="m-1", owner="owen")


def key(name: str = "k1", digest: bytes = b"same") -> IdempotencyKey:
    return IdempotencyKey(TENANT, "ada", name, digest)


def body(handled: Handled[Agent]) -> Answer:
    return Answer(200, f"{handled.version}".encode())


async def test_a_command_answers_with_state_version_and_position(world: World) -> None:
    before = await world.log.head()
    handled = await world.handler.handle(agents, A1, SuspendAgent(reason="odd"), world.context())
    assert (handled.state.standing, handled.version, handled.changed) == (Standing.SUSPENDED, 2, True)
    assert handled.position == before + 1 == await world.log.head()


async def test_a_command_that_changes_nothing_answers_with_what_is_true(world: World) -> None:
    first = await world.handler.handle(agents, A1, SuspendAgent(reason="odd"), world.context())
    again = await world.handler.handle(agents, A1, SuspendAgent(reason="odd"), world.context())
    assert (again.state, again.version, again.position) == (first.state, first.version, first.position)
    assert not again.changed
    assert await world.log.head() == first.position


async def test_who_asked_and_when_stand_beside_the_event(world: World) -> None:
    await world.handler.handle(agents, A1, SuspendAgent(reason="odd"), world.context("ada"))
    *_, recorded = await world.log.stream(A1)
    assert recorded.context == world.context("ada")


async def test_a_no_op_decided_on_memory_is_decided_again_on_a_fresh_read(world: World) -> None:
    here, there = world.first, world.hire()
    await world.agent("a1", SuspendAgent(reason="odd"), by=here)
    await world.agent("a1", ReinstateAgent(reason="fine"), by=there)
    handled = await here.handler.handle(agents, A1, SuspendAgent(reason="again"), world.context())
    assert (handled.changed, handled.version) == (True, 4)


async def test_a_refusal_decided_on_memory_is_decided_again_on_a_fresh_read(world: World) -> None:
    here, there = world.first, world.hire()
    with pytest.raises(AgentUnknown):
        await world.agent("a3", SuspendAgent(reason="odd"), by=here)
    await world.agent("a3", REGISTERED, by=there)
    await world.agent("a3", SuspendAgent(reason="odd"), by=here)
    await world.agent("a3", RetireAgent(reason="old"), by=there)
    with pytest.raises(AgentIsRetired):
        await world.agent("a3", ReinstateAgent(reason="fine"), by=here)


async def test_what_another_worker_wrote_first_is_read_and_decided_upon(world: World) -> None:
    here, there = world.first, world.hire()
    await world.agent("a1", SuspendAgent(reason="odd"), by=here)
    await world.agent("a1", RetireAgent(reason="old"), by=there)
    with pytest.raises(AgentIsRetired):  # on memory it would be reinstated
        await world.agent("a1", ReinstateAgent(reason="fine"), by=here)


async def test_callers_of_one_stream_in_two_workers_all_get_through(world: World) -> None:
    workers = [world.first, world.hire()]
    before = len(await world.log.stream(A1))

    async def toggle(number: int) -> bool:
        command = SuspendAgent(reason="odd") if number % 2 else ReinstateAgent(reason="fine")
        handled = await workers[number % 4 // 2].handler.handle(agents, A1, command, world.context())
        return handled.changed

    changed = await asyncio.gather(*map(toggle, range(64)))
    recorded = await world.log.stream(A1)
    assert len(recorded) - before == sum(changed)
    assert [each.version for each in recorded] == list(range(1, len(recorded) + 1))


async def test_a_command_on_the_version_last_read_goes_through(world: World) -> None:
    handled = await world.handler.handle(
        agents, A1, SuspendAgent(reason="odd"), world.context(), if_version=1
    )
    assert handled.version == 2


async def test_a_command_on_an_older_version_is_refused(world: World) -> None:
    await world.agent("a1", SuspendAgent(reason="odd"))
    with pytest.raises(VersionMoved) as no:
        await world.handler.handle(agents, A1, ReinstateAgent(reason=""), world.context(), if_version=1)
    assert no.value.evidence == {"expected": 1, "found": 2}


async def test_the_version_is_compared_with_a_fresh_read(world: World) -> None:
    here, there = world.first, world.hire()
    await world.agent("a1", SuspendAgent(reason="odd"), by=there)
    handled = await here.handler.handle(agents, A1, ReinstateAgent(reason=""), world.context(), if_version=2)
    assert handled.version == 3


async def test_a_no_op_on_memory_does_not_slip_past_the_version(world: World) -> None:
    here, there = world.first, world.hire()
    await world.agent("a1", SuspendAgent(reason="odd"), by=here)
    await world.agent("a1", ReinstateAgent(reason="fine"), by=there)
    with pytest.raises(VersionMoved):
        await here.handler.handle(agents, A1, SuspendAgent(reason="again"), world.context(), if_version=2)


async def test_the_same_key_has_one_effect_and_the_same_answer(world: World) -> None:
    first = await world.handler.handle(
        agents, A1, SuspendAgent(reason="odd"), world.context(), key=key(), answer=body
    )
    with pytest.raises(AlreadyAnswered) as known:
        await world.handler.handle(
            agents, A1, ReinstateAgent(reason=""), world.context(), key=key(), answer=body
        )
    assert (known.value.answer, known.value.position) == (Answer(200, b"2"), first.position)
    assert await world.log.head() == first.position


async def test_a_repeated_request_gets_its_answer_also_where_nothing_is_left_to_do(world: World) -> None:
    asked = (agents, A1, SuspendAgent(reason="odd"), world.context())
    await world.handler.handle(*asked, key=key(), answer=body)
    with pytest.raises(AlreadyAnswered):
        await world.handler.handle(*asked, key=key(), answer=body)


async def test_a_repeated_request_gets_its_answer_also_where_it_would_now_be_refused(world: World) -> None:
    asked = (agents, A1, SuspendAgent(reason="odd"), world.context())
    await world.handler.handle(*asked, key=key(), answer=body, if_version=1)
    with pytest.raises(AlreadyAnswered):
        await world.handler.handle(*asked, key=key(), answer=body, if_version=1)
    await world.agent("a1", RetireAgent(reason="old"))
    with pytest.raises(AlreadyAnswered):
        await world.handler.handle(*asked, key=key(), answer=body)


async def test_a_key_is_not_used_for_another_request(world: World) -> None:
    asked = (agents, A1, SuspendAgent(reason="odd"), world.context())
    await world.handler.handle(*asked, key=key(), answer=body)
    for command in (SuspendAgent(reason="odd"), ReinstateAgent(reason="fine")):
        with pytest.raises(IdempotencyKeyReused):
            await world.handler.handle(
                agents, A1, command, world.context(), key=key(digest=b"other"), answer=body
            )


async def test_a_refusal_is_not_kept_under_the_key(world: World) -> None:
    stream = StreamId(TENANT, agents.category, "a9")
    asked = (agents, stream, SuspendAgent(reason="odd"), world.context())
    with pytest.raises(AgentUnknown):
        await world.handler.handle(*asked, key=key(), answer=body)
    await world.agent("a9", REGISTERED)
    assert (await world.handler.handle(*asked, key=key(), answer=body)).changed


async def test_the_same_key_at_the_same_time_in_two_workers_has_one_effect(world: World) -> None:
    workers = [world.first, world.hire()]
    before = await world.log.head()

    async def ask(number: int) -> bytes:
        handler = workers[number % 2].handler
        try:
            handled = await handler.handle(
                agents, A1, SuspendAgent(reason="odd"), world.context(), key=key(), answer=body
            )
        except AlreadyAnswered as known:
            return known.answer.body
        return body(handled).body

    assert set(await asyncio.gather(*map(ask, range(16)))) == {b"2"}
    assert await world.log.head() == before + 1


async def test_a_key_is_forgotten_after_its_time(world: World) -> None:
    asked = (agents, A1, SuspendAgent(reason="odd"), world.context())
    await world.handler.handle(*asked, key=key(), answer=body)
    world.clock.advance(timedelta(days=2))
    again = await world.handler.handle(*asked, key=key(), answer=body)
    assert not again.changed


async def test_a_stream_that_begins_is_not_read_first_and_yet_begun_once(world: World) -> None:
    a7 = StreamId(TENANT, agents.category, "a7")
    here, there = world.first, world.hire()
    begun = await here.handler.handle(agents, a7, REGISTERED, world.context(), begins=True)
    again = await there.handler.handle(agents, a7, REGISTERED, world.context(), begins=True)
    assert (begun.changed, again.changed) == (True, False)
    assert (again.state, again.version, again.position) == (begun.state, begun.version, begun.position)
