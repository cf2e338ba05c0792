"""Which members policies look at: what they cannot see need not be told to Cedar."""

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from adapters.policy.shapes import Paths, Record
from domain.kernel import Json


def looked_at(bodies: Iterable[Mapping[str, Json]], variable: str = "context") -> Paths | None:
    """The members of a variable that policies, in Cedar's JSON form, can reach; None: all of it."""
    paths: Paths | None = {}
    for body in bodies:
        for condition in cast("list[Json]", body["conditions"]):
            paths = _collect(condition["body"], {"Var": variable}, paths)
    return paths


def members_in(paths: Paths | None) -> Iterator[tuple[str, ...]]:
    """Each member that paths name, from the outermost on: `("args",)`, `("args", "n")`."""
    for name, within in (paths or {}).items():
        yield (name,)
        for deeper in members_in(within):
            yield (name, *deeper)


def is_member(record: Record, path: tuple[str, ...]) -> bool:
    """Whether a record declares a member; what lies beyond a value that is no record is not ours to say."""
    first, *rest = path
    if first not in record.members:
        return False
    shape = record.members[first][0]
    return not rest or not isinstance(shape, Record) or is_member(shape, tuple(rest))


def _collect(node: Json, root: Json, paths: Paths | None) -> Paths | None:
    if paths is None:
        return None
    chain = _chain(node, root)
    if chain is not None:
        names, whole = chain
        return _with(paths, names, whole=whole)
    for child in _children(node):
        paths = _collect(child, root, paths)
    return paths


def _children(node: Json) -> Iterable[Json]:
    if isinstance(node, dict):
        return cast("dict[str, Json]", node).values()
    return cast("Iterable[Json]", node) if isinstance(node, list) else ()


def _chain(node: Json, root: Json) -> tuple[list[str], bool] | None:
    """What `context.args.n` follows from `context`; False where only `has` asks whether it is there."""
    if not isinstance(node, dict):
        return None
    if node == root:
        return [], True
    for operator in (".", "has"):
        inner = cast("dict[str, Json]", node).get(operator)
        if isinstance(inner, dict) and "attr" in inner:
            members = cast("dict[str, Json]", inner)
            before = _chain(members.get("left"), root)
            return None if before is None else ([*before[0], str(members["attr"])], operator == ".")
    return None


def _with(paths: Paths | None, chain: list[str], *, whole: bool) -> Paths | None:
    if paths is None or (not chain and whole):
        return None
    if not chain:
        return paths
    first, *rest = chain
    return {**paths, first: _with(paths.get(first, {}), rest, whole=whole)}
