"""Snapshots of long streams: taken in the background, encrypted, and never trusted more than the events."""

import asyncio
import logging
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from pydantic import TypeAdapter, ValidationError

from adapters.event_store.envelope import canonical_bytes
from adapters.event_store.sealing import locked, unlocked
from adapters.event_store.states import Remembered
from adapters.event_store.storage import Storage, StoredSnapshot
from adapters.keys.master import MasterKey
from application.ports import StreamId
from domain.kernel import Decider

EVERY = 100
"""Events of a stream between two snapshots."""

log = logging.getLogger(__name__)

AnyDecider = Decider[Any, Any, Any]


class Snapshots:
    """Writes and reads a log's snapshots; whatever is wrong with one, the events are read instead."""

    def __init__(self, storage: Storage, master_key: MasterKey, *, every: int = EVERY) -> None:
        self._storage, self._every = storage, every
        self._key = master_key.derive("snapshots:v1")
        self._shapes: dict[type, TypeAdapter[Any]] = {}
        self._taking: dict[StreamId, asyncio.Task[None]] = {}

    def is_due(self, before: int, now: int) -> bool:
        """Whether going from one version to another passes a multiple of the interval."""
        return before // self._every < now // self._every

    def take_soon(self, decider: AnyDecider, stream: StreamId, known: Remembered) -> None:
        """Take a snapshot without waiting for it; one at a time for a stream."""
        if stream not in self._taking:
            task = asyncio.create_task(self._take(decider, stream, known))
            self._taking[stream] = task
            task.add_done_callback(lambda _: self._taking.pop(stream, None))

    async def _take(self, decider: AnyDecider, stream: StreamId, known: Remembered) -> None:
        try:
            await self.take(decider, stream, known)
        except Exception as error:  # noqa: BLE001 -- without it a stream is read more slowly, no more
            log.warning("no snapshot of a %s stream: %s", stream.category, type(error).__name__)

    async def take(self, decider: AnyDecider, stream: StreamId, known: Remembered) -> None:
        """Take a snapshot now."""
        state = self._shape(decider).dump_python(known.state, mode="json")
        plain = canonical_bytes({"position": known.position, "state": state})
        data = locked(self._key, plain, _place(decider, stream, known.version))
        kept = StoredSnapshot(known.version, decider.fold, tuple(sorted(known.subjects)), data)
        await self._storage.keep_snapshot(stream, kept)

    def opened(self, decider: AnyDecider, stream: StreamId, kept: StoredSnapshot | None) -> Remembered | None:
        """What a snapshot says; None if there is none, or it is of another fold, or not genuine."""
        if kept is None or kept.fold != decider.fold:
            return None
        try:
            place = _place(decider, stream, kept.version)
            plain = orjson.loads(unlocked(self._key, kept.data, place))
            state = self._shape(decider).validate_json(orjson.dumps(plain["state"]))
        except (InvalidTag, ValueError, ValidationError):
            log.warning("a snapshot of a %s stream was not usable and is passed over", stream.category)
            return None
        return Remembered(state, kept.version, plain["position"], frozenset(kept.subjects))

    async def settle(self) -> None:
        """Wait for the snapshots that are being taken."""
        await asyncio.gather(*self._taking.values(), return_exceptions=True)

    def _shape(self, decider: AnyDecider) -> TypeAdapter[Any]:
        if decider.state not in self._shapes:
            self._shapes[decider.state] = TypeAdapter(decider.state)
        return self._shapes[decider.state]


def _place(decider: AnyDecider, stream: StreamId, version: int) -> bytes:
    """The associated data: a snapshot that is moved to another stream, version or fold does not open."""
    return canonical_bytes([str(stream), version, decider.category, decider.fold])
