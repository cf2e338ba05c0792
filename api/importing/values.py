"""Careful reading of JSON that others wrote: each look says where it looked when it is disappointed."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeGuard

from api.importing.transcript import Malformed
from domain.kernel import Json

TIMESTAMPS = ("started_at", "created_at", "timestamp", "created")
"""The fields in which recorders say when something was."""


def record(value: Json, where: str) -> Mapping[str, Json]:
    """An object, or Malformed."""
    if not is_record(value):
        raise Malformed(f"{where} is {_kind(value)}, not an object")
    return value


def sequence(value: Json, where: str) -> Sequence[Json]:
    """A list, or Malformed."""
    if not is_sequence(value):
        raise Malformed(f"{where} is {_kind(value)}, not a list")
    return value


def is_record(value: Json) -> TypeGuard[Mapping[str, Json]]:
    """Whether it is an object."""
    return isinstance(value, dict)


def is_sequence(value: Json) -> TypeGuard[Sequence[Json]]:
    """Whether it is a list."""
    return isinstance(value, list)


def text(value: Json, where: str) -> str:
    """Text that is not empty, or Malformed."""
    if not isinstance(value, str) or not value:
        raise Malformed(f"{where} is {_kind(value)}, not a text")
    return value


def count(value: Json, where: str) -> int:
    """A whole number from 0; absent counts as 0."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Malformed(f"{where} is {_kind(value)}, not a whole number from 0")
    return value


def parsed_json(written: str) -> Json:
    """What a text says as JSON; raises ValueError, also for NaN and infinities, which JSON has not."""
    return json.loads(written, parse_constant=_no_constant)


def output_of(content: Json) -> Json:
    """A tool's output: what its text says as JSON, else the text itself."""
    written = plain_text(content)
    if written is None:
        return content
    try:
        return parsed_json(written)
    except ValueError:
        return written


def plain_text(content: Json) -> str | None:
    """The text of a message's content, whether given as such or in parts; None when it holds other things."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not is_sequence(content):
        return None
    said = [_part_text(part) for part in content]
    return "\n".join(text for text in said if text is not None) if None not in said else None


def moment_in(value: Mapping[str, Json], where: str) -> datetime | None:
    """When something was, from the first of the usual fields; text in ISO 8601, a number in seconds."""
    for field in TIMESTAMPS:
        stated = value.get(field)
        if stated is None:
            continue
        try:
            if isinstance(stated, str):
                return _aware(datetime.fromisoformat(stated))
            if isinstance(stated, int | float) and not isinstance(stated, bool):
                return datetime.fromtimestamp(stated, UTC)
        except (ValueError, OverflowError, OSError):
            pass
        raise Malformed(f"{where}.{field} is not a point in time: {stated!r}")
    return None


def micro_units(value: Json, where: str) -> int | None:
    """An amount of dollars in millionths; None when nobody stated it."""
    if value is None:
        return None
    try:
        amount = Decimal(str(value)) * 1_000_000
    except InvalidOperation:
        raise Malformed(f"{where} is not an amount: {value!r}") from None
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise Malformed(f"{where} is not an amount: {value!r}")
    return int(amount.to_integral_value())


def _part_text(part: Json) -> str | None:
    stated = part.get("text") if is_record(part) else None
    return stated if isinstance(stated, str) else None


def _aware(stated: datetime) -> datetime:
    return stated.replace(tzinfo=UTC) if stated.tzinfo is None else stated


def _no_constant(written: str) -> Json:
    raise ValueError(f"{written} is no JSON")


def _kind(value: Json) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text" if value else "empty"
        case list():
            return "a list"
        case _:
            return "an object"
