"""What one caller asks the log to write: all of it or nothing, and what must still be true for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters.event_store.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Head:
    """A stream must end at version `after`; without it, only before version `first`."""

    tenant: str
    stream: str
    after: int | None
    first: int


@dataclass(frozen=True, slots=True)
class Fence:
    """The tenant's law must not have moved past this position."""

    tenant: str
    law_seen: int


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A data subject's key that the events are sealed with: new with `wrapped`, else it must still exist."""

    tenant: str
    subject: str
    key_id: str
    wrapped: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What an idempotency key is answered from now on, until it expires."""

    tenant: str
    principal: str
    key: str
    digest: bytes
    status: int
    body: bytes = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Write:
    """One command's writes."""

    events: Sequence[Envelope]
    heads: Sequence[Head]
    fences: Sequence[Fence] = ()
    keys: Sequence[KeyUse] = ()
    answer: KeptAnswer | None = None


class KeyMoved(Exception):
    """A subject's key was made or destroyed by somebody else meanwhile: look it up and seal again."""
