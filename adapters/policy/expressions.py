"""Derived facts: CEL expressions, compiled once, run on what one call is about."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import cel

from adapters.policy.shapes import FACT_SHAPES, Shape, Unrepresentable, moment_of, written
from adapters.policy.uses import BOUND, COMPREHENSION, derived_in, facts_in, only, plain
from domain.facts.bounds import MAX_RECORDS
from domain.facts.spec import Derived, FactSpec
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
    uses: frozenset[str]


class Expressions:
    """The derived facts of one tool; raises DerivedFailed where an expression does not compile."""

    def __init__(self, spec: FactSpec) -> None:
        sources = [plain(each.cel) for each in spec.derives]
        steps: list[_Step] = []
        for each, source in zip(spec.derives, sources, strict=True):
            before = [step.derived.name for step in steps]
            uses = frozenset(derived_in(source, before))
            steps.append(_Step(each, FACT_SHAPES[each.type], _compiled(each), uses))
        self._names = [step.derived.name for step in steps]
        self._rounds = _rounds(steps)
        self._uses = {name for step in steps for name in step.program.variables()} & VARIABLES
        lists = frozenset(each.name for each in spec.points_at if each.each is not None)
        self._facts = facts_in(sources, lists)

    def __bool__(self) -> bool:
        return bool(self._names)

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
            "facts": lambda: only(self._facts, facts),
            "run": lambda: dict(run),
            "now": lambda: now,
            "derived": dict,
        }
        for name, value in given.items():
            if name in self._uses:
                context.add_variable(name, value())
        values: dict[str, Json] = {}
        for steps in self._rounds:
            used = frozenset[str]().union(*(step.uses for step in steps))
            if used:
                context.add_variable("derived", {name: values[name] for name in used if name in values})
            for step in steps:
                value = _value(step, context, zone)
                if value is not None:
                    values[step.derived.name] = value
        return {name: values[name] for name in self._names if name in values}


def _rounds(steps: Sequence[_Step]) -> list[list[_Step]]:
    """The steps in rounds, each needing only what earlier rounds gave.

    A context that gets a new variable is built anew at its next use, at the price of all the variables
    it holds: so few rounds, not a new `derived` for each step.
    """
    rounds: list[list[_Step]] = []
    depth: dict[str, int] = {}
    for step in steps:
        level = max((depth[name] + 1 for name in step.uses), default=0)
        depth[step.derived.name] = level
        if level == len(rounds):
            rounds.append([])
        rounds[level].append(step)
    return rounds


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
        found.extend((derived.name, message) for message in _faults(derived, plain(derived.cel), known))
        known["derived"].add(derived.name)
    return found


def _faults(derived: Derived, source: str, known: Mapping[str, set[str]]) -> Iterable[str]:
    try:
        program = _compiled(derived)
    except DerivedFailed as no:
        yield no.message
        return
    for name in sorted(set(program.variables()) - VARIABLES - set(BOUND.findall(source))):
        yield f"`{name}` is not known; expressions see args, facts, run, now and derived"
    for name in sorted(set(program.functions()) - _NATIVE - OWN):
        if name.isidentifier():
            yield f"there is no function `{name}`"
    for variable, members in known.items():
        for name in sorted(set(re.findall(rf"(?<![\w.]){variable}\.(\w+)", source)) - members):
            yield f"`{variable}.{name}` is not declared"
    if _nesting(source) > MAX_NESTING:
        yield f"comprehensions are nested more than {MAX_NESTING} deep"


def _nesting(source: str) -> int:
    """How many comprehensions are open at once, at most."""
    opened = {match.end() - 1 for match in COMPREHENSION.finditer(source)}
    stack: list[bool] = []
    deepest = 0
    for index, character in enumerate(source):
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
