"""How much of one output a run keeps: a hostile output must not blow up a run, nor poison its history."""

from math import isfinite
from typing import cast

from domain.kernel import Json

MAX_OUTPUT = 1_000_000
"""Characters of text that are looked at; longer text teaches nothing."""

MAX_RECORDS = 256
"""Records that one output or one call can tell of, and entries of one list."""

MAX_KEY = 128
"""Characters of one part of a record's key."""

MAX_DEPTH = 16
MAX_SIZE = 262_144
"""What all fields from one output may weigh: a node is 8, its text a unit per character."""


class Budget:
    """What is left to be kept of one output."""

    def __init__(self, size: int = MAX_SIZE) -> None:
        self._left = size

    def admit(self, value: Json) -> Json:
        """The value, or null where it is too much or cannot be stored: better forgotten than stale."""
        left = _weigh(value, self._left, MAX_DEPTH)
        if left < 0:
            return None
        self._left = left
        return value


def storable(value: Json) -> bool:
    """Whether a value can be kept: no surrogates or NUL in text, finite, 64-bit, not deep, not large."""
    return _weigh(value, MAX_SIZE, MAX_DEPTH) >= 0


def _weigh(value: Json, left: int, depth: int) -> int:
    left -= 8
    if left < 0 or depth < 0:
        return -1
    if value is None or isinstance(value, bool):
        return left
    if isinstance(value, str):
        return left - len(value) if _writable(value) else -1
    if isinstance(value, int):
        return left if -(2**63) <= value < 2**63 else -1
    if isinstance(value, float):
        return left if isfinite(value) else -1
    if isinstance(value, list | tuple):
        for element in cast("list[Json]", value):
            left = _weigh(element, left, depth - 1)
            if left < 0:
                return -1
        return left
    if isinstance(value, dict):
        return _weigh_members(cast("dict[object, Json]", value), left, depth)
    return -1


def _weigh_members(members: dict[object, Json], left: int, depth: int) -> int:
    for key, member in members.items():
        if not isinstance(key, str) or not _writable(key):
            return -1
        left = _weigh(member, left - len(key), depth - 1)
        if left < 0:
            return -1
    return left


def _writable(text: str) -> bool:
    # Lone surrogates cannot be encoded as UTF-8, and Postgres takes no NUL in text.
    if text.isascii():
        return "\x00" not in text
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
