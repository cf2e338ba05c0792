"""The law is kept in memory by following the log; memory that may be too old decides nothing."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

import pytest

from adapters.event_store.memory import MemoryEventLog
from application.law import BATCH, PAUSE, LawBehind, LawBook
from application.ports import Clock, EventLog, Recorded
from domain.agents.agent import Standing
from domain.agents.commands import RegisterAgent, RetireAgent, SuspendAgent, UpdateAgent
from domain.kernel import Role
from domain.tenants.commands import RemoveMember
from domain.tools.commands import ReclassifyTool
from domain.tools.registration import Registration
from tests.application.world import TENANT, World


async def turns(times: int = 20) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_book_that_was_never_read_decides_nothing(world: World) -> None:
    book = world.hire().desk.law
    assert book.lag() is None
    with pytest.raises(LawBehind) as no:
        book.of(TENANT)
    assert no.value.evidence == {"lag_seconds": None, "retry_after": 1}


async def test_loading_reads_all_law_there_is(world: World) -> None:
    book = world.hire().desk.law
    await book.load()
    law = book.of(TENANT)
    assert law == world.desk.law.of(TENANT)
    assert law.position == await world.log.law_head(TENANT)
    assert set(law.agents) == {"a1", "a2"}
    assert set(law.tools) == set(law.views) == {"mail", "look"}
    assert law.policies.text == "allow"


async def test_a_tenant_without_law_has_none(world: World) -> None:
    law = world.desk.law.of("nobody")
    assert (law.position, law.tenant, len(law.agents), law.policies.active) == (0, None, 0, None)


async def test_memory_grows_old_when_the_head_is_not_read(world: World) -> None:
    book = world.desk.law
    world.clock.advance(timedelta(seconds=2))
    assert book.of(TENANT).agents
    world.clock.advance(timedelta(milliseconds=1))
    with pytest.raises(LawBehind) as no:
        book.of(TENANT)
    assert no.value.kind == "unavailable"
    assert no.value.evidence == {"lag_seconds": 2.001, "retry_after": 1}
    assert book.peek(TENANT).agents
    await book.load()
    assert book.of(TENANT).agents


async def test_following_keeps_memory_current(world: World) -> None:
    book = world.hire().desk.law
    following = asyncio.create_task(book.follow())
    await turns()
    assert book.lag() == timedelta(0)
    await world.agent("a1", SuspendAgent(reason="odd"))
    await asyncio.sleep(2 * PAUSE)
    assert book.of(TENANT).agents["a1"].standing is Standing.SUSPENDED
    world.clock.advance(timedelta(seconds=3))
    await asyncio.sleep(1.1)  # on this loop no time at all: the follower looks once a second
    assert book.lag() == timedelta(0)
    following.cancel()


class Flood(MemoryEventLog):
    """Brings one full batch, and then more is always still to come."""

    def __init__(self, clock: Clock, event: Recorded) -> None:
        super().__init__(clock)
        self._event = event

    async def follow(
        self, after: int, *, names: Sequence[str] = (), batch: int = BATCH
    ) -> AsyncGenerator[Sequence[Recorded]]:
        yield [self._event] * batch
        await asyncio.Event().wait()


async def test_a_full_batch_is_no_word_on_the_head(world: World) -> None:
    (first,) = await world.log.read(0, 1)
    book = LawBook(Flood(world.clock, first), world.clock, ())
    following = asyncio.create_task(book.follow())
    await turns()
    assert (book.position, book.lag()) == (1, None)
    following.cancel()


async def test_catching_up_reads_on_only_when_memory_is_older(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    await world.agent("a1", SuspendAgent(reason="odd"), by=there)
    book, head = world.desk.law, await world.log.law_head(TENANT)
    await book.catch_up(TENANT, head - 1)
    assert book.peek(TENANT).position == head - 1
    await book.catch_up(TENANT, head)
    assert book.peek(TENANT).position == head
    assert book.peek(TENANT).agents["a1"].standing is Standing.SUSPENDED


async def test_refreshing_asks_the_log_how_new_the_law_is(world: World) -> None:
    await world.agent("a1", SuspendAgent(reason="odd"))
    await world.desk.law.refresh(TENANT)
    assert world.desk.law.peek(TENANT).agents["a1"].standing is Standing.SUSPENDED


async def test_an_event_that_is_brought_twice_is_passed_over(world: World) -> None:
    book = world.hire().desk.law
    await book.load()
    everything = await world.log.read(0, BATCH)
    before = book.peek(TENANT)
    await world.tool("mail", ReclassifyTool(registration=Registration(risk="send", arguments={"a": 1})))
    news = await world.log.read(before.position, BATCH)
    book._learn([*everything, *news, *everything, *news])
    assert book.peek(TENANT).tools["mail"].edition == before.tools["mail"].edition + 1
    assert book.position == news[-1].position


async def test_reading_and_following_at_once_fold_each_event_once(world: World) -> None:
    book = world.hire().desk.law
    following = asyncio.create_task(book.follow())
    for number in range(20):
        await world.tool(
            "mail", ReclassifyTool(registration=Registration(risk="send", arguments={"n": number}))
        )
        await asyncio.gather(book.load(), book.refresh(TENANT), turns(number % 5))
    await turns()
    assert book.peek(TENANT).tools["mail"].edition == 21
    following.cancel()


async def test_more_law_than_one_batch_is_read_to_the_end(world: World) -> None:
    for number in range(BATCH + 1):
        update = UpdateAgent(discipline="developer", model=f"m-{number}", owner="owen")
        await world.agent("a2", update)
    book = world.hire().desk.law
    await book.load()
    assert book.of(TENANT).agents["a2"].model == f"m-{BATCH}"


async def test_what_is_no_law_is_not_read(world: World) -> None:
    await world.start()
    before = world.desk.law.position
    await world.desk.law.load()
    assert world.desk.law.position == before < await world.log.head()


async def test_an_agents_role_comes_and_goes_with_its_registration(world: World) -> None:
    law = world.desk.law
    assert law.of(TENANT).roles_of("a1") == {Role.AGENT}
    assert law.of(TENANT).roles_of("bob") == {Role.APPROVER}
    assert law.of(TENANT).roles_of("stranger") == frozenset()
    await world.agent("a1", RetireAgent(reason="old"))
    await world.agent("bob", RegisterAgent(discipline="developer", model="m-1", owner="owen"))
    await law.load()
    assert law.of(TENANT).roles_of("a1") == frozenset()
    assert law.of(TENANT).roles_of("bob") == {Role.AGENT, Role.APPROVER}
    await world.tenant(RemoveMember(principal="bob"))
    await law.load()
    assert law.of(TENANT).roles_of("bob") == {Role.AGENT}


async def test_tenants_do_not_see_each_others_law(world: World) -> None:
    other: EventLog = world.log
    assert await other.law_head("nobody") == 0
    assert "nobody" not in world.desk.law._by_tenant
