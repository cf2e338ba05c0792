"""Follows the log under a name: one process at a time, from where it left off, for ever."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

import psycopg
import structlog

from adapters.followers.handler import FollowerMoved, Handler, Session
from application.ports import Clock, EventLog, Recorded

Batch: TypeAlias = Sequence[Recorded]

BATCH = 1_000
REST_SECONDS = 0.02
"""After a batch that was not full: what comes in meanwhile shares one transaction."""
STANDBY_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Standing:
    """How a follower fares: `active` in this process, else another one may be; `error` if it cannot go on."""

    name: str
    active: bool
    position: int
    lag_seconds: float | None
    """Since it last had nothing left to read; None before the first time."""
    error: str | None


class Follower:
    """Runs one handler. Its position moves in the transaction of the handler's effect, or not at all."""

    def __init__(
        self, handler: Handler, log: EventLog, url: str, clock: Clock, *, batch: int = BATCH
    ) -> None:
        """`url` is the follower role's."""
        self._handler, self._log, self._url, self._clock, self._batch = handler, log, url, clock, batch
        self._active, self._position = False, 0
        self._error: str | None = None
        self._current_at: float | None = None

    @property
    def standing(self) -> Standing:
        """For whoever asks about its health."""
        now = self._clock.now().timestamp()
        lag = None if self._current_at is None else now - self._current_at
        return Standing(self._handler.name, self._active, self._position, lag, self._error)

    async def run(self) -> None:
        """For ever; cancel to stop. Whatever goes wrong is kept as `error` and tried again."""
        pause = FIRST_PAUSE
        while True:
            began_at = self._position
            try:
                await self._once()
            except FollowerMoved:
                continue
            except Exception as error:  # noqa: BLE001  # whatever a handler raises: the position stays
                self._fail(error)
            finally:
                self._active = False
            pause = FIRST_PAUSE if self._position > began_at else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _once(self) -> None:
        session = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, application_name=f"magistrate follower {self._handler.name}"
        )
        async with session:
            await self._stand_by(session)
            self._position = await self._handler.resume(session)
            self._active, self._error = True, None
            await self._follow(session)

    async def _stand_by(self, session: Session) -> None:
        """Wait until nobody else follows under this name. The lock goes when the session does."""
        key = int.from_bytes(sha256(f"follower {self._handler.name}".encode()).digest()[:8], signed=True)
        while True:
            tried = await session.execute("SELECT pg_try_advisory_lock(%s)", [key])
            if await tried.fetchone() == (True,):
                return
            self._error = None
            await asyncio.sleep(STANDBY_SECONDS)

    async def _follow(self, session: Session) -> None:
        batches = self._log.follow(self._position, names=self._handler.follows, batch=self._batch)
        async with aclosing(batches):
            reading = asyncio.create_task(self._read(batches))
            try:
                while True:
                    batch, upto = await reading
                    full = len(batch) == self._batch
                    if full:  # there is more: it is read while this is written
                        reading = asyncio.create_task(self._read(batches))
                    if upto > self._position:
                        await self._take(session, batch, upto)
                    if not full:
                        self._current_at = self._clock.now().timestamp()
                        await asyncio.sleep(REST_SECONDS)
                        reading = asyncio.create_task(self._read(batches))
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, batches: AsyncGenerator[Batch]) -> tuple[Batch, int]:
        """The next batch, and the position up to which there is nothing else for this follower."""
        head = await self._log.head()  # before the batch, so that one that is not full reaches beyond it
        batch = await anext(batches)
        last = batch[-1].position if batch else self._position
        return batch, last if len(batch) == self._batch else max(head, last)

    async def _take(self, session: Session, batch: Batch, upto: int) -> None:
        async with session.transaction():
            await self._handler.take(session, batch, upto)
        self._position, self._error = upto, None

    def _fail(self, error: Exception) -> None:
        # Only the kind: a message may quote what was being written.
        self._error = f"{type(error).__name__} after position {self._position}"
        _log.warning("follower.failed", follower=self._handler.name, error=self._error)
