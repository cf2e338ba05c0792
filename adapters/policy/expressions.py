"""Derived facts: CEL expressions, compiled once, run on what one call is about."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import cel

from adapters.policy.shapes import FACT_SHAPES, Shape, Unrepresentable, moment_of, written
from domain.facts.bounds import MAX_RECORDS
from domain.facts.spec import Derived
from domain.kernel import Json

VARIABLES = frozenset({"args", "facts", "run", "now", "derived"})
MAX_NESTING = 2
"""Comprehensions within one another: lists hold up to 256, so three deep would be millions of steps."""

_NATIVE = frozenset(
    re.findall(
        r"\w+",
        "has size contains startsWith endsWith matches int uint double string bytes timestamp duration "
        "type dyn max min getFullYear getMonth getDayOfYear getDayOfMonth getDate getDayOfWeek "
        "getHours getMinutes getSeconds getMilliseconds all exists exists_one map filter",
    )
)
_COMPREHENSION = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_BOUND = re.compile(_COMPREHENSION.pattern + r"\s*([A-Za-z_]\w*)\s*,")
_LITERAL = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
_EXISTS = re.compile(r"\bhas\s*\(\s*facts\.(\w+)\s*\)")
_DERIVED = re.compile(r"\bderived\.(\w+)")
_FACT = re.compile(r"\bfacts\b(?:\.(\w+)(?:\.(\w+)\b(?!\s*\())?)?")


class ExpressionInvalid(Exception):
    """What is wrong with an expression before it ever runs."""


class DerivedFailed(Exception):
    """A derived fact that could not be computed; `name` says which."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name, self.message = name, message


@dataclass(frozen=True)
class _Step:
    """One expression, compiled; `uses` are the derived facts that it looks at."""

    derived: Derived
    shape: Shape
    program: cel.Program
    uses: tuple[str, ...]


class Expressions:
    """The derived facts of one tool; raises DerivedFailed wrapping ExpressionInvalid where one is wrong."""

    def __init__(self, derives: Sequence[Derived]) -> None:
        sources = [_LITERAL.sub('""', each.cel) for each in derives]
        self._steps = tuple(
            _Step(each, FACT_SHAPES[each.type], _compiled(each), _derived_in(source))
            for each, source in zip(derives, sources, strict=True)
        )
        self._uses = {name for step in self._steps for name in step.program.variables()} & VARIABLES
        self._facts = _looked_at(sources)

    def __bool__(self) -> bool:
        return bool(self._steps)

    def compute(
        self,
        args: Mapping[str, Json],
        facts: Mapping[str, Json],
        run: Mapping[str, Json],
        now: datetime,
        zone: ZoneInfo,
    ) -> dict[str, Json]:
        """All derived facts, in order; later ones see earlier ones. Raises DerivedFailed."""
        # A context of its own for every call: what was said to an earlier one must not linger.
        context = cel.Context()
        for name, function in functions(zone).items():
            context.add_function(name, function)
        given: dict[str, Callable[[], Json]] = {
            "args": lambda: dict(args),
            "facts": lambda: self._only_used(facts),
            "run": lambda: dict(run),
            "now": lambda: now,
        }
        for name, value in given.items():
            if name in self._uses:
                context.add_variable(name, value())
        values: dict[str, Json] = {}
        for step in self._steps:
            if step.uses:
                context.add_variable("derived", {name: values[name] for name in step.uses if name in values})
            value = _value(step, context, zone)
            if value is not None:
                values[step.derived.name] = value
        return values

    def _only_used(self, facts: Mapping[str, Json]) -> dict[str, Json]:
        """Only what the expressions look at: handing a value to CEL costs microseconds a node."""
        if self._facts is None:
            return dict(facts)
        told: dict[str, Json] = {}
        for name, fields in self._facts.items():
            if name not in facts:
                continue
            fact = facts[name]
            if fields is None or not isinstance(fact, dict):
                told[name] = fact
            else:
                record = cast("dict[str, Json]", fact)
                told[name] = {field: record[field] for field in fields if field in record}
        return told


def functions(zone: ZoneInfo) -> dict[str, Callable[..., Json]]:
    """What expressions may call beyond CEL's own; where they fail they do not quote the value."""

    def at(text: Json) -> datetime:
        moment = moment_of(text, zone)
        if moment is None:
            raise ValueError("no date or time")
        return moment

    def day(moment: Json) -> str:
        known = moment if isinstance(moment, datetime) else at(moment)
        return known.astimezone(zone).date().isoformat()

    return {"at": at, "day": day, "sum": _total, "distinct": _distinct, "range": _range}


def _total(numbers: Json) -> int | float:
    total: int | float = 0
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError("not all are numbers")
        total += number
    return total


def _distinct(values: Json) -> list[Json]:
    kept: list[Json] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


def _range(size: Json) -> list[int]:
    if not isinstance(size, int) or size > MAX_RECORDS:
        raise ValueError("not a small whole number")
    return list(range(size))


OWN = frozenset(functions(ZoneInfo("UTC")))


def faults(derives: Sequence[Derived], names: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Names in expressions that nothing declares, as `(derived, message)`.

    `names` are the members known of `args`, `facts` and `run`; CEL itself would find out only when it runs.
    """
    found: list[tuple[str, str]] = []
    known = {variable: set(members) for variable, members in names.items()} | {"derived": set[str]()}
    for derived in derives:
        plain = _LITERAL.sub('""', derived.cel)
        found.extend((derived.name, message) for message in _faults(derived, plain, known))
        known["derived"].add(derived.name)
    return found


def _faults(derived: Derived, plain: str, known: Mapping[str, set[str]]) -> Iterable[str]:
    try:
        program = _compiled(derived)
    except DerivedFailed as no:
        yield no.message
        return
    for name in sorted(set(program.variables()) - VARIABLES - set(_BOUND.findall(plain))):
        yield f"`{name}` is not known; expressions see args, facts, run, now and derived"
    for name in sorted(set(program.functions()) - _NATIVE - OWN):
        if name.isidentifier():
            yield f"there is no function `{name}`"
    for variable, members in known.items():
        for name in sorted(set(re.findall(rf"(?<![\w.]){variable}\.(\w+)", plain)) - members):
            yield f"`{variable}.{name}` is not declared"
    if _nesting(plain) > MAX_NESTING:
        yield f"comprehensions are nested more than {MAX_NESTING} deep"


def _nesting(plain: str) -> int:
    """How many comprehensions are open at once, at most."""
    opened = {match.end() - 1 for match in _COMPREHENSION.finditer(plain)}
    stack: list[bool] = []
    deepest = 0
    for index, character in enumerate(plain):
        if character == "(":
            stack.append(index in opened)
            deepest = max(deepest, sum(stack))
        elif character == ")" and stack:
            stack.pop()
    return deepest


def _compiled(derived: Derived) -> cel.Program:
    try:
        return cel.compile(derived.cel)
    except ValueError as no:
        raise DerivedFailed(derived.name, str(no)[:500]) from None


def _value(step: _Step, context: cel.Context, zone: ZoneInfo) -> Json:
    derived = step.derived
    try:
        value = step.program.execute(context)
    except (ArithmeticError, KeyError, IndexError, RuntimeError, TypeError, ValueError) as no:
        raise DerivedFailed(derived.name, f"{type(no).__name__}: {str(no)[:200]}") from no
    if value is None:
        if derived.optional:
            return None
        raise DerivedFailed(derived.name, "has no value")
    try:
        written(step.shape, value, zone)
    except Unrepresentable as no:
        raise DerivedFailed(derived.name, no.message) from None
    return value


def _derived_in(source: str) -> tuple[str, ...]:
    return tuple(sorted(set(_DERIVED.findall(source))))


def _looked_at(sources: Iterable[str]) -> dict[str, set[str] | None] | None:
    """Which facts, and which fields of them, the expressions can reach; None where that cannot be told."""
    found: dict[str, set[str] | None] = {}
    for source in sources:
        for name in _EXISTS.findall(source):
            found.setdefault(name, set())
        for match in _FACT.finditer(_EXISTS.sub("", source)):
            name, field = match.groups()
            if name is None:
                return None
            fields = found.setdefault(name, set())
            if field is None:
                found[name] = None
            elif fields is not None:
                fields.add(field)
    return found
