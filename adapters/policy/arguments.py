"""Arguments of a tool: their JSON Schema checked and compiled, and how Cedar sees what it describes."""

from collections.abc import Iterable, Mapping
from typing import cast
from zoneinfo import ZoneInfo

import jsonschema_rs
import orjson

from adapters.policy.shapes import (
    BOOL,
    DECIMAL,
    LONG,
    STRING,
    Record,
    SetOf,
    Shape,
    Unrepresentable,
    written,
)
from application.policy import ArgumentsInvalid
from domain.facts.bounds import storable
from domain.facts.pointers import escape
from domain.kernel import Json

MAX_SCHEMA = 65_536
"""Bytes of a JSON Schema."""
MAX_ERRORS = 20
_SCALARS: Mapping[str, Shape] = {"string": STRING, "integer": LONG, "number": DECIMAL, "boolean": BOOL}
_UTC = ZoneInfo("UTC")


class SchemaInvalid(Exception):
    """What is wrong with a schema, with the place in it."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place, self.message = place, message


class Arguments:
    """One tool's arguments; raises SchemaInvalid."""

    def __init__(self, schema: Mapping[str, Json]) -> None:
        self._validator = _compiled(schema)
        self.shape = _record_of(schema)

    def validate(self, arguments: Mapping[str, Json]) -> None:
        """Raises ArgumentsInvalid with every place that does not fit, or that Cedar could not see."""
        # Bounds first: the validator walks whatever it is given.
        if not storable(arguments):
            message = "too large, too deep, or with numbers or characters that cannot be stored"
            raise ArgumentsInvalid(errors=[{"pointer": "", "message": message}])
        if not self._validator.is_valid(arguments):
            raise ArgumentsInvalid(errors=_errors(self._validator.iter_errors(arguments)))
        try:
            written(self.shape, arguments, _UTC)
        except Unrepresentable as no:
            raise ArgumentsInvalid(errors=[{"pointer": no.pointer, "message": no.message}]) from None


def _compiled(schema: Mapping[str, Json]) -> jsonschema_rs.Validator:
    if not storable(schema) or len(orjson.dumps(schema)) > MAX_SCHEMA:
        raise SchemaInvalid("/arguments", "is too large or too deep")
    if schema.get("type") != "object":
        raise SchemaInvalid("/arguments/type", "must be `object`: a call has named arguments")
    for place, reference in _references(schema, "/arguments"):
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaInvalid(place, "refers to another document")
    try:
        jsonschema_rs.meta.validate(dict(schema))
        # The regex engine without look-around takes linear time, whatever a caller sends.
        return jsonschema_rs.validator_for(
            dict(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except jsonschema_rs.ValidationError as no:
        raise SchemaInvalid("/arguments" + _pointer(no.instance_path), no.message) from None
    except (ValueError, jsonschema_rs.ReferencingError) as no:
        raise SchemaInvalid("/arguments", str(no)) from None


def _references(value: Json, at: str) -> Iterable[tuple[str, Json]]:
    if isinstance(value, Mapping):
        for key, member in cast("Mapping[str, Json]", value).items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef"):
                yield f"{at}/{key}", member
            yield from _references(member, f"{at}/{escape(key)}")
    elif isinstance(value, list | tuple):
        for index, element in enumerate(cast("list[Json]", value)):
            yield from _references(element, f"{at}/{index}")


def _errors(found: Iterable[jsonschema_rs.ValidationError]) -> list[dict[str, str]]:
    errors: list[dict[str, str]] = []
    for error in found:
        errors.append({"pointer": _pointer(error.instance_path), "message": error.message[:500]})
        if len(errors) == MAX_ERRORS:
            break
    return errors


def _pointer(path: Iterable[str | int]) -> str:
    return "".join(f"/{escape(str(step))}" for step in path)


def _record_of(schema: Mapping[str, Json]) -> Record:
    members: dict[str, tuple[Shape, bool]] = {}
    required = schema.get("required", ())
    properties = cast("Mapping[str, Json]", schema.get("properties", {}))
    for name, described in properties.items():
        # Cedar's JSON gives `__extn` and `__entity` a meaning of their own.
        if name.startswith("__") or not isinstance(described, Mapping):
            continue
        shape, nullable = _shape_of(cast("Mapping[str, Json]", described))
        if shape is not None:
            members[name] = (shape, name in required and not nullable)
    return Record(members)


def _shape_of(schema: Mapping[str, Json]) -> tuple[Shape | None, bool]:
    """How Cedar sees what a schema describes, and whether it may be null; None: only CEL sees it."""
    declared = schema.get("type")
    types = [declared] if isinstance(declared, str) else list(cast("list[str]", declared or ()))
    nullable = "null" in types
    plain = [each for each in types if each != "null"]
    if len(plain) != 1:
        return None, nullable
    if plain[0] in _SCALARS:
        return _SCALARS[plain[0]], nullable
    if plain[0] == "array" and isinstance(schema.get("items"), Mapping):
        of, may_be_null = _shape_of(schema["items"])
        return (SetOf(of) if of is not None and not may_be_null else None), nullable
    if plain[0] == "object" and isinstance(schema.get("properties"), Mapping):
        return _record_of(schema), nullable
    return None, nullable
