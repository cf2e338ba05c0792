"""Callers of one stream queue up inside a process, so that they meet in the log only across processes."""

import asyncio
from types import TracebackType

from application.ports import StreamId


class Lines:
    """One queue per stream, kept only while somebody stands in it."""

    def __init__(self) -> None:
        self._waiting: dict[StreamId, list[asyncio.Future[None]]] = {}

    def at(self, stream: StreamId) -> "Place":
        """`async with`: inside, nobody else of this process is at the stream; first come, first served."""
        return Place(self, stream)

    async def enter(self, stream: StreamId) -> None:
        """Queues up, and returns when it is the caller's turn."""
        line = self._waiting.get(stream)
        if line is None:
            self._waiting[stream] = []
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # A cancelled turn was never handed over, though it may have been passed over already.
            if not turn.cancelled():
                self.leave(stream)
            elif turn in line:
                line.remove(turn)
            raise

    def leave(self, stream: StreamId) -> None:
        """Hands the turn to whoever waits longest."""
        line = self._waiting[stream]
        while line:
            turn = line.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[stream]


class Place:
    """A place in a line; a class and not a generator, because every command goes through one."""

    __slots__ = ("_lines", "_stream")

    def __init__(self, lines: Lines, stream: StreamId) -> None:
        self._lines, self._stream = lines, stream

    async def __aenter__(self) -> None:
        await self._lines.enter(self._stream)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.leave(self._stream)
