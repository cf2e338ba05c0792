"""A batch of recorded events as rows to insert and rows to end, with the hash of what was folded."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from domain.record import Recorded
from projections.changes import Add, Put, ReadModel

MODULUS = 2**256

Key: TypeAlias = tuple[str, str, tuple[str, ...]]
"""Table, tenant, and the values of the key's columns."""

# Postgres keeps no NUL in text; JSON may spell one, after an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_IN_ITS_PLACE = rb"\1\\ufffd"


@dataclass
class Folded:
    """What a batch amounts to. Rows are JSON objects; `ends` are rows of earlier batches, by `valid_to`."""

    rows: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict[str, list[bytes]](list))
    ends: dict[Key, int] = field(default_factory=dict[Key, int])
    count: int = 0
    hash: int = 0
    """Sum of the SHA-256 of each event with its changes, modulo 2^256: the same in whatever order."""


def fold(model: ReadModel, batch: Sequence[Recorded]) -> Folded:
    """What the model makes of a batch."""
    folded, put = Folded(), dict[Key, dict[str, Any]]()
    for recorded in batch:
        digest = hashlib.sha256(f"{recorded.position} {recorded.event_id} {recorded.name}".encode())
        whose = {"tenant": recorded.stream.tenant, "valid_from": recorded.position}
        for change in model.project(recorded):
            digest.update(change.table.encode())
            if isinstance(change, Add):
                added = _json({**change.row, **whose})
                digest.update(added)
                folded.rows[change.table].append(added)
                continue
            key = (change.table, recorded.stream.tenant, change.key)
            _end(folded, put, key, recorded.position)
            if isinstance(change, Put):
                put[key] = {**change.row, **whose}
                digest.update(_json(put[key]))
            else:
                digest.update(orjson.dumps(change.key))
        folded.count += 1
        folded.hash = (folded.hash + int.from_bytes(digest.digest(), "big")) % MODULUS
    for (table, _, _), row in put.items():
        folded.rows[table].append(_json(row))
    return folded


def _end(folded: Folded, put: dict[Key, dict[str, Any]], key: Key, position: int) -> None:
    """Whatever holds for the key ends at this position: in this batch, or in the table."""
    begun_here = put.pop(key, None)
    if begun_here is not None:
        folded.rows[key[0]].append(_json({**begun_here, "valid_to": position}))
    else:
        folded.ends.setdefault(key, position)


def ends_of(folded: Folded, columns: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """The ends as JSON objects, by table; `columns` are those of each table's key."""
    found = defaultdict[str, list[dict[str, Any]]](list)
    for (table, tenant, key), position in folded.ends.items():
        named = dict(zip(columns[table], key, strict=True))
        found[table].append({"tenant": tenant, "valid_to": position, **named})
    return {table: orjson.dumps(ends) for table, ends in found.items()}


def _json(row: Mapping[str, Any]) -> bytes:
    text = orjson.dumps(row)
    return _NUL.sub(_IN_ITS_PLACE, text) if rb"\u0000" in text else text
