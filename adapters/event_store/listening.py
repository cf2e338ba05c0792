"""Wake-ups: the database says when the log has grown, so that followers need not ask all the time."""

import asyncio

import psycopg
from psycopg import AsyncConnection

from adapters.event_store.connections import Patience, settings

LONGEST_PAUSE = 1.0


class Listener:
    """Listens in the background and connects again when cut off. A missed wake-up only costs a poll."""

    def __init__(self, conninfo: str, patience: Patience) -> None:
        self._conninfo, self._patience = conninfo, patience
        self._head = 0
        self._grown = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen(), name="event log listener")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def beyond(self, position: int, seconds: float) -> None:
        """Returns when the log has grown beyond a position, at the latest after so many seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._head <= position and loop.time() < deadline:
            grown = self._grown
            try:
                async with asyncio.timeout_at(deadline):  # wait_for may swallow a cancellation
                    await grown.wait()
            except TimeoutError:
                return

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except psycopg.Error:
                await asyncio.sleep(LONGEST_PAUSE)

    async def _hear(self) -> None:
        connection = await AsyncConnection.connect(
            self._conninfo, **settings(self._patience, "magistrate listener")
        )
        async with connection:
            await connection.execute("LISTEN event_log")
            async for notice in connection.notifies():
                if notice.payload.isdecimal():
                    self._head = int(notice.payload)
                    self._grown.set()
                    self._grown = asyncio.Event()
