"""Keeping a server running: one that is gone is started again, for as long as somebody needs it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.embedded_postgres.processes import postmaster
from adapters.embedded_postgres.server import ensure_running

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def kept_running(directory: Path) -> AsyncGenerator[None]:
    """Inside, the server of the directory is started again whenever it is gone, however it went.

    It comes back at the port that it had, unless another program has taken that meanwhile.
    """
    leaving = asyncio.Event()
    keeping = asyncio.create_task(_keep(directory, leaving), name="embedded postgres")
    try:
        yield
    finally:
        # A start under way is waited for: whoever stops the server next must not see it come back.
        leaving.set()
        await keeping


async def _keep(directory: Path, leaving: asyncio.Event) -> None:
    data = await asyncio.to_thread((directory / "data").resolve)
    pause = FIRST_PAUSE
    while not await _set_within(leaving, pause):
        if postmaster(data) is not None:
            pause = FIRST_PAUSE
            continue
        log.warning("the database in %s is gone and is started again", directory)
        try:
            await asyncio.to_thread(ensure_running, directory)
        except Exception as error:  # noqa: BLE001 -- whatever it is, a later try may succeed
            log.error("the database does not start: %s", error)  # noqa: TRY400 -- the message says what to do
            pause = min(pause * 2, LONGEST_PAUSE)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation
            await event.wait()
    except TimeoutError:
        return False
    return True
