"""Writes the golden file of every event version that has none: `python -m tests.golden.generate`.

A golden file is for ever. Only while a version has not been released may it be written anew, with `--again`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.event_store.mapper import EventMapper, Written
from adapters.event_store.vocabulary import VOCABULARY, Vocabulary, Word
from domain.kernel import Event, Json

EVENTS = Path(__file__).parent / "events"

CANDIDATES = (
    "id-1",
    "name",
    "2026-01-02T03:04:05.000006Z",
    "0123456789abcdef" * 4,
    "/pointer",
    "arg:/pointer",
)
"""Texts of which one fits any pattern of the domain."""


def path_of(name: str, version: int) -> Path:
    """Where the golden file of an event version is kept."""
    return EVENTS / f"{name}.v{version}.json"


def bare(schema: Json, *, named: bool = False) -> Json:
    """A JSON schema without what it only says to people; what is `named` has names of the domain as keys."""
    if isinstance(schema, dict):
        return {
            name: bare(member, named=name in ("properties", "$defs") and not named)
            for name, member in schema.items()  # pyright: ignore[reportUnknownVariableType] -- Json is Any
            if named or name not in ("description", "title")
        }
    return [bare(member) for member in schema] if isinstance(schema, list) else schema  # pyright: ignore[reportUnknownVariableType] -- Json is Any


def shape(event: type[Event]) -> Json:
    """What a version of an event looks like; as long as it is the same, so is the version."""
    return bare(event.model_json_schema(mode="serialization"))


def sample(event: type[Event]) -> Event:
    """An event with something in every field; where fields must agree, in every field that has no default."""
    schema = event.model_json_schema()
    try:
        return event.model_validate_json(json.dumps(Sampler(schema, defaults=False).sample))
    except ValidationError:
        return event.model_validate_json(json.dumps(Sampler(schema, defaults=True).sample))


class Sampler:
    """Makes a value that fits a JSON schema."""

    def __init__(self, schema: dict[str, Any], *, defaults: bool) -> None:
        self._shapes, self._defaults = schema.get("$defs", {}), defaults
        self.sample = self._value(schema)

    def _value(self, schema: dict[str, Any]) -> Json:
        if self._defaults and "default" in schema:
            return schema["default"]
        if "$ref" in schema:
            return self._value(self._shapes[schema["$ref"].rpartition("/")[2]])
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        if "anyOf" in schema or "oneOf" in schema:
            options = schema.get("anyOf") or schema["oneOf"]
            return self._value(next(option for option in options if option.get("type") != "null"))
        return self._of_type(schema)

    def _of_type(self, schema: dict[str, Any]) -> Json:
        match schema.get("type"):
            case "string":
                return _text(schema.get("pattern", ""))
            case "integer" | "number":
                return max(1, schema.get("minimum", 1))
            case "boolean":
                return True
            case "array":
                once = [schema.get("items", {})] * max(1, schema.get("minItems", 1))
                return [self._value(item) for item in schema.get("prefixItems") or once]
            case "object" if "properties" in schema:
                return {name: self._value(member) for name, member in schema["properties"].items()}
            case "object":
                keyed = schema.get("patternProperties") or {"": schema.get("additionalProperties", True)}
                ((pattern, inner),) = keyed.items()
                return {_text(pattern): self._value({} if inner is True else inner)}
            case _:
                return {"any": ["json", 1, None]}


def _text(pattern: str) -> str:
    return next(text for text in CANDIDATES if re.search(pattern, text))


def golden(vocabulary: Vocabulary, word: Word) -> dict[str, Any]:
    """The golden file of a word's newest version."""
    event = sample(word.event)
    body = EventMapper(vocabulary).envelope(Written("t/c/1", 1, event, "", b"")).state
    return {"recorded": json.loads(body), "reads_as": json.loads(body), "schema": shape(word.event)}


def main(arguments: list[str]) -> None:
    """Write what is missing."""
    EVENTS.mkdir(exist_ok=True)
    for word in VOCABULARY.words:
        path = path_of(word.name, word.version)
        if not path.exists() or "--again" in arguments:
            text = json.dumps(golden(VOCABULARY, word), indent=2, sort_keys=True, ensure_ascii=False)
            path.write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
