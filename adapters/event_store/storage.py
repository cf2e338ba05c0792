"""What an event log needs from whatever keeps its bytes: a database, or a process's memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from adapters.event_store.envelope import Placed
from adapters.event_store.writes import KeptAnswer, Write
from application.ports import IdempotencyKey, StreamId


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data subject's key as it is kept; without `wrapped` it has been destroyed."""

    tenant: str
    subject: str
    key_id: str
    wrapped: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A state as it is kept, with the pseudonyms of the data subjects it tells of."""

    version: int
    fold: int
    subjects: tuple[str, ...]
    data: bytes = field(repr=False)


class Storage(Protocol):
    """Keeps events, heads, answers, keys and snapshots. All methods raise LogUnavailable."""

    async def write(self, write: Write) -> int:
        """Write all or nothing, durably; the position of the first event.

        Raises AlreadyAnswered, IdempotencyKeyReused, StaleLaw, ConcurrentWrite, KeyMoved, LogBusy.
        """
        ...

    async def stream(self, stream: StreamId, after: int) -> Sequence[Placed]:
        """A stream's events after a version, oldest first."""
        ...

    async def read(
        self,
        after: int,
        limit: int,
        *,
        upto: int | None = None,
        tenant: str | None = None,
        categories: Sequence[str] = (),
        names: Sequence[str] = (),
    ) -> Sequence[Placed]:
        """Events after a position and up to another, in order."""
        ...

    async def head(self) -> int:
        """The newest position; everything up to it can be read."""
        ...

    async def law_head(self, tenant: str) -> int:
        """The position of the tenant's newest law event."""
        ...

    async def news(self, after: int, seconds: float) -> None:
        """Returns when the log may have grown beyond `after`, at the latest after so many seconds."""
        ...

    async def answered(self, key: IdempotencyKey, now: datetime) -> tuple[KeptAnswer, int] | None:
        """What the key was answered, and the position of the last event written with it."""
        ...

    async def purge_answers(self, now: datetime) -> int:
        """Forget the answers that have expired; how many they were."""
        ...

    async def living_keys(self, tenant: str, subjects: Sequence[str]) -> Sequence[WrappedKey]:
        """The keys that these subjects' data is sealed with from now on; none for a new subject."""
        ...

    async def keys(self, tenant: str | None, key_ids: Sequence[str]) -> Sequence[WrappedKey]:
        """Keys by id, destroyed ones too; those of one tenant, or for followers of all."""
        ...

    async def destroy_keys(self, tenant: str, subject: str, now: datetime) -> int:
        """Destroy a subject's keys and the snapshots that tell of it; how many keys there were."""
        ...

    async def history(self, stream: StreamId, fold: int) -> tuple[StoredSnapshot | None, Sequence[Placed]]:
        """The newest snapshot of a stream, if it is of this fold, and the events behind it (else all)."""
        ...

    async def newest_snapshot(self, stream: StreamId) -> StoredSnapshot | None:
        """The newest snapshot of a stream."""
        ...

    async def keep_snapshot(self, stream: StreamId, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot instead of older ones, unless a subject it tells of has been erased."""
        ...

    async def open(self) -> None:
        """Connect; call once before anything else."""
        ...

    async def close(self) -> None:
        """Finish what was asked, then let go."""
        ...
