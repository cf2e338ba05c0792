"""What expressions look at: handing CEL a value costs microseconds a node, so the rest is left out."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, cast

from domain.kernel import Json

LITERAL: Final = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
COMPREHENSION: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
BOUND: Final = re.compile(COMPREHENSION.pattern + r"\s*([A-Za-z_]\w*)\s*,")

_DERIVED: Final = re.compile(r"\bderived\b(?:\.(\w+))?")
_FACT: Final = re.compile(r"\bfacts\b(?:\.(\w+)\b)?")
_FIELD: Final = re.compile(r"\.(\w+)\b(?!\s*\()")
_OVER: Final = re.compile(r"\.(?:all|exists|exists_one|map)\s*\(\s*(\w+)\s*,")
_FILTER: Final = re.compile(r"\.filter\s*\(\s*(\w+)\s*,")

Members: TypeAlias = set[str] | None
"""The members of a fact, or of a list's entries, that are looked at; None: all."""
Uses: TypeAlias = dict[str, Members] | None
"""The facts that are looked at; None: all of everything. What is in doubt counts as looked at."""


def plain(expression: str) -> str:
    """An expression without the contents of its texts."""
    return LITERAL.sub('""', expression)


def derived_in(source: str, before: Iterable[str]) -> set[str]:
    """Which of the derived facts `before` a plain expression looks at."""
    known = set(before)
    named = {match.group(1) or "" for match in _DERIVED.finditer(source)}
    return known if "" in named else named & known


def facts_in(sources: Iterable[str], lists: frozenset[str]) -> Uses:
    """The facts that plain expressions look at; `lists` are those that have an entry per element."""
    found: dict[str, Members] = {}
    for source in sources:
        for match in _FACT.finditer(source):
            name = match.group(1)
            if name is None:
                return None
            before, after = source[: match.start()].rstrip(), source[match.end() :]
            seen = _of_list(source, before, after) if name in lists else _of_record(before, after)
            known = found.setdefault(name, set())
            found[name] = None if known is None or seen is None else known | seen
    return found


def only(uses: Uses, facts: Mapping[str, Json]) -> dict[str, Json]:
    """The facts without what nothing looks at."""
    if uses is None:
        return dict(facts)
    return {name: _kept(members, facts[name]) for name, members in uses.items() if name in facts}


def _kept(members: Members, fact: Json) -> Json:
    if members is None:
        return fact
    if isinstance(fact, list):
        return [_kept(members, entry) for entry in cast("Iterable[Json]", fact)]
    if isinstance(fact, dict):
        record = cast("dict[str, Json]", fact)
        return {name: record[name] for name in members if name in record}
    return fact


def _of_record(before: str, after: str) -> Members:
    field = _FIELD.match(after)
    if field is not None:
        return {field.group(1)}
    only_whether = before.endswith("has(") and after.lstrip().startswith(")")
    return set() if only_whether else None


def _of_list(source: str, before: str, after: str) -> Members:
    over = _OVER.match(after)
    if over is not None:
        return _of_variable(source, over.group(1))
    if before.endswith("size("):
        if after.lstrip().startswith(")"):
            return set()
        # What `filter` leaves could be looked into by what follows, unless it is only counted.
        kept = _FILTER.match(after)
        rest = "" if kept is None else after[_closing(after, kept.group().index("(")) + 1 :]
        if kept is not None and rest.lstrip().startswith(")"):
            return _of_variable(source, kept.group(1))
    if after.startswith("["):
        member = _FIELD.match(after, _closing(after, 0) + 1)
        return {member.group(1)} if member is not None else None
    return None


def _of_variable(source: str, variable: str) -> Members:
    """The members of a comprehension's variable that are looked at; None where it is used as a whole."""
    uses = re.findall(rf"(?<![\w.]){variable}\b(?:\.(\w+)\b(?!\s*\())?", source)
    bindings = BOUND.findall(source).count(variable)
    return None if uses.count("") > bindings else {name for name in uses if name}


def _closing(text: str, opening: int) -> int:
    """Where the bracket that opens at an index is closed; the end of the text if nowhere."""
    depth = 0
    for index in range(opening, len(text)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)
