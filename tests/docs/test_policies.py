"""The rulings that the guides promise."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from adapters.policy.engine import CedarEngine
from application.policy import Question, Ruling, RunView, ToolView
from domain.facts.extract import learn
from domain.facts.records import FactRecord
from domain.kernel import Json, Source, Verdict
from tests.docs.blocks import blocks, tools_of

NOW = datetime(2026, 5, 15, 12, tzinfo=UTC)
SHOP, BOOKINGS = "docs/guides/policies.md", "docs/guides/facts.md"
Known = Mapping[tuple[str, str], FactRecord]


def tool_of(page: str, name: str) -> ToolView:
    return next(tool for tool in tools_of(page) if tool.name == name)


def ask(
    page: str,
    tool: str,
    arguments: Mapping[str, Json],
    *,
    labels: frozenset[str] = frozenset(),
    identical_done: int = 0,
    discipline: str = "support",
    known: Known | None = None,
) -> Ruling:
    """Puts one call to the page's policy set."""
    text = "\n".join(block.text for block in blocks("cedar", page=page))
    run = RunView(
        id="run-1", labels=labels, done={}, failed={}, identical_done=identical_done, identical_failed=0,
        sources=frozenset(), purpose="", recorded=False, started_at=NOW,
    )  # fmt: skip
    agent = {"discipline": discipline, "model": "m", "owner": "ann", "team": None, "prompt_version": ""}
    question = Question(
        tenant="acme", agent_id="desk", agent=agent, roles=("agent",), principal="desk", on_behalf_of=None,
        tool=tool_of(page, tool), arguments=arguments, known=known or {}, run=run, now=NOW, zone="UTC",
    )  # fmt: skip
    return CedarEngine().rule(text, question)


def refund(cents: int, *, identical_done: int = 0, discipline: str = "support") -> Ruling:
    arguments = {"order_id": "o-1", "amount_cents": cents}
    return ask(SHOP, "refund", arguments, identical_done=identical_done, discipline=discipline)


def mail(*labels: str) -> Ruling:
    return ask(SHOP, "send_mail", {"to": "ann@example.org", "body": "hello"}, labels=frozenset(labels))


def read() -> Ruling:
    return ask(SHOP, "read_customer", {"customer_id": "c-1"})


@pytest.mark.parametrize(
    ("ruling", "verdict", "by"),
    [
        (read(), Verdict.ALLOW, "reading"),
        (mail(), Verdict.ALLOW, "mail"),
        (mail("personal"), Verdict.DENY, "no-mail-after-personal-data"),
        (refund(5_000), Verdict.ALLOW, "refunds"),
        (refund(50_000), Verdict.ASK, "large-refunds"),
        (refund(50_000, identical_done=1), Verdict.DENY, "refunds-once"),
        (refund(5_000, discipline="sales"), Verdict.DENY, "default"),
    ],
)
def test_the_shop_rules_as_its_table_says(ruling: Ruling, verdict: Verdict, by: str) -> None:
    assert (ruling.verdict, [each.policy for each in ruling.determined]) == (verdict, [by])


def booking(source: Source = Source.TOOL, **fields: Json) -> Known:
    output: Json = {"booking_id": "B7", "insurance": False, "state": "held", "legs": [], **fields}
    facts = tool_of(BOOKINGS, "get_booking").facts
    return {(r.kind, r.key): r for r in learn(facts, {"booking_id": "B7"}, output, source)}


LONG_AGO, TODAY = "2026-05-01T08:00:00Z", "2026-05-15T08:00:00Z"


@pytest.mark.parametrize(
    ("known", "verdict", "by"),
    [
        ({}, Verdict.DENY, "read-it-first"),
        (booking(created_at=TODAY), Verdict.ALLOW, "cancelling"),
        (booking(created_at=LONG_AGO), Verdict.DENY, "default"),
        (booking(created_at=LONG_AGO, insurance=True), Verdict.ALLOW, "cancelling"),
        (
            booking(created_at=TODAY, legs=[{"departs_at": "2026-05-15T09:00:00Z"}]),
            Verdict.DENY,
            "already-flown",
        ),
        (booking(Source.AGENT, created_at=TODAY), Verdict.DENY, "not-on-hearsay"),
    ],
)
def test_bookings_are_cancelled_as_the_guide_says(known: Known, verdict: Verdict, by: str) -> None:
    ruling = ask(BOOKINGS, "cancel_booking", {"booking_id": "B7"}, known=known)
    assert (ruling.verdict, [each.policy for each in ruling.determined]) == (verdict, [by])
