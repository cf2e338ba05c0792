"""Callers of one stream queue up inside a process, so that they meet in the log only across processes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from application.ports import StreamId


class Lines:
    """One queue per stream, kept only while somebody stands in it."""

    def __init__(self) -> None:
        self._waiting: dict[StreamId, list[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def at(self, stream: StreamId) -> AsyncGenerator[None]:
        """Inside, nobody else of this process is at the same stream; first come, first served."""
        line = self._waiting.get(stream)
        if line is None:
            self._waiting[stream] = []
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            line.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                # A cancelled turn was never handed over, though it may have been passed over already.
                if not turn.cancelled():
                    self._next(stream)
                elif turn in line:
                    line.remove(turn)
                raise
        try:
            yield
        finally:
            self._next(stream)

    def _next(self, stream: StreamId) -> None:
        line = self._waiting[stream]
        while line:
            turn = line.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[stream]
