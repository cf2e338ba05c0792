"""Reading the log as it grows: every event once, in order, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from adapters.event_store.envelope import Placed
from adapters.event_store.storage import Storage
from application.ports import LogBusy, LogUnavailable

POLL_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


async def follow(
    storage: Storage, after: int, *, names: Sequence[str] = (), batch: int = 500
) -> AsyncGenerator[Sequence[Placed]]:
    """Batches after a position, for ever; an empty one says that the head was read and nothing is new.

    The cursor only moves past what was read: positions are contiguous and become visible together with
    the head, so what is not there at or below the head never comes. While the log is away it yields
    nothing, which lets a reader see its lag grow, and tries again.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            head = await storage.head()
            found: Sequence[Placed] = []
            if head > after:
                found = await storage.read(after, batch, upto=head, names=names)
        except (LogUnavailable, LogBusy):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            continue
        pause = FIRST_PAUSE
        after = found[-1].position if len(found) == batch else max(after, head)
        if found:
            yield found
        if len(found) < batch:
            if not found:
                yield ()
            await storage.news(after, POLL_SECONDS)
