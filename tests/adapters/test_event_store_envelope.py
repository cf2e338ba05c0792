"""The bytes of an event and its leaf in the Merkle tree: fixed from the first event on."""

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from adapters.event_store.envelope import (
    Envelope,
    NotStorable,
    Placed,
    canonical_bytes,
    context_bytes,
    leaf,
    read_context,
)
from application.ports import Context

WHY = Context(actor="ada", at=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), correlation_id="c-1")
PLACED = Placed(
    position=258,
    tenant_position=3,
    envelope=Envelope(
        originator_id="acme/run/1",
        originator_version=2,
        topic="run.started",
        state=b'{"a":1}',
        tenant="acme",
        event_id="01890000-0000-7000-8000-000000000001",
        schema_version=1,
        context=context_bytes(WHY),
    ),
)


def test_the_golden_leaf() -> None:
    assert leaf(PLACED).hex() == "6acfa38d116ee6e6e5a0324c7fc270b41bfaf3e5be1bb0d9d57fea8171321b24"


def test_a_leaf_is_computed_as_it_is_written_down() -> None:
    def framed(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value

    fields = [
        struct.pack(">Q", 258),
        b"acme",
        struct.pack(">Q", 3),
        b"acme/run/1",
        struct.pack(">Q", 2),
        b"01890000-0000-7000-8000-000000000001",
        b"run.started",
        struct.pack(">Q", 1),
        b'{"actor":"ada","at":"2026-01-02T03:04:05.000006Z","correlation_id":"c-1"}',
        b'{"a":1}',
    ]
    assert leaf(PLACED) == sha256(b"\0" + b"".join(map(framed, fields))).digest()


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLACED, position=259),
        replace(PLACED, tenant_position=4),
        *(
            replace(PLACED, envelope=replace(PLACED.envelope, **change))
            for change in (
                {"originator_id": "acme/run/2"},
                {"originator_version": 3},
                {"topic": "run.paused"},
                {"state": b'{"a":2}'},
                {"tenant": "acm"},
                {"event_id": "01890000-0000-7000-8000-000000000002"},
                {"schema_version": 2},
                {"context": b"{}"},
            )
        ),
    ],
)
def test_every_field_is_part_of_the_leaf(changed: Placed) -> None:
    assert leaf(changed) != leaf(PLACED)


def test_what_moves_between_fields_changes_the_leaf() -> None:
    moved = replace(PLACED.envelope, tenant="acmea", originator_id="cme/run/1")
    assert leaf(replace(PLACED, envelope=moved)) != leaf(PLACED)


def test_a_context_is_read_back_in_utc() -> None:
    abroad = replace(WHY, at=WHY.at.astimezone(timezone(timedelta(hours=5))), causation_id="x")
    assert context_bytes(abroad) == context_bytes(replace(WHY, causation_id="x"))
    assert read_context(context_bytes(abroad)) == replace(WHY, causation_id="x")


@pytest.mark.parametrize("value", [2**64, "\ud800", {1: 2}, object()])
def test_what_is_no_json_is_refused_without_being_quoted(value: object) -> None:
    with pytest.raises(NotStorable) as refused:
        canonical_bytes(value)
    assert refused.value.__cause__ is None
