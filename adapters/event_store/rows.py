"""Rows of composite types in Postgres's binary format: one parameter instead of one a column.

Handing psycopg a list a column costs about a microsecond a value; packing a row costs two in all.
Format: https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES, and the
`array_recv` and `record_recv` functions of the server, which say what they expect.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from struct import Struct
from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper, PyFormat
from psycopg.types import TypeInfo

from adapters.event_store.envelope import Envelope
from adapters.event_store.writes import Fence, Head, KeptAnswer, KeyUse

BOOL, BYTEA, INT8, INT4, TEXT, TIMESTAMPTZ, UUID = 16, 17, 20, 23, 25, 1184, 2950
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

_LENGTH = Struct(">i")
_FIELD = Struct(">ii")
_INT4_FIELD = Struct(">iii")
_INT8_FIELD = Struct(">iiq")
_EMPTY = Struct(">iiI")
_ARRAY = Struct(">iiIii")

# A new_event up to its tenant's text, from there to its stream's, and so on: see the type's definition.
_EVENT_HEAD = Struct(">i" "i" "iii" "iii" "iii" "ii")
_EVENT_VERSION = Struct(">iiq" "ii")
_EVENT_SCHEMA = Struct(">iii" "ii")
_EVENT_FIXED: Final = 4 + 11 * 8 + 4 * 4 + 8 + 16


class Rows:
    """Packed rows of one composite type."""

    type_name = ""

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


ROW_TYPES: tuple[type[Rows], ...] = (Events, Heads, Fences, Keys, Answers)


def packed_event(command: int, place: int, tenant_place: int, envelope: Envelope) -> bytes:
    """One new_event."""
    tenant, stream = envelope.tenant.encode(), str(envelope.originator_id).encode()
    name, context, body = envelope.topic.encode(), envelope.context, envelope.state
    return b"".join(
        (
            _EVENT_HEAD.pack(
                11, INT4, 4, command, INT4, 4, place, INT4, 4, tenant_place, TEXT, len(tenant)
            ),
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
        )
    )
