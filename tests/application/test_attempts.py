"""A command is tried again after a concurrent write or a change of law, until its time is up."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from application.attempts import PATIENCE, until_recorded
from application.ports import ConcurrentWrite, LogBusy, LogUnavailable, StaleLaw
from domain.kernel import Rejected


class No(Rejected):
    """This is refused."""


def story(*course: Exception | str) -> tuple[Callable[[bool], Awaitable[str]], list[bool]]:
    """An attempt that takes this course, the last step for ever, and how fresh each try was."""
    tries: list[bool] = []

    async def attempt(fresh: bool) -> str:
        step = course[min(len(tries), len(course) - 1)]
        tries.append(fresh)
        if isinstance(step, Exception):
            raise step
        return step

    return attempt, tries


async def test_what_is_recorded_at_once_is_not_tried_again() -> None:
    attempt, tries = story("done")
    assert await until_recorded(attempt) == "done"
    assert tries == [False]


async def test_after_a_concurrent_write_it_is_decided_on_a_fresh_read() -> None:
    attempt, tries = story(ConcurrentWrite(), ConcurrentWrite(), "done")
    assert await until_recorded(attempt) == "done"
    assert tries == [False, True, True]


async def test_a_refusal_is_given_only_after_a_fresh_read() -> None:
    attempt, tries = story(No())
    with pytest.raises(No):
        await until_recorded(attempt)
    assert tries == [False, True]


async def test_a_refusal_that_a_fresh_read_does_not_bear_out_is_none() -> None:
    attempt, tries = story(No(), "done")
    assert await until_recorded(attempt) == "done"
    assert tries == [False, True]


async def test_a_log_that_is_away_is_not_asked_again() -> None:
    attempt, tries = story(LogUnavailable())
    with pytest.raises(LogUnavailable):
        await until_recorded(attempt)
    assert tries == [False]


async def test_what_rests_on_old_law_is_decided_again_after_catching_up() -> None:
    attempt, tries = story(StaleLaw("acme", 7), StaleLaw("acme", 9), "done")
    caught_up: list[tuple[str, int]] = []

    async def catch_up(tenant: str, position: int) -> None:
        caught_up.append((tenant, position))

    assert await until_recorded(attempt, catch_up=catch_up) == "done"
    assert caught_up == [("acme", 7), ("acme", 9)]
    assert len(tries) == 3


async def test_who_cannot_catch_up_says_so_to_whoever_can() -> None:
    attempt, _ = story(StaleLaw("acme", 7))
    with pytest.raises(StaleLaw):
        await until_recorded(attempt)


@pytest.mark.parametrize("obstacle", [ConcurrentWrite(), StaleLaw("acme", 7)])
async def test_nobody_tries_for_ever(obstacle: Exception) -> None:
    attempt, tries = story(obstacle)

    async def catch_up(tenant: str, position: int) -> None:
        """Brings nothing new."""

    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(LogBusy) as no:
        await until_recorded(attempt, catch_up=catch_up)
    assert no.value.evidence == {"retry_after": 1}
    assert PATIENCE - 0.1 <= loop.time() - begun <= PATIENCE
    assert 50 <= len(tries) <= 200


async def test_patience_is_the_callers() -> None:
    attempt, tries = story(ConcurrentWrite())
    with pytest.raises(LogBusy):
        await until_recorded(attempt, patience=0)
    assert tries == [False]


async def test_other_faults_are_not_hidden() -> None:
    attempt, tries = story(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await until_recorded(attempt)
    assert tries == [False]
