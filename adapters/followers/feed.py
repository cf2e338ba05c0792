"""The log as it grows, read once for all who stream it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import islice

from application.ports import EventLog, Recorded
from domain.kernel import Rejected

KEPT = 2_000
PAGE = 500
PAUSE = 0.5


class TooManyStreams(Rejected):
    """As many streams of events are open as this server allows. Try again later."""

    kind = "unavailable"


class EventFeed:
    """Keeps the newest events while somebody listens; who is further behind reads from the log itself."""

    def __init__(self, log: EventLog, *, most_streams: int = 64, kept: int = KEPT) -> None:
        self._log, self._most, self._kept = log, most_streams, kept
        self._open = 0
        self._reading: asyncio.Task[None] | None = None
        self._newest: list[Recorded] = []
        self._since = self._head = 0
        """`_newest` are all events after the one position, up to the other."""
        self._ready, self._news = asyncio.Event(), asyncio.Event()
        self._closed = False

    @property
    def open_streams(self) -> int:
        """How many listen now."""
        return self._open

    def close(self) -> None:
        """Ends all streams, now and from now on."""
        self._closed = True
        self._ready.set()
        self._wake()

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Inside, one more may listen. Raises TooManyStreams."""
        if self._closed or self._open >= self._most:
            raise TooManyStreams(most=self._most, retry_after=5)
        self._open += 1
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        try:
            yield
        finally:
            self._open -= 1
            if self._open == 0:
                await self._stop_reading()

    async def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            self._ready.clear()
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def events(
        self, tenant: str, after: int | None, *, categories: Sequence[str] = (), idle: float = 15.0
    ) -> AsyncGenerator[Sequence[Recorded]]:
        """A tenant's events after a position (None: from now on), in order, each once; inside `place`.

        An empty batch says that nothing came for `idle` seconds. Ends when the feed is closed.
        """
        await self._ready.wait()
        at = self._head if after is None else after
        while not self._closed:
            found, at = await self._next(tenant, at, frozenset(categories))
            if found:
                yield found
            elif at >= self._head:
                news = self._news
                try:
                    async with asyncio.timeout(idle):  # wait_for may swallow a cancellation
                        await news.wait()
                except TimeoutError:
                    yield ()

    async def _next(self, tenant: str, at: int, categories: frozenset[str]) -> tuple[Sequence[Recorded], int]:
        head = self._head
        if at < self._since:
            page = await self._log.read(at, PAGE, tenant=tenant, categories=tuple(categories))
            # A page that is not full has everything up to the head that was known before it was read.
            return page, page[-1].position if len(page) == PAGE else max(head, at, _last(page))
        fresh = islice(self._newest, at - self._since, None)
        wanted = [
            recorded
            for recorded in fresh
            if recorded.stream.tenant == tenant and (not categories or recorded.stream.category in categories)
        ]
        return wanted, max(at, head)

    async def _read(self) -> None:
        while True:
            try:
                self._since = self._head = await self._log.head()
                self._newest = []
                self._ready.set()
                async with aclosing(self._log.follow(self._head)) as batches:
                    async for batch in batches:
                        self._learn(batch)
            except Rejected:
                await asyncio.sleep(PAUSE)

    def _learn(self, batch: Sequence[Recorded]) -> None:
        if not batch:
            return
        self._newest.extend(batch)
        self._head = batch[-1].position
        if len(self._newest) > 2 * self._kept:
            del self._newest[: -self._kept]
            self._since = self._head - len(self._newest)
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _last(page: Sequence[Recorded]) -> int:
    return page[-1].position if page else 0
