"""What a run learns from a call's output, and what a successful call makes of the records it is about."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice

from domain.facts.bounds import MAX_OUTPUT, MAX_RECORDS, Budget
from domain.facts.pointers import MISSING, matches
from domain.facts.records import FactRecord
from domain.facts.spec import Effect, FactSpec, Yield
from domain.facts.view import Known, key_of, records_of, seen, sought
from domain.kernel import Json, Source

__all__ = ["effected", "learn", "seen"]


def learn(
    spec: FactSpec, arguments: Mapping[str, Json], output: Json, source: Source
) -> tuple[FactRecord, ...]:
    """The records that an output holds, in the order of the registration and of the output.

    Text that is JSON counts as what it says. Whatever does not fit the registration, or is too much of it,
    teaches nothing; this never raises.
    """
    value = _parsed(output)
    if value is MISSING:
        return ()
    budget = Budget()
    found = (
        record for each in spec.yields for record in _yielded(each, dict(arguments), value, source, budget)
    )
    return tuple(islice(found, MAX_RECORDS))


def effected(
    spec: FactSpec, arguments: Mapping[str, Json], known: Known, source: Source
) -> tuple[FactRecord, ...]:
    """What a successful call makes of the records that it is about, as news of them."""
    if not spec.effects:
        return ()
    view, budget = seen(spec, arguments, known), Budget()
    changed = (
        record
        for effect in spec.effects
        for record in _changed(effect, spec, dict(arguments), view, source, budget)
    )
    return tuple(islice(changed, MAX_RECORDS))


def _parsed(output: Json) -> Json:
    if not isinstance(output, str):
        return output
    if len(output) > MAX_OUTPUT:
        return MISSING
    try:
        return json.loads(output)
    except (ValueError, RecursionError):
        return MISSING


def _yielded(
    found: Yield, arguments: Json, output: Json, source: Source, budget: Budget
) -> Iterator[FactRecord]:
    for _, element in islice(matches(found.at, output), MAX_RECORDS):
        key = key_of(found.key, element, arguments, {}, output)
        if key is None:
            continue
        fields: dict[str, Json] = {}
        for name, path in found.fields.items():
            value = _field(path, element, arguments, output)
            if value is not MISSING:
                fields[name] = budget.admit(value)
        yield FactRecord(kind=found.kind, key=key, fields=fields, source=source)


def _field(path: str, element: Json, arguments: Json, output: Json) -> Json:
    if path.startswith("count:"):
        return sum(1 for _ in matches(path.removeprefix("count:"), element))
    if "*" not in path.split("/"):
        return sought(path, element, arguments, {}, output)
    bases = {"arg": arguments, "out": output}
    prefix, _, pointer = path.partition(":") if path[:4] in ("arg:", "out:") else ("", "", path)
    return [value for _, value in islice(matches(pointer, bases.get(prefix, element)), MAX_RECORDS)]


def _changed(
    effect: Effect, spec: FactSpec, arguments: Json, view: Mapping[str, Json], source: Source, budget: Budget
) -> Iterator[FactRecord]:
    reference = next(each for each in spec.points_at if each.name == effect.on)
    for element, key in records_of(reference, arguments, view):
        fields: dict[str, Json] = dict(effect.mark)
        for name, path in effect.set.items():
            value = sought(path, element, arguments, view)
            if value is not MISSING:
                fields[name] = budget.admit(value)
        yield FactRecord(kind=reference.kind, key=key, fields=fields, source=source)
