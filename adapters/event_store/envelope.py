"""What is written of an event: its place, its name, its context and its body, as bytes fixed for ever."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain

import orjson
from eventsourcing.persistence import StoredEvent

from application.ports import Context
from domain.kernel import Event, Json, Message, Rejected, instant


class NotStorable(Rejected):
    """This cannot be written down as JSON: a number is too large, the nesting too deep, or text broken."""

    kind = "invalid"


@dataclass(frozen=True)
class Envelope(StoredEvent):
    """A stored event with what the library's has no place for. `topic` is the event's name, never a path."""

    tenant: str
    event_id: str
    schema_version: int
    context: bytes


@dataclass(frozen=True)
class Placed:
    """An envelope with its places in the log."""

    position: int
    tenant_position: int
    envelope: Envelope


def canonical_bytes(value: Json) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8. Raises NotStorable."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        # orjson quotes the value in some of its messages, so its error is not passed on.
        raise NotStorable from error.__cause__


def body_bytes(event: Event) -> bytes:
    """An event's body as canonical JSON: the bytes of its `model_dump`, written in one go.

    Four times quicker than dumping first; a test holds both to the same bytes. Raises NotStorable.
    """
    fields: dict[str, Json] = vars(event)
    left_out = _left_out(type(event))
    if left_out:
        fields = {name: value for name, value in fields.items() if name not in left_out}
    try:
        return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS, default=_fields_of)
    except TypeError as error:
        raise NotStorable from error.__cause__


@cache
def _left_out(event: type[Event]) -> frozenset[str]:
    return frozenset(name for name, field in event.model_fields.items() if field.exclude)


def _fields_of(value: object) -> dict[str, Json]:
    if isinstance(value, Message):
        return vars(value)
    raise TypeError


def context_bytes(context: Context) -> bytes:
    """A context as canonical JSON; what is None is left out."""
    fields = {
        "actor": context.actor,
        "at": instant(context.at),
        "causation_id": context.causation_id,
        "correlation_id": context.correlation_id,
        "idempotency_key": context.idempotency_key,
        "on_behalf_of": context.on_behalf_of,
    }
    return canonical_bytes({name: value for name, value in fields.items() if value is not None})


def read_context(data: bytes) -> Context:
    """The context that these bytes stand for."""
    fields = orjson.loads(data)
    return Context(**fields | {"at": datetime.fromisoformat(fields["at"]).astimezone(UTC)})


def leaf(placed: Placed) -> bytes:
    """The event's hash in the Merkle tree: SHA-256 of 0x00 and each field with its length in front.

    A length is 4 bytes, a number 8, both big-endian. The leading zero byte tells leaves from nodes
    (RFC 6962, section 2.1).
    """
    envelope = placed.envelope
    fields: Iterator[bytes] = chain(
        (
            placed.position.to_bytes(8, "big"),
            envelope.tenant.encode(),
            placed.tenant_position.to_bytes(8, "big"),
            str(envelope.originator_id).encode(),
            envelope.originator_version.to_bytes(8, "big"),
            envelope.event_id.encode(),
            envelope.topic.encode(),
            envelope.schema_version.to_bytes(8, "big"),
            envelope.context,
            envelope.state,
        )
    )
    digest = hashlib.sha256(b"\x00")
    for value in fields:
        digest.update(len(value).to_bytes(4, "big"))
        digest.update(value)
    return digest.digest()
