"""What the application needs from the outside world."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from domain.kernel import C, Decider, E, Event, Json, Rejected, S
from domain.record import Context as Context
from domain.record import Recorded as Recorded
from domain.record import StreamId as StreamId

St = TypeVar("St")


@dataclass(frozen=True)
class Known(Generic[St]):
    """What a stream adds up to, how far it was read, and whether that may already be stale."""

    state: St | None
    version: int
    position: int = 0
    """Log position of the last event folded in; 0 for an empty stream."""
    cached: bool = False
    """True when it came from memory: a refusal decided on it is decided again on a fresh read."""


@dataclass(frozen=True)
class Append:
    """Events for one stream, valid only while it still ends at version `after`."""

    stream: StreamId
    after: int
    events: Sequence[Event]
    becomes: object = None
    """The state these events lead to; kept in memory once they are on disk."""
    law_seen: int | None = None
    """For decisions: the tenant's law position they rest on; the log refuses them if it has moved on."""


@dataclass(frozen=True)
class Answer:
    """What a command answered, kept beside its idempotency key; never holds a personal field."""

    status: int
    body: bytes


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's promise that the same key means the same request (`digest`: SHA-256 of it)."""

    tenant: str
    principal: str
    key: str
    digest: bytes


@dataclass(frozen=True)
class Excerpt:
    """A part of a recorded event's body, in stored form, with every field where the event has it."""

    stream: StreamId
    version: int
    name: str
    body: Json


class ConcurrentWrite(Exception):
    """Somebody else wrote to the stream first; recall and decide again."""


class StaleLaw(Exception):
    """The law moved on after this was decided; `position` is where the tenant's law stands now."""

    def __init__(self, tenant: str, position: int) -> None:
        super().__init__(tenant, position)
        self.tenant, self.position = tenant, position


class AlreadyAnswered(Exception):
    """The idempotency key was used before, with the same request; `answer` and `position` are what it got."""

    def __init__(self, answer: Answer, position: int) -> None:
        super().__init__()
        self.answer, self.position = answer, position


class IdempotencyKeyReused(Rejected):
    """This Idempotency-Key was used before with a different request. Use a new key for a new request."""

    kind = "invalid"


class LogUnavailable(Rejected):
    """The event log cannot be reached, so nothing can be decided. Try again shortly."""

    kind = "unavailable"


class LogBusy(Rejected):
    """More is being asked than the log can write just now. Try again after the stated pause."""

    kind = "unavailable"


class EventLog(Protocol):
    """The append-only log. All methods raise `LogUnavailable` when it cannot be reached."""

    async def recall(self, decider: Decider[C, S, E], stream: StreamId, *, fresh: bool = False) -> Known[S]:
        """Fold a stream; from memory if it is there, unless `fresh`, then at least its tail is read."""
        ...

    async def record(
        self,
        appends: Sequence[Append],
        context: Context,
        *,
        key: IdempotencyKey | None = None,
        answer: Answer | None = None,
    ) -> int:
        """Append all or nothing, durably, and return the log position of the last event.

        Raises ConcurrentWrite, StaleLaw, AlreadyAnswered, IdempotencyKeyReused, LogBusy.
        """
        ...

    async def answered(self, key: IdempotencyKey) -> tuple[Answer, int] | None:
        """What this key was answered before, or None; raises IdempotencyKeyReused for another request."""
        ...

    async def read(
        self,
        after: int,
        limit: int,
        *,
        tenant: str | None = None,
        categories: Sequence[str] = (),
        names: Sequence[str] = (),
        unseal: bool = False,
    ) -> Sequence[Recorded]:
        """Events after a position, in order. With a tenant, only its events.

        Personal fields stay sealed unless asked.
        """
        ...

    async def stream(self, stream: StreamId, *, after: int = 0, unseal: bool = True) -> Sequence[Recorded]:
        """All events of one stream, oldest first."""
        ...

    async def unseal(self, tenant: str, excerpts: Sequence[Excerpt]) -> Sequence[Json]:
        """The bodies with their personal fields opened; what belonged to erased subjects reads "[erased]"."""
        ...

    async def head(self) -> int:
        """The position of the newest event; 0 for an empty log."""
        ...

    async def law_head(self, tenant: str) -> int:
        """The position of the tenant's newest law event."""
        ...

    def follow(
        self, after: int, *, names: Sequence[str] = (), batch: int = 500
    ) -> AsyncGenerator[Sequence[Recorded]]:
        """Batches after a position, for ever: never misses, never repeats.

        An empty batch says the head was read and there was nothing new (at least once a second), so that
        a reader can measure its lag.
        """
        ...


class Clock(Protocol):
    """The only source of time, ids and randomness."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def new_id(self) -> str:
        """A UUIDv7."""
        ...

    def salt(self) -> str:
        """128 random bits as hex."""
        ...


class Digests(Protocol):
    """Canonical digests, kept behind a port because hashing JSON needs a library."""

    def action(self, salt: str, tenant: str, agent: str, tool: str, arguments: Mapping[str, Json]) -> str:
        """SHA-256 hex of salt, then the RFC 8785 form of tenant, agent, tool and arguments."""
        ...

    def content(self, value: Json) -> str:
        """SHA-256 hex of the RFC 8785 form of any JSON value."""
        ...
