"""Shapes say how a value looks to Cedar: its type in the schema, and how it is written into a request."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import ClassVar, TypeAlias, cast
from zoneinfo import ZoneInfo

from domain.facts.pointers import escape
from domain.kernel import Json

LONG_LEAST, LONG_MOST = -(2**63), 2**63 - 1
DECIMAL_PLACES = 4
"""What Cedar's decimal keeps; more would be silently lost."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Unrepresentable(Exception):
    """A value that Cedar cannot see as declared; `pointer` says where, the message why."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer, self.message = pointer, message


@dataclass(frozen=True)
class Scalar:
    """`bool`, `long`, `string`, `decimal` or `datetime`; `plain` is the type that is written as it is."""

    name: str
    plain: type | None = None


@dataclass(frozen=True)
class SetOf:
    """A list or set whose order and repetition Cedar does not see."""

    plain: ClassVar[type | None] = None

    of: "Shape"


@dataclass(frozen=True)
class Record:
    """An object; of each member its shape and whether it is always there."""

    plain: ClassVar[type | None] = None

    members: Mapping[str, tuple["Shape", bool]]


Shape: TypeAlias = Scalar | SetOf | Record

BOOL, STRING = Scalar("bool", bool), Scalar("string", str)
LONG, DECIMAL, DATETIME = Scalar("long"), Scalar("decimal"), Scalar("datetime")

FACT_SHAPES: Mapping[str, Shape] = {
    "bool": BOOL,
    "long": LONG,
    "string": STRING,
    "decimal": DECIMAL,
    "datetime": DATETIME,
    "set": SetOf(STRING),
}

_CEDAR_NAMES = {"bool": "Boolean", "long": "Long", "string": "String"}


def cedar_type(shape: Shape) -> dict[str, Json]:
    """The shape as a type in Cedar's JSON schema format."""
    match shape:
        case Scalar(name) if name in _CEDAR_NAMES:
            return {"type": _CEDAR_NAMES[name]}
        case Scalar(name):
            return {"type": "Extension", "name": name}
        case SetOf(of):
            return {"type": "Set", "element": cedar_type(of)}
        case Record(members):
            return {
                "type": "Record",
                "attributes": {
                    name: {**cedar_type(member), "required": required}
                    for name, (member, required) in members.items()
                },
            }


def written(shape: Shape, value: Json, zone: ZoneInfo, at: str = "") -> Json:
    """The value as Cedar's JSON says it; members without a shape are left out, null counts as absent.

    Raises Unrepresentable with the place, `at` being the pointer of the value itself.
    """
    match shape:
        case Scalar(name):
            return _scalar(name, value, zone, at)
        case SetOf(of):
            return _set(of, value, zone, at)
        case Record(members):
            return _record(members, value, zone, at)


def _scalar(name: str, value: Json, zone: ZoneInfo, at: str) -> Json:
    if name == "string":
        if isinstance(value, str):
            return value
    elif name == "bool":
        if isinstance(value, bool):
            return value
    elif name == "long":
        return _long(value, at)
    elif name == "decimal":
        return {"__extn": {"fn": "decimal", "arg": _decimal(value, at)}}
    else:
        return {"__extn": {"fn": "datetime", "arg": _datetime(value, zone, at)}}
    raise Unrepresentable(at, f"is no {name}")


def _long(value: Json, at: str) -> int:
    # JSON Schema calls 3.0 an integer, so it is one.
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int):
        raise Unrepresentable(at, "is no whole number")
    if not LONG_LEAST <= whole <= LONG_MOST:
        raise Unrepresentable(at, "does not fit into 64 bits")
    return whole


def _decimal(value: Json, at: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unrepresentable(at, "is no number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Unrepresentable(at, "is no number") from None
    if not number.is_finite() or abs(number) >= Decimal(2**63).scaleb(-DECIMAL_PLACES):
        raise Unrepresentable(at, "does not fit into a decimal")
    if number != number.quantize(Decimal(1).scaleb(-DECIMAL_PLACES)):
        raise Unrepresentable(at, f"has more than {DECIMAL_PLACES} decimal places")
    return f"{number:.{DECIMAL_PLACES}f}"


def _datetime(value: Json, zone: ZoneInfo, at: str) -> str:
    moment = value if isinstance(value, datetime) else moment_of(value, zone)
    if moment is None:
        raise Unrepresentable(at, "is no date or time")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def moment_of(text: Json, zone: ZoneInfo) -> datetime | None:
    """An ISO 8601 date or date and time; without an offset it is the zone's. None where it is neither."""
    if not isinstance(text, str) or _DATE.match(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _set(of: Shape, value: Json, zone: ZoneInfo, at: str) -> list[Json]:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence | frozenset | set):
        raise Unrepresentable(at, "is no list")
    elements = cast("Sequence[Json]", value)
    if of is STRING and all(isinstance(element, str) for element in elements):
        return list(elements)
    return [written(of, element, zone, f"{at}/{index}") for index, element in enumerate(elements)]


def _record(
    members: Mapping[str, tuple[Shape, bool]], value: Json, zone: ZoneInfo, at: str
) -> dict[str, Json]:
    if not isinstance(value, Mapping):
        raise Unrepresentable(at, "is no object")
    source = cast("Mapping[str, Json]", value)
    told: dict[str, Json] = {}
    for name, (shape, required) in members.items():
        member = source.get(name)
        if type(member) is shape.plain:
            told[name] = member
        elif member is not None:
            told[name] = written(shape, member, zone, f"{at}/{escape(name)}")
        elif required:
            raise Unrepresentable(f"{at}/{escape(name)}", "is missing")
    return told


Paths: TypeAlias = dict[str, "Paths | None"]
"""Which members are looked at, and within them which; None for all of one."""


def pruned(record: Record, paths: Paths | None) -> Record:
    """The record with only the members that are looked at: each costs Cedar microseconds to read."""
    if paths is None:
        return record
    kept: dict[str, tuple[Shape, bool]] = {}
    for name, (shape, required) in record.members.items():
        if name in paths:
            within = paths[name]
            kept[name] = (pruned(shape, within) if isinstance(shape, Record) else shape, required)
    return Record(kept)
