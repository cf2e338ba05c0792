"""Callers of one stream are served one at a time, in the order they came, and leave no trace."""

import asyncio

import pytest

from application.lines import Lines
from application.ports import StreamId

ONE, OTHER = StreamId("acme", "run", "r1"), StreamId("acme", "run", "r2")


class Counter:
    """A counter at which callers stand in line, work through some turns of the loop, and are written down."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.served: list[str] = []
        self.inside = 0
        self.open = asyncio.Event()

    async def call(self, name: str, stream: StreamId = ONE) -> None:
        async with self.lines.at(stream):
            self.inside += 1
            assert self.inside == 1, "two inside at once"
            try:
                await self.open.wait()
                await asyncio.sleep(0)
                self.served.append(name)
            finally:
                self.inside -= 1

    def arrive(self, names: str) -> dict[str, asyncio.Task[None]]:
        return {name: asyncio.create_task(self.call(name)) for name in names}

    @property
    def empty(self) -> bool:
        return not self.lines._waiting


async def turns(times: int = 3) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_callers_are_served_one_at_a_time_in_the_order_they_came() -> None:
    counter = Counter()
    callers = counter.arrive("abcdef")
    counter.open.set()
    await asyncio.gather(*callers.values())
    assert counter.served == list("abcdef")
    assert counter.empty


async def test_streams_do_not_wait_for_each_other() -> None:
    lines, met = Lines(), asyncio.Barrier(2)

    async def meet(stream: StreamId) -> None:
        async with lines.at(stream):
            await met.wait()

    await asyncio.gather(meet(ONE), meet(OTHER))
    assert not lines._waiting


async def test_who_gives_up_waiting_is_passed_over() -> None:
    counter = Counter()
    callers = counter.arrive("abcd")
    await turns()
    callers["b"].cancel()
    await turns()
    counter.open.set()
    await asyncio.gather(*callers.values(), return_exceptions=True)
    assert counter.served == list("acd")
    assert counter.empty


async def test_who_gives_up_inside_lets_the_next_in() -> None:
    counter = Counter()
    callers = counter.arrive("abc")
    await turns()
    callers["a"].cancel()
    counter.open.set()
    await asyncio.gather(*callers.values(), return_exceptions=True)
    assert counter.served == list("bc")
    assert counter.empty


async def test_who_gives_up_at_the_very_moment_of_being_called_hands_the_turn_on() -> None:
    counter = Counter()
    callers = counter.arrive("abc")
    counter.open.set()
    await callers["a"]
    callers["b"].cancel()  # called already, but not inside yet, or just inside
    await asyncio.gather(*callers.values(), return_exceptions=True)
    assert counter.served == list("ac")
    assert counter.empty


async def test_who_gives_up_just_before_the_one_inside_leaves_does_not_let_two_in() -> None:
    lines, order = Lines(), list[str]()

    async def wait(name: str) -> None:
        async with lines.at(ONE):
            order.append(name)
            await turns()
            order.append(name)

    await lines.enter(ONE)
    waiting = [asyncio.create_task(wait(name)) for name in "bcd"]
    await turns()
    waiting[0].cancel()
    lines.leave(ONE)  # in the same turn of the loop: b does not know yet that it was cancelled
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == list("ccdd")
    assert not lines._waiting


async def test_a_fault_inside_lets_the_next_in() -> None:
    lines = Lines()
    with pytest.raises(ZeroDivisionError):
        async with lines.at(ONE):
            raise ZeroDivisionError
    async with lines.at(ONE):
        pass
    assert not lines._waiting


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_gives_up_whenever_nobody_meets_inside_and_everybody_else_is_served(seed: int) -> None:
    counter = Counter()
    names = "abcdefgh"
    callers = counter.arrive(names)
    counter.open.set()
    given_up = {name for index, name in enumerate(names) if (seed >> index % 5) & 1}
    for name in sorted(given_up, key=lambda name: (seed * 7 + ord(name)) % 11):
        await turns((seed + ord(name)) % 3)
        callers[name].cancel()
    outcomes = await asyncio.gather(*callers.values(), return_exceptions=True)
    served = [name for name, outcome in zip(names, outcomes, strict=True) if outcome is None]
    assert counter.served == served
    assert set(names) - given_up <= set(served)
    assert counter.empty
