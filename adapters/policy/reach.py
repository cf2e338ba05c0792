"""Which parts of a request's context policies can look at: what they cannot see need not be told to Cedar."""

from collections.abc import Iterable, Mapping
from typing import cast

from adapters.policy.shapes import Paths
from domain.kernel import Json


def looked_at(bodies: Iterable[Mapping[str, Json]]) -> Paths | None:
    """The members of `context` that policies, in Cedar's JSON form, can reach; None: all of it."""
    paths: Paths | None = {}
    for body in bodies:
        for condition in cast("list[Json]", body["conditions"]):
            paths = _collect(condition["body"], paths)
    return paths


def _collect(node: Json, paths: Paths | None) -> Paths | None:
    if paths is None:
        return None
    chain = _chain(node)
    if chain is not None:
        names, whole = chain
        return _with(paths, names, whole=whole)
    for child in _children(node):
        paths = _collect(child, paths)
    return paths


def _children(node: Json) -> Iterable[Json]:
    if isinstance(node, dict):
        return cast("dict[str, Json]", node).values()
    return cast("Iterable[Json]", node) if isinstance(node, list) else ()


def _chain(node: Json) -> tuple[list[str], bool] | None:
    """What `context.args.n` follows from `context`; False where only `has` asks whether it is there."""
    if not isinstance(node, dict):
        return None
    if node == {"Var": "context"}:
        return [], True
    for operator in (".", "has"):
        inner = cast("dict[str, Json]", node).get(operator)
        if isinstance(inner, dict) and "attr" in inner:
            members = cast("dict[str, Json]", inner)
            before = _chain(members.get("left"))
            return None if before is None else ([*before[0], str(members["attr"])], operator == ".")
    return None


def _with(paths: Paths | None, chain: list[str], *, whole: bool) -> Paths | None:
    if paths is None or (not chain and whole):
        return None
    if not chain:
        return paths
    first, *rest = chain
    return {**paths, first: _with(paths.get(first, {}), rest, whole=whole)}
