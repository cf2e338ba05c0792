"""Rows of composite types in Postgres's binary format: one parameter for many rows of many columns.

Handing psycopg a list for each column costs about a microsecond a value; packing a whole row costs two or
three. The format is what the server's `array_recv` and `record_recv` expect: numbers are big-endian, and
every field says its type and its length. (COPY would be quicker still, but Postgres refuses it where
row-level security binds the role.)
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Any, ClassVar

from psycopg import AsyncConnection
from psycopg.adapt import Dumper
from psycopg.pq import Format

from adapters.event_store.envelope import Envelope
from adapters.event_store.writes import Fence, Head, KeptAnswer, KeyUse

BYTEA, INT8, INT4, TEXT, TIMESTAMPTZ, UUID = 17, 20, 23, 25, 1184, 2950
"""Ids of built-in types; they are the same in every database."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_COUNT = Struct(">i")
_FIELD = Struct(">ii")
_NUMBER4 = Struct(">iii")
_NUMBER8 = Struct(">iiq")
_NO_ROWS = Struct(">iiI")
_SOME_ROWS = Struct(">iiIii")

# A new_event: its numbers up to the length of its tenant, then between one text and the next.
_EVENT_START = Struct(">i iii iii iii ii")
_EVENT_VERSION = Struct(">iiq ii")
_EVENT_SCHEMA = Struct(">iii ii")

# An expected_head before and after its stream.
_HEAD_START = Struct(">i iii ii")
_HEAD_END = Struct(">iiq iiq")


def event(command: int, place: int, tenant_place: int, envelope: Envelope) -> bytes:
    """A `new_event`, spelled out because every event of the log passes through here."""
    tenant, stream = envelope.tenant.encode(), str(envelope.originator_id).encode()
    name, context, body = envelope.topic.encode(), envelope.context, envelope.state
    return b"".join((
        _EVENT_START.pack(11, INT4, 4, command, INT4, 4, place, INT4, 4, tenant_place, TEXT, len(tenant)),
        tenant,
        _FIELD.pack(TEXT, len(stream)),
        stream,
        _EVENT_VERSION.pack(INT8, 8, envelope.originator_version, UUID, 16),
        bytes.fromhex(envelope.event_id.replace("-", "")),
        _FIELD.pack(TEXT, len(name)),
        name,
        _EVENT_SCHEMA.pack(INT4, 4, envelope.schema_version, BYTEA, len(context)),
        context,
        _FIELD.pack(BYTEA, len(body)),
        body,
    ))  # fmt: skip


def head(command: int, head: Head) -> bytes:
    """An `expected_head`."""
    if head.after is None:
        return _row(_int4(command), _text(head.stream), _int8(None), _int8(head.first))
    stream = head.stream.encode()
    return b"".join((
        _HEAD_START.pack(4, INT4, 4, command, TEXT, len(stream)),
        stream,
        _HEAD_END.pack(INT8, 8, head.after, INT8, 8, head.first),
    ))  # fmt: skip


def fence(command: int, fence: Fence) -> bytes:
    """A `fence`."""
    return _row(_int4(command), _text(fence.tenant), _int8(fence.law_seen))


def key(command: int, use: KeyUse) -> bytes:
    """A `key_use`."""
    return _row(_int4(command), _text(use.tenant), _text(use.subject), _uuid(use.key_id), _bytes(use.wrapped))


def answer(command: int, kept: KeptAnswer) -> bytes:
    """A `new_answer`."""
    return _row(
        _int4(command),
        _text(kept.tenant),
        _text(kept.principal),
        _text(kept.key),
        _bytes(kept.digest),
        _int4(kept.status),
        _bytes(kept.body),
        _instant(kept.expires_at),
    )


def _row(*fields: bytes) -> bytes:
    return _COUNT.pack(len(fields)) + b"".join(fields)


def _int4(value: int) -> bytes:
    return _NUMBER4.pack(INT4, 4, value)


def _int8(value: int | None) -> bytes:
    return _FIELD.pack(INT8, -1) if value is None else _NUMBER8.pack(INT8, 8, value)


def _text(value: str) -> bytes:
    data = value.encode()
    return _FIELD.pack(TEXT, len(data)) + data


def _bytes(value: bytes | None) -> bytes:
    return _FIELD.pack(BYTEA, -1) if value is None else _FIELD.pack(BYTEA, len(value)) + value


def _uuid(value: str) -> bytes:
    return _FIELD.pack(UUID, 16) + bytes.fromhex(value.replace("-", ""))


def _instant(value: datetime) -> bytes:
    passed = value - _EPOCH
    microseconds = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    return _NUMBER8.pack(TIMESTAMPTZ, 8, microseconds)


class Rows:
    """Packed rows of one type; a subclass for each, because psycopg chooses a dumper by class."""

    type_name: ClassVar[str]

    def __init__(self, rows: Sequence[bytes]) -> None:
        self.rows = rows


class Events(Rows):
    type_name = "new_event"


class Heads(Rows):
    type_name = "expected_head"


class Fences(Rows):
    type_name = "fence"


class Keys(Rows):
    type_name = "key_use"


class Answers(Rows):
    type_name = "new_answer"


_KINDS = {kind.type_name: kind for kind in (Events, Heads, Fences, Keys, Answers)}


async def teach(connection: AsyncConnection[Any]) -> None:
    """Let a connection send rows. Asks the database for the ids of our types."""
    cursor = await connection.execute(
        "SELECT typname, oid::int8, typarray::int8 FROM pg_type"
        " WHERE typnamespace = 'event_log'::regnamespace AND typname = ANY (%s)",
        [list(_KINDS)],
    )
    for name, row_type, array_type in await cursor.fetchall():
        connection.adapters.register_dumper(_KINDS[name], _dumper(row_type, array_type))


def _dumper(row_type: int, array_type: int) -> type[Dumper]:
    class RowsDumper(Dumper):
        format = Format.BINARY
        oid = array_type

        def dump(self, obj: Rows) -> bytes:
            if not obj.rows:
                return _NO_ROWS.pack(0, 0, row_type)
            parts = [_SOME_ROWS.pack(1, 0, row_type, len(obj.rows), 1)]
            for row in obj.rows:
                parts.append(_COUNT.pack(len(row)))
                parts.append(row)
            return b"".join(parts)

    return RowsDumper
