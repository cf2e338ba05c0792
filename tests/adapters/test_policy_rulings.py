"""What the engine rules, in business sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.policy.engine import CedarEngine
from application.policy import Ask
from domain.kernel import Json, Verdict
from tests.adapters.policy_world import PERMIT, forbid, grounds, order, question, ruled, tool

TWO_APPROVERS = forbid(
    "large",
    "context.args.cents > 100",
    '@ask("approver") @quorum("2") @expires("30m") @reason("Much money.")',
)
ADMIN = forbid("huge", "context.args.cents > 1000", '@ask("admin")')
NEVER = forbid("never", "context.args.cents > 5000", '@reason("Nobody refunds that much.")')


def test_what_no_policy_permits_is_denied_by_default() -> None:
    ruling = ruled("")
    assert ruling.verdict is Verdict.DENY
    assert grounds(ruling) == [("default", "default")]


def test_a_permit_allows_and_is_named() -> None:
    ruling = ruled(PERMIT)
    assert ruling.verdict is Verdict.ALLOW
    assert grounds(ruling) == [("all", "permit")]


def test_a_forbid_wins_over_any_permit_and_gives_its_reason() -> None:
    ruling = ruled(PERMIT + NEVER, {"cents": 6_000})
    assert ruling.verdict is Verdict.DENY
    assert ruling.determined[0].reason == "Nobody refunds that much."


def test_a_policy_without_a_reason_is_explained_by_its_id() -> None:
    ruling = ruled(PERMIT + forbid("not-on-sundays", "true"))
    assert ruling.determined[0].reason == "Not on sundays."


def test_an_ask_turns_the_denial_into_an_approval_request() -> None:
    ruling = ruled(PERMIT + TWO_APPROVERS, {"cents": 500})
    assert ruling.verdict is Verdict.ASK
    assert ruling.asks == (Ask("large", "approver", 2, 1_800, "Much money."),)
    assert grounds(ruling) == [("large", "ask")]


def test_all_asks_that_apply_must_be_satisfied() -> None:
    ruling = ruled(PERMIT + ADMIN + TWO_APPROVERS, {"cents": 2_000})
    assert [ask.policy for ask in ruling.asks] == ["huge", "large"]


def test_nobody_is_asked_about_what_is_not_permitted_anyway() -> None:
    ruling = ruled(TWO_APPROVERS, {"cents": 500})
    assert ruling.verdict is Verdict.DENY
    assert grounds(ruling) == [("default", "default")]


def test_a_plain_forbid_wins_over_an_ask() -> None:
    ruling = ruled(PERMIT + TWO_APPROVERS + NEVER, {"cents": 6_000})
    assert ruling.verdict is Verdict.DENY
    assert grounds(ruling) == [("never", "forbid")]


def test_an_ask_that_does_not_apply_asks_nobody() -> None:
    assert ruled(PERMIT + TWO_APPROVERS, {"cents": 5}).verdict is Verdict.ALLOW


def test_reasons_come_sorted_whatever_order_cedar_gives_them_in() -> None:
    names = [f"r{number:02}" for number in range(30)]
    text = PERMIT + "".join(forbid(name, "true") for name in reversed(names))
    assert [each.policy for each in ruled(text).determined] == names


def test_a_forbid_that_fails_to_evaluate_denies_and_is_named() -> None:
    overflow = forbid("sum", "context.args.cents + 9223372036854775807 > 0")
    ruling = ruled(PERMIT + overflow, {"cents": 1})
    assert ruling.verdict is Verdict.DENY
    assert grounds(ruling) == [("sum", "error")]


def test_an_ask_that_fails_to_evaluate_denies_too() -> None:
    overflow = forbid("sum", "context.args.cents + 9223372036854775807 > 0", '@ask("approver")')
    assert ruled(PERMIT + overflow, {"cents": 1}).verdict is Verdict.DENY


@pytest.mark.parametrize("cents", [1.5, 2**63, "5", True, []])
def test_an_argument_that_cedar_cannot_see_as_declared_denies(cents: Json) -> None:
    unlinked = tool(facts={})
    ruling = ruled(PERMIT + forbid("f", "context.args.cents == 7"), {"cents": cents}, tool=unlinked)
    assert ruling.verdict is Verdict.DENY
    assert grounds(ruling) == [("engine", "error")]


def test_null_is_absent() -> None:
    text = PERMIT + forbid("noted", "context.args has note")
    assert ruled(text, {"note": None}).verdict is Verdict.ALLOW
    assert ruled(text, {"note": ""}).verdict is Verdict.DENY


def test_a_float_is_seen_as_a_decimal() -> None:
    text = PERMIT + forbid("dear", 'context.args has rate && context.args.rate.greaterThan(decimal("0.3"))')
    assert ruled(text, {"rate": 0.1 + 0.2 - 0.05}).verdict is Verdict.DENY, "17 digits are not rounded away"
    assert ruled(text, {"rate": 0.3}).verdict is Verdict.ALLOW
    assert ruled(text, {"rate": 0.3001}).verdict is Verdict.DENY


def test_lists_are_sets_and_records_within_them_are_typed() -> None:
    text = PERMIT + forbid("tagged", 'context.args has tags && context.args.tags.contains("fragile")')
    assert ruled(text, {"tags": ["a", "fragile"]}).verdict is Verdict.DENY
    lines = PERMIT + forbid("line", 'context.args has lines && context.args.lines.contains({sku: "x"})')
    assert ruled(lines, {"lines": [{"sku": "x"}]}).verdict is Verdict.DENY


def test_facts_are_seen_with_their_types_and_absent_ones_with_has() -> None:
    unknown = '@id("known") forbid(principal, action, resource) unless { context.facts has order };\n'
    late = forbid(
        "late",
        "context.facts has order.placed && "
        'context.now.durationSince(context.facts.order.placed) > duration("24h")',
    )
    text = PERMIT + unknown + late
    assert grounds(ruled(text)) == [("known", "forbid")]
    # 16:01 the day before in New York is less than a day before 20:00 UTC; 15:59 is more.
    assert ruled(text, known=order(placed="2024-05-14T16:01:00")).verdict is Verdict.ALLOW
    assert ruled(text, known=order(placed="2024-05-14T15:59:00")).verdict is Verdict.DENY


def test_a_fact_that_is_not_what_it_was_declared_denies() -> None:
    text = PERMIT + forbid("open", 'context.facts has order.state && context.facts.order.state == "open"')
    ruling = ruled(text, known=order(state=["open"]))
    assert grounds(ruling) == [("engine", "error")]
    assert "/facts/order/state" in ruling.determined[0].reason


def test_policies_can_require_who_vouches_for_a_fact() -> None:
    text = PERMIT + forbid(
        "hearsay", 'context.facts has sources.order && context.facts.sources.order != "gateway"'
    )
    assert ruled(text, known=order(state="open")).verdict is Verdict.DENY


def test_derived_facts_are_seen_and_recorded_as_evidence() -> None:
    text = PERMIT + forbid("over", "context.derived.overdrawn")
    enough, little = order(paid=9), order(paid=3)
    assert ruled(text, known=enough).evidence == {"left": 4, "overdrawn": False}
    ruling = ruled(text, known=little)
    assert ruling.verdict is Verdict.DENY
    assert ruling.evidence == {"left": -2, "overdrawn": True}
    assert ruled(text).evidence == {"overdrawn": False}


def test_a_derived_fact_that_fails_denies_with_its_name() -> None:
    ruling = ruled(PERMIT, known=order(paid="nine"))
    assert ruling.verdict is Verdict.DENY
    assert grounds(ruling) == [("derived.left", "error")]


def test_a_label_that_may_not_reach_the_tool_denies_before_any_policy() -> None:
    guarded = tool(sinks=("secret", "medical"))
    ruling = ruled(PERMIT, tool=guarded, run={"labels": frozenset({"secret", "other"})})
    assert ruling.verdict is Verdict.DENY
    assert grounds(ruling) == [("labels", "forbid")]
    assert ruled(PERMIT, tool=guarded, run={"labels": frozenset({"other"})}).verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("condition", "run"),
    [
        ('context.run.done.contains("look")', {"done": {"look": 1}}),
        ('context.run.failed.contains("look")', {"failed": {"look": 2}}),
        ("context.run.times_done == 3", {"done": {"refund": 3}}),
        ("context.run.times_failed == 3", {"failed": {"refund": 3}}),
        ("context.run.identical_done > 0", {"identical_done": 1}),
        ("context.run.identical_failed > 1", {"identical_failed": 2}),
        ('context.run.labels.contains("secret")', {"labels": frozenset({"secret"})}),
        ('context.run.sources.contains("agent")', {"sources": frozenset({"agent"})}),
        ("context.run.recorded", {"recorded": True}),
        ('context.run.purpose == "steal"', {"purpose": "steal"}),
    ],
)
def test_policies_see_what_the_run_did(condition: str, run: dict[str, Json]) -> None:
    text = PERMIT + forbid("seen", condition)
    assert ruled(text).verdict is Verdict.ALLOW
    assert ruled(text, run=run).verdict is Verdict.DENY


@pytest.mark.parametrize(
    "condition",
    [
        'principal.discipline == "developer"',
        'principal.model == "m1" && principal.owner == "olga" && principal.prompt_version == "3"',
        'principal == Agent::"helper"',
        'principal.roles.contains("agent")',
        "!(principal has team)",
        'resource == Tool::"refund" && resource.risk == "money" && resource.sinks.isEmpty()',
        'action in Action::"money" && action in Action::"call" && action == Action::"refund"',
        "!(context has on_behalf_of)",
    ],
)
def test_policies_see_who_acts_and_through_what(condition: str) -> None:
    assert grounds(ruled(PERMIT + forbid("seen", condition))) == [("seen", "forbid")]


def test_policies_see_for_whom_the_agent_acts() -> None:
    text = PERMIT + forbid("other", 'context has on_behalf_of && context.on_behalf_of == "mallory"')
    assert ruled(text, on_behalf_of="mallory").verdict is Verdict.DENY
    assert ruled(text, on_behalf_of="alice").verdict is Verdict.ALLOW


def test_a_policy_about_another_tool_does_not_matter() -> None:
    text = PERMIT + '@id("x") forbid(principal, action == Action::"other", resource);'
    assert ruled(text).verdict is Verdict.ALLOW
    assert ruled(text, tool=tool("other")).verdict is Verdict.DENY


def test_a_new_edition_of_a_tool_is_ruled_on_as_it_is_now() -> None:
    engine = CedarEngine()
    assert engine.rule(PERMIT, question(tool=tool())).verdict is Verdict.ALLOW
    assert engine.rule(PERMIT, question(tool=tool(sinks=("x",)))).verdict is Verdict.ALLOW
    for _ in range(50):  # identities of tools that are gone may come again; their rulings may not
        labelled = question(tool=tool(sinks=("x",)), run={"labels": frozenset({"x"})})
        assert engine.rule(PERMIT, labelled).verdict is Verdict.DENY
        assert engine.rule(PERMIT, question(tool=tool())).verdict is Verdict.ALLOW


def test_an_agent_whose_team_changed_is_another_to_the_policy() -> None:
    engine = CedarEngine()
    text = PERMIT + forbid("red", 'principal has team && principal.team == "red"')
    agent = question().agent
    assert engine.rule(text, question()).verdict is Verdict.ALLOW
    assert engine.rule(text, question(agent={**agent, "team": "red"})).verdict is Verdict.DENY
    assert engine.rule(text, question()).verdict is Verdict.ALLOW


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc"])
def test_a_time_zone_that_does_not_exist_denies(zone: str) -> None:
    assert grounds(ruled(PERMIT, zone=zone)) == [("engine", "error")]


def test_a_text_that_does_not_parse_denies() -> None:
    assert grounds(ruled("permit(")) == [("policy-set", "error")]


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)
)
def test_no_argument_whatever_is_allowed_past_a_forbid_on_everything(value: Json) -> None:
    text = PERMIT + forbid("no", "context.args.cents != 1 || context.args.cents == 1")
    assert ENGINE.rule(text, question({"cents": value})).verdict is Verdict.DENY


ENGINE = CedarEngine()
