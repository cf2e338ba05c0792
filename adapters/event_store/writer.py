"""The group-commit writer: appends that are asked for at the same time share one transaction and one fsync.

It lives on one event loop, beside its callers: there is no thread to hand work to, and no lock.
"""

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from adapters.event_store.batches import (
    APPEND,
    Claims,
    Outcome,
    has_moved,
    outcomes,
    parameters,
    versions,
)
from adapters.event_store.connections import (
    Patience,
    WriterConnection,
    hung_up_after,
    is_bad_input,
    is_overload,
    unavailable,
)
from adapters.event_store.envelope import NotStorable
from adapters.event_store.recovery import find_written
from adapters.event_store.writes import Write
from application.ports import Clock, ConcurrentWrite, LogBusy, LogUnavailable

MOST_EVENTS = 512
"""Events in one batch; more only if a single command brings them."""
MOST_BYTES = 4_000_000
"""Bytes of bodies in one batch, likewise."""
MOST_WAITING = 20_000
"""Events that may wait to be written; beyond it callers are told to come back."""
PAUSE = 0.05
TRIES = 3
"""How often a command is sent when connections break under it."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Waiting:
    """A command in the queue, and who waits for it."""

    write: Write
    done: asyncio.Future[int]
    tries: int = 0
    answered: bool = False

    def settle(self, outcome: Outcome) -> None:
        """Tell the caller, if it is still there."""
        if self.done.done():
            return
        if isinstance(outcome, int):
            self.done.set_result(outcome)
        else:
            self.done.set_exception(outcome)


@dataclass
class Batch:
    """Commands for one transaction, and those that must wait for the next one because of them."""

    commands: list[Waiting] = field(default_factory=list[Waiting])
    deferred: list[Waiting] = field(default_factory=list[Waiting])

    @property
    def writes(self) -> list[Write]:
        """What the commands write."""
        return [waiting.write for waiting in self.commands]


class GroupWriter:
    """Writes for all callers of one event loop."""

    def __init__(
        self,
        conninfo: str,
        law_names: frozenset[str],
        clock: Clock,
        *,
        patience: Patience | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._law_names, self._clock = law_names, clock
        self._patience, self._most_waiting = patience or Patience(), most_waiting
        self._connection = WriterConnection(conninfo, self._patience, clock)
        self._queue = deque[Waiting]()
        self._events_waiting = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    loop: asyncio.AbstractEventLoop
    """The loop on which it was opened; all its callers are there."""

    async def open(self) -> None:
        """Connect and begin to write. Raises LogUnavailable."""
        try:
            await self._connection.get()
        except psycopg.Error as error:
            raise unavailable(error) from None
        self.loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="group-commit writer")

    async def close(self) -> None:
        """Write what is waiting, then disconnect."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._connection.drop()

    async def write(self, write: Write) -> int:
        """The position of the first event, once all of them are on disk.

        Raises what Storage.write raises. A cancelled caller's command may still be written.
        """
        if self._closing or self._task is None:
            raise LogUnavailable(retry_after=1)
        if self._events_waiting >= self._most_waiting:
            raise LogBusy(retry_after=1)
        waiting = Waiting(write, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._events_waiting += len(write.events)
        self._wake.set()
        return await waiting.done

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
            # Callers that were answered just now run first, so that what they ask next joins this batch.
            await asyncio.sleep(0)
            batch = self._take()
            if not batch.commands:
                continue
            try:
                await self._write_batch(batch)
            except Exception as error:  # noqa: BLE001 -- whatever it is, callers must not wait for ever
                log.error("the group-commit writer failed: %s", type(error).__name__)  # noqa: TRY400 -- a traceback could quote values
                self._answer(batch.commands, [LogUnavailable(retry_after=1) for _ in batch.commands])
            self._queue.extendleft(reversed(batch.deferred))

    def _take(self) -> Batch:
        batch, claims, events, size = Batch(), Claims(), 0, 0
        while self._queue and events < MOST_EVENTS and size < MOST_BYTES:
            waiting = self._queue.popleft()
            if claims.admit(waiting.write, self._law_names):
                batch.commands.append(waiting)
                events += len(waiting.write.events)
                for envelope in waiting.write.events:
                    size += len(envelope.state)
            else:
                batch.deferred.append(waiting)
        return batch

    async def _write_batch(self, batch: Batch) -> None:
        commands, writes = batch.commands, batch.writes
        try:
            results = await self._send(writes)
        except psycopg.Error as error:
            if not isinstance(error, psycopg.DataError) and self._connection.is_lost(error):
                await self._recover(commands)
            else:
                await self._explain(commands, error)
        else:
            self._answer(commands, results)
            if batch.deferred:
                moved = versions(writes, results)
                lost = [waiting for waiting in batch.deferred if has_moved(waiting.write, moved)]
                self._answer(lost, [ConcurrentWrite() for _ in lost])
                batch.deferred = [waiting for waiting in batch.deferred if waiting not in lost]

    async def _send(self, writes: Sequence[Write]) -> list[Outcome]:
        try:
            given = parameters(writes, self._law_names, self._clock.now())
        except (ValueError, TypeError, struct.error):
            raise psycopg.DataError("a value has no binary form") from None
        connection = await self._connection.get()
        with hung_up_after(self._patience.answer, connection):
            async with connection.cursor(binary=True) as cursor:
                await cursor.execute(APPEND, given, prepare=True)
                return outcomes(writes, await cursor.fetchall())

    async def _explain(self, commands: list[Waiting], error: psycopg.Error) -> None:
        """The database refused the batch, so nothing of it is written; one command may be to blame."""
        if is_overload(error):
            self._answer(commands, [LogBusy(retry_after=1) for _ in commands])
        elif not is_bad_input(error):
            self._answer(commands, [unavailable(error) for _ in commands])
        elif len(commands) == 1:
            duplicate = isinstance(error, psycopg.errors.UniqueViolation)
            self._answer(commands, [ConcurrentWrite() if duplicate else NotStorable()])
        else:
            for waiting in commands:
                await self._write_batch(Batch([waiting]))

    async def _recover(self, commands: list[Waiting]) -> None:
        """The connection broke: whether the batch was written is found out before anybody is told."""
        lost_name, loop = self._connection.name, asyncio.get_running_loop()
        deadline = loop.time() + self._patience.outage
        while True:
            await self._connection.drop()
            try:
                connection = await self._connection.get()
                with hung_up_after(self._patience.answer, connection):
                    found = await find_written(connection, lost_name, [w.write for w in commands])
                break
            except psycopg.Error as error:
                if loop.time() > deadline:
                    everybody = [*commands, *self._queue]
                    self._queue.clear()
                    self._answer(everybody, [unavailable(error) for _ in everybody])
                    return
            await asyncio.sleep(PAUSE)
        written = [(w, position) for w, position in zip(commands, found, strict=True) if position is not None]
        self._answer([w for w, _ in written], [position for _, position in written])
        missing = [w for w, position in zip(commands, found, strict=True) if position is None]
        for waiting in missing:
            waiting.tries += 1
        tired = [waiting for waiting in missing if waiting.tries >= TRIES]
        self._answer(tired, [LogUnavailable(retry_after=1) for _ in tired])
        self._queue.extendleft(waiting for waiting in reversed(missing) if waiting.tries < TRIES)

    def _answer(self, commands: Sequence[Waiting], results: Sequence[Outcome]) -> None:
        for waiting, outcome in zip(commands, results, strict=True):
            if not waiting.answered:
                waiting.answered = True
                self._events_waiting -= len(waiting.write.events)
                waiting.settle(outcome)
