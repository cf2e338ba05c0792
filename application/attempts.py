"""Trying again after somebody else was quicker, until the request's time is up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from application.ports import ConcurrentWrite, LogBusy, StaleLaw
from domain.kernel import Rejected

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.05
PATIENCE = 5.0
"""Seconds a command keeps trying before it says that the log is busy."""


async def until_recorded(
    attempt: Callable[[bool], Awaitable[T]],
    *,
    catch_up: Callable[[str, int], Awaitable[None]] | None = None,
    patience: float = PATIENCE,
) -> T:
    """Runs `attempt(fresh)` until it neither meets a concurrent write nor rests on old law.

    A refusal decided on remembered state is decided once more on a fresh read, because nothing is
    appended that would catch staleness. Raises LogBusy when `patience` seconds were not enough.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    fresh, pause = False, FIRST_PAUSE
    while True:
        try:
            return await attempt(fresh)
        except ConcurrentWrite:
            fresh = True
        except StaleLaw as stale:
            if catch_up is None:
                raise
            await catch_up(stale.tenant, stale.position)
        except Rejected as no:
            if fresh or no.kind == "unavailable":
                raise
            fresh = True
            continue
        if loop.time() + pause > deadline:
            raise LogBusy(retry_after=1)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
