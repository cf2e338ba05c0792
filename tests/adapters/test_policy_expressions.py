"""Derived facts: what expressions are handed, and that leaving out the rest changes nothing."""

import json
from zoneinfo import ZoneInfo

import pytest

from adapters.policy.expressions import DerivedFailed, Expressions
from adapters.policy.uses import facts_in, only, plain
from domain.facts.spec import FactSpec
from domain.kernel import Json
from tests.adapters.policy_world import NOW

ZONE = ZoneInfo("America/New_York")
LISTS = frozenset({"lines"})
FACTS: dict[str, Json] = {
    "user": {"name": "u", "tier": "gold", "cards": {"c": {"limit": 5}}},
    "lines": [{"arg": {"sku": "a", "n": 2}, "fact": {"price": 3}}, {"arg": {"sku": "b", "n": 1}}],
    "order": {"paid": 7},
}


def spec(*derives: tuple[str, str, str]) -> FactSpec:
    told = {
        "points_at": [
            {"name": "user", "kind": "user", "key": ["/user"]},
            {"name": "lines", "kind": "line", "each": "/lines/*", "key": ["/sku"]},
            {"name": "order", "kind": "order", "key": ["/order"]},
        ],
        "derives": [
            {"name": name, "type": kind, "cel": cel, "optional": True} for name, kind, cel in derives
        ],
    }
    return FactSpec.model_validate_json(json.dumps(told))


def compute(*derives: tuple[str, str, str]) -> dict[str, Json]:
    return Expressions(spec(*derives)).compute({"lines": []}, FACTS, {"done": []}, NOW, ZONE)


@pytest.mark.parametrize(
    ("expression", "looked_at"),
    [
        ("facts.user.tier == 'x'", {"user": {"tier"}}),
        ("has(facts.user)", {"user": set[str]()}),
        ("has(facts.user.tier) && facts.user.name == ''", {"user": {"tier", "name"}}),
        ("facts.user.cards.c.limit > 1", {"user": {"cards"}}),
        ("facts.user['tier'] == ''", {"user": None}),
        ("facts.user.exists(k, k == 'tier')", {"user": None}),
        ("size(facts.user)", {"user": None}),
        ("facts['user'].tier", None),
        ("size(facts.lines) > 1", {"lines": set[str]()}),
        ("facts.lines.exists(l, has(l.fact))", {"lines": {"fact"}}),
        ("facts.lines.exists(l, l.arg.sku == 'a')", {"lines": {"arg"}}),
        ("facts.lines[0].fact.price > 1", {"lines": {"fact"}}),
        ("facts.lines[size(facts.lines) - 1].arg.n > 1", {"lines": {"arg"}}),
        ("size(facts.lines.filter(l, l.arg.n > 1)) > 1", {"lines": {"arg"}}),
        ("facts.lines.filter(l, l.arg.n > 1)[0].fact.price > 1", {"lines": None}),
        ("facts.lines.map(l, l)[0].fact.price > 1", {"lines": None}),
        ("facts.lines.exists(l, l['arg'].n > 1)", {"lines": None}),
        ("facts.lines.exists(l, [l].exists(m, has(m.fact)))", {"lines": None}),
        ("facts.lines[0] == facts.lines[1]", {"lines": None}),
        ("'facts.user.name' == facts.order.paid", {"order": {"paid"}}),
    ],
)
def test_what_is_in_doubt_counts_as_looked_at(expression: str, looked_at: Json) -> None:
    assert facts_in([plain(expression)], LISTS) == looked_at


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("facts.user.tier == 'gold'", True),
        ("facts.user.exists(k, k == 'tier')", True),
        ("size(facts.user) == 3", True),
        ("facts['user'].tier == 'gold'", True),
        ("size(facts.lines) == 2", True),
        ("facts.lines.filter(l, l.arg.n > 1)[0].fact.price == 3", True),
        ("size(facts.lines.filter(l, l.arg.n > 1)) == 1", True),
        ("facts.lines.map(l, l)[0].fact.price == 3", True),
        ("facts.lines.exists(l, [l].exists(m, has(m.fact)))", True),
        ("facts.lines[0] == facts.lines[1]", False),
        ("facts.lines.all(l, has(l.fact))", False),
    ],
)
def test_leaving_out_what_nothing_looks_at_changes_no_value(expression: str, value: Json) -> None:
    assert compute(("d", "bool", expression)) == {"d": value}


def test_only_what_is_looked_at_is_handed_over() -> None:
    uses = facts_in(["facts.user.tier", "facts.lines.all(l, has(l.fact))"], LISTS)
    assert only(uses, FACTS) == {"user": {"tier": "gold"}, "lines": [{"fact": {"price": 3}}, {}]}


def test_later_expressions_see_earlier_ones_and_are_told_in_the_order_of_the_registration() -> None:
    values = compute(
        ("a", "long", "facts.order.paid"),
        ("b", "long", "derived.a * 2"),
        ("c", "long", "1"),
        ("d", "long", "derived.b + derived.c"),
        ("e", "bool", "has(derived.absent)"),
        ("f", "long", "derived['d'] + 1"),
    )
    assert values == {"a": 7, "b": 14, "c": 1, "d": 15, "e": False, "f": 16}
    assert list(values) == ["a", "b", "c", "d", "e", "f"]


def test_an_optional_fact_that_is_null_is_absent_for_later_ones() -> None:
    assert compute(("a", "long", "null"), ("b", "bool", "has(derived.a)")) == {"b": False}


@pytest.mark.parametrize(
    ("kind", "cel", "value"),
    [
        ("decimal", "double(sum(facts.lines.map(l, l.arg.n)))", 3.0),
        ("set", "facts.lines.map(l, l.arg.sku)", ["a", "b"]),
        ("string", "day(now)", "2024-05-15"),
        ("string", "day(at('2024-05-15T23:30:00-08:00'))", "2024-05-16"),
        ("bool", "at('2024-05-15') < now && at('2024-05-15T16:00:00') == now", True),
        ("long", "size(distinct(['a', 'a', 'b']))", 2),
        ("long", "size(range(3))", 3),
    ],
)
def test_expressions_add_up_compare_times_and_make_lists(kind: str, cel: str, value: Json) -> None:
    assert compute(("d", kind, cel)) == {"d": value}


@pytest.mark.parametrize(
    ("kind", "cel"),
    [
        ("long", "facts.nobody.x"),
        ("long", "facts.lines[9].arg.n"),
        ("long", "1 / 0"),
        ("long", "9223372036854775807 + 1"),
        ("long", "1.5"),
        ("long", "'1'"),
        ("decimal", "0.00001"),
        ("datetime", "'soon'"),
        ("set", "[1]"),
        ("bool", "at('soon') < now"),
        ("bool", "nope"),
        ("long", "sum(['a'])"),
        ("long", "size(range(1000000))"),
    ],
)
def test_an_expression_that_fails_says_which_it_was(kind: str, cel: str) -> None:
    with pytest.raises(DerivedFailed) as failed:
        compute(("fine", "bool", "true"), ("d", kind, cel))
    assert failed.value.name == "d"


def test_a_time_that_is_none_is_not_quoted_in_the_reason() -> None:
    with pytest.raises(DerivedFailed) as failed:
        Expressions(spec(("d", "bool", "at(args.secret) < now"))).compute(
            {"secret": "hunter2"}, {}, {}, NOW, ZONE
        )
    assert "hunter2" not in failed.value.message
