"""RFC 6901 pointers into JSON values, with `*` for every element of a list or member of an object."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, cast

from domain.kernel import Json

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")

MISSING: Final = object()
"""What `find` answers where a pointer leads nowhere; not the same as a null that is there."""


def escape(key: str) -> str:
    """A member's name as one reference token of a pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """The member's name that a reference token stands for."""
    return token.replace("~1", "/").replace("~0", "~")


@lru_cache(4_096)
def tokens(pointer: str) -> tuple[str, ...]:
    """A pointer's reference tokens, still escaped; none for the whole document."""
    return tuple(pointer.split("/")[1:])


def find(pointer: str, value: Json) -> Json:
    """What a pointer without wildcards leads to, or MISSING; here `*` is a name like any other."""
    for token in tokens(pointer):
        value = _step(token, value)
        if value is MISSING:
            return MISSING
    return value


def value_at(pointer: str, value: Json) -> Json:
    """What a pointer without wildcards leads to; None where it leads nowhere."""
    found = find(pointer, value)
    return None if found is MISSING else found


def places(pointer: str, value: Json) -> Iterator[str]:
    """Every concrete pointer that a pattern matches, in the value's own order; none where nothing matches."""
    for place, _ in matches(pointer, value):
        yield place


def matches(pattern: str, value: Json) -> Iterator[tuple[str, Json]]:
    """Every place that a pattern matches with what is there."""
    yield from _matches(tokens(pattern), "", value)


def _matches(rest: tuple[str, ...], prefix: str, value: Json) -> Iterator[tuple[str, Json]]:
    if not rest:
        yield prefix, value
        return
    step, after = rest[0], rest[1:]
    steps = _children(value) if step == "*" else _child(step, value)
    for name, child in steps:
        yield from _matches(after, f"{prefix}/{name}", child)


def _child(token: str, value: Json) -> Iterator[tuple[str, Json]]:
    found = _step(token, value)
    if found is not MISSING:
        yield token, found


def _children(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, list | tuple):
        elements = cast("list[Json]", value)
        yield from ((str(index), element) for index, element in enumerate(elements))
    elif isinstance(value, dict):
        members = cast("dict[str, Json]", value)
        yield from ((escape(key), member) for key, member in members.items())


def _step(token: str, value: Json) -> Json:
    if isinstance(value, dict):
        members = cast("dict[str, Json]", value)
        return members.get(unescape(token) if "~" in token else token, MISSING)
    if isinstance(value, list | tuple):
        elements = cast("list[Json]", value)
        # RFC 6901, section 4: an index is digits without leading zeros; `-` names no element.
        if _INDEX.fullmatch(token) is not None and int(token) < len(elements):
            return elements[int(token)]
    return MISSING
