"""The states of streams as this process knows them: a bounded memory of immutable values."""

from dataclasses import dataclass, replace
from typing import Any

from cachetools import LRUCache

from application.ports import StreamId


@dataclass(frozen=True, slots=True)
class Remembered:
    """A stream's state, how far it was read, and the pseudonyms of the data subjects it tells of."""

    state: Any
    version: int
    position: int
    subjects: frozenset[str] = frozenset()
    stale: bool = False
    """Somebody else is known to have written since, so at least the tail must be read."""


NOTHING = Remembered(None, 0, 0)
"""An empty stream."""


class States:
    """The least recently used states are let go first."""

    def __init__(self, size: int) -> None:
        self._states = LRUCache[StreamId, Remembered](size)
        self.erasures = 0
        """How often data subjects were forgotten; a state that was read before the last time is not kept."""

    def get(self, stream: StreamId) -> Remembered | None:
        """What is remembered of a stream."""
        return self._states.get(stream)

    def put(self, stream: StreamId, known: Remembered, erasures: int) -> None:
        """Remember a state, unless a newer one is there, or somebody was erased while it was read."""
        if erasures != self.erasures:
            return
        there = self._states.get(stream)
        if there is None or there.stale or there.version <= known.version:
            self._states[stream] = known

    def mark_stale(self, stream: StreamId) -> None:
        """Read at least the tail next time."""
        there = self._states.get(stream)
        if there is not None:
            self._states[stream] = replace(there, stale=True)

    def drop(self, stream: StreamId) -> None:
        """Forget one stream."""
        self._states.pop(stream, None)

    def forget(self, tenant: str, subject: str) -> None:
        """Forget every state of a tenant that tells of a data subject."""
        self.erasures += 1
        told = [
            stream
            for stream, known in self._states.items()
            if stream.tenant == tenant and subject in known.subjects
        ]
        for stream in told:
            del self._states[stream]
