"""Following the log: every event once, in order, and a word when there is nothing new."""

import asyncio
from collections.abc import Sequence

from adapters.event_store.log import StoredEventLog
from application.ports import Recorded
from tests.adapters.event_store import WHY, clock, log, note, rule

__all__ = ["clock", "log"]


async def positions_of(log: StoredEventLog, count: int, after: int = 0, **only: Sequence[str]) -> list[int]:
    found: list[int] = []
    async for batch in log.follow(after, batch=7, **only):
        found += [event.position for event in batch]
        if len(found) >= count:
            return found
    raise AssertionError


async def test_old_and_new_events_come_once_and_in_order(log: StoredEventLog) -> None:
    for n in range(20):
        await log.record([note(name=f"old {n}")], WHY)
    following = asyncio.create_task(positions_of(log, 60, 5))
    await asyncio.sleep(0.1)
    for n in range(10):
        await asyncio.gather(*(log.record([note(name=f"new {n} {m}")], WHY) for m in range(5)))
    assert (await asyncio.wait_for(following, 10))[:60] == list(range(6, 66))


async def test_an_empty_batch_says_that_there_is_nothing_new(log: StoredEventLog) -> None:
    await log.record([note()], WHY)
    seen: list[Sequence[Recorded]] = []
    loop = asyncio.get_running_loop()
    began = loop.time()
    async for batch in log.follow(1):
        seen.append(batch)
        if len(seen) == 3:
            break
    assert not any(seen)
    assert loop.time() - began < 4


async def test_news_is_heard_without_waiting_for_the_next_poll(log: StoredEventLog) -> None:
    following = asyncio.create_task(positions_of(log, 5))
    loop = asyncio.get_running_loop()
    await asyncio.sleep(1.2)
    began = loop.time()
    for n in range(5):
        await log.record([note(name=str(n))], WHY)
        await asyncio.sleep(0.05)
    await following
    assert loop.time() - began < 0.9


async def test_names_are_filtered_and_the_rest_is_passed_by(log: StoredEventLog) -> None:
    following = asyncio.create_task(positions_of(log, 3, names=["rule.made"]))
    for n in range(3):
        await log.record([note(name=str(n)), rule(str(n))], WHY)
        await asyncio.gather(*(log.record([note(name=f"{n}/{m}")], WHY) for m in range(10)))
    assert await asyncio.wait_for(following, 10) == [2, 14, 26]
