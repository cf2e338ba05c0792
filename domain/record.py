"""What was recorded: an event, where it stands in the log, and who asked for it, when and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.kernel import Event


@dataclass(frozen=True)
class Context:
    """Who asked, when and why: recorded beside every event, seen by no rule unless its command carries it."""

    actor: str
    at: datetime
    correlation_id: str
    on_behalf_of: str | None = None
    causation_id: str | None = None
    idempotency_key: str | None = None


class StreamId(NamedTuple):
    """The name of one stream: `<tenant>/<category>/<id>`."""

    tenant: str
    category: str
    id: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.category}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> "StreamId":
        return cls(*text.split("/", 2))


@dataclass(frozen=True)
class Recorded:
    """An event as it stands in the log."""

    position: int
    tenant_position: int
    stream: StreamId
    version: int
    event_id: str
    name: str
    schema_version: int
    event: Event
    context: Context
