"""Sample values made from a registration, on which its expressions are tried once."""

from collections.abc import Mapping
from typing import Final, cast

from domain.facts.pointers import matches
from domain.facts.spec import RESERVED, FactSpec, FactType
from domain.kernel import Json

_DEPTH: Final = 8
_BY_FORMAT: Final[Mapping[str, str]] = {
    "date": "2024-05-15",
    "date-time": "2024-05-15T15:00:00Z",
    "time": "15:00:00Z",
}
_BY_TYPE: Final[Mapping[FactType, Json]] = {
    "bool": True,
    "long": 1,
    "string": "sample",
    "decimal": 1.0,
    "datetime": "2024-05-15T15:00:00",
    "set": ["sample"],
}


def sample_arguments(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Arguments with every declared property, one element a list."""
    sample = _sample(schema, _DEPTH)
    return cast("dict[str, Json]", sample) if isinstance(sample, dict) else {}


def sample_facts(spec: FactSpec, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """A view of facts in which every reference is known, with the fields whose type is declared."""
    view: dict[str, Json] = {}
    for reference in spec.points_at:
        record = {name: _BY_TYPE[declared] for name, declared in reference.types.items()}
        if reference.each is None:
            view[reference.name] = record
        else:
            within = "" if reference.each.startswith("fact:") else reference.each
            elements = [element for _, element in matches(within, dict(arguments))] if within else ["sample"]
            view[reference.name] = [{"arg": element, "fact": record} for element in elements]
    view[RESERVED] = {reference.name: "tool" for reference in spec.points_at}
    return view


def _sample(schema: Json, depth: int) -> Json:
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    described = cast("Mapping[str, Json]", schema)
    if "const" in described:
        return described["const"]
    for choices in (described.get("enum"), described.get("examples")):
        if choices:
            return choices[0]
    declared = described.get("type")
    match _first(declared):
        case "object":
            properties = cast("Mapping[str, Json]", described.get("properties", {}))
            return {name: _sample(member, depth - 1) for name, member in properties.items()}
        case "array":
            return [_sample(described.get("items"), depth - 1)]
        case "string":
            return _BY_FORMAT.get(described.get("format", ""), "sample")
        case "integer":
            return described.get("minimum", 1)
        case "number":
            return float(described.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return None


def _first(declared: Json) -> str | None:
    if isinstance(declared, str):
        return declared
    return str(declared[0]) if declared else None
