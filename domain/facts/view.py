"""The facts that one call is about, as its policies see them."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeAlias

from domain.facts.bounds import MAX_KEY, MAX_RECORDS, storable
from domain.facts.pointers import MISSING, escape, find, matches, tokens
from domain.facts.records import FactRecord, weaker
from domain.facts.spec import RESERVED, FactSpec, Reference
from domain.kernel import Json, Source

Known: TypeAlias = Mapping[tuple[str, str], FactRecord]
"""What a run knows, by kind and key."""


def seen(spec: FactSpec, arguments: Mapping[str, Json], known: Known) -> dict[str, Json]:
    """The view of facts for one call: by the names of `points_at`, those that are known.

    A reference with `each` is a list with an entry per element, known or not. `sources` says who vouches for
    each of them; for a list, whoever is to be believed least.
    """
    view: dict[str, Json] = {}
    sources: dict[str, Json] = {}
    plain = dict(arguments)
    for reference in spec.points_at:
        vouching: list[Source] = []
        entries: list[Json] = []
        for element, key in _named(reference, plain, view):
            record = known.get((reference.kind, key)) if key is not None else None
            shown = MISSING if record is None else _shown(reference, record, element)
            if record is not None and shown is not MISSING:
                vouching.append(record.source)
            if reference.each is not None:
                entries.append({"arg": element} if shown is MISSING else {"arg": element, "fact": shown})
            elif shown is not MISSING:
                view[reference.name] = shown
        if reference.each is not None:
            view[reference.name] = entries
        if vouching:
            sources[reference.name] = _least(vouching).value
    if sources:
        view[RESERVED] = sources
    return view


def records_of(reference: Reference, arguments: Json, view: Mapping[str, Json]) -> Iterator[tuple[Json, str]]:
    """The elements and keys that a call's arguments name, whether or not anything is known of them."""
    for element, key in _named(reference, arguments, view):
        if key is not None:
            yield element, key


def key_of(
    paths: tuple[str, ...],
    element: Json,
    arguments: Json,
    view: Mapping[str, Json],
    output: Json = MISSING,
) -> str | None:
    """A record's key: its parts as escaped reference tokens joined by `/`; None unless all are there."""
    parts: list[str] = []
    for path in paths:
        part = sought(path, element, arguments, view, output)
        if isinstance(part, bool) or not isinstance(part, str | int) or part == "":
            return None
        text = str(part) if not isinstance(part, int) or storable(part) else ""
        if not text or len(text) > MAX_KEY or not text.isprintable():
            return None
        parts.append(escape(text))
    return "/".join(parts)


def sought(
    path: str, element: Json, arguments: Json, view: Mapping[str, Json], output: Json = MISSING
) -> Json:
    """What a path leads to, or MISSING."""
    if path.startswith("arg:"):
        return find(path[4:], arguments)
    if path.startswith("out:"):
        return find(path[4:], output)
    if path.startswith("fact:"):
        _, name, pointer = path.split(":", 2)
        return find(pointer, view.get(name, MISSING))
    return find(path, element)


def _named(
    reference: Reference, arguments: Json, view: Mapping[str, Json]
) -> Iterator[tuple[Json, str | None]]:
    if reference.each is None:
        yield arguments, key_of(reference.key, arguments, arguments, view)
        return
    base: Json = arguments
    pattern = reference.each
    if pattern.startswith("fact:"):
        _, name, pattern = pattern.split(":", 2)
        base = view.get(name, MISSING)
    for _, element in islice(matches(pattern, base), MAX_RECORDS):
        yield element, key_of(reference.key, element, arguments, view)


def _shown(reference: Reference, record: FactRecord, element: Json) -> Json:
    if reference.member is None:
        return dict(record.fields)
    value: Json = dict(record.fields)
    for token in tokens(reference.member):
        step = token
        if token.startswith("{") and token.endswith("}"):
            chosen = find("/" + token[1:-1], element)
            if not isinstance(chosen, str):
                return MISSING
            step = escape(chosen)
        value = find("/" + step, value)
    return value


def _least(sources: list[Source]) -> Source:
    least = sources[0]
    for source in sources[1:]:
        least = weaker(least, source)
    return least
