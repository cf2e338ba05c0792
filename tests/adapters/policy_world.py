"""A shop whose agent may refund orders: the registration and the questions that policy tests share."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from adapters.policy.engine import CedarEngine
from application.policy import Question, Ruling, RunView, ToolView
from domain.facts.records import FactRecord
from domain.facts.spec import FactSpec
from domain.kernel import Json, Source

NOW: Final = datetime(2024, 5, 15, 20, tzinfo=UTC)

ARGUMENTS: Final[Mapping[str, Json]] = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "cents": {"type": "integer"},
        "rate": {"type": "number"},
        "note": {"type": ["string", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        "anything": {},
    },
    "required": ["order", "cents"],
    "additionalProperties": False,
}

FACTS: Final[Mapping[str, Json]] = {
    "points_at": [
        {
            "name": "order",
            "kind": "order",
            "key": ["/order"],
            "types": {"paid": "long", "state": "string", "placed": "datetime", "weight": "decimal"},
        }
    ],
    "derives": [
        {
            "name": "left",
            "type": "long",
            "optional": True,
            "cel": "has(facts.order) && has(facts.order.paid) ? facts.order.paid - args.cents : null",
        },
        {"name": "overdrawn", "type": "bool", "cel": "has(derived.left) && derived.left < 0"},
    ],
}


def tool(name: str = "refund", **changes: Json) -> ToolView:
    """The tool `refund`, or one like it."""
    facts = FactSpec.model_validate_json(json.dumps(changes.pop("facts", FACTS)))
    arguments = changes.pop("arguments", ARGUMENTS)
    view = ToolView(name, "money", reads=(), sinks=(), arguments=arguments, facts=facts)
    return replace(view, **changes)


REFUND: Final = tool()

RUN: Final = RunView(
    id="run-1",
    labels=frozenset(),
    done={},
    failed={},
    identical_done=0,
    identical_failed=0,
    sources=frozenset(),
    purpose="serve",
    recorded=False,
    started_at=NOW,
)


def order(key: str = "o1", **fields: Json) -> dict[tuple[str, str], FactRecord]:
    """What is known of one order."""
    return {("order", key): FactRecord(kind="order", key=key, fields=fields, source=Source.TOOL)}


def question(arguments: Mapping[str, Json] | None = None, **changes: Json) -> Question:
    """Asks to refund 5 cents of order o1, or something like it."""
    run = replace(RUN, **changes.pop("run", {}))
    asked = Question(
        tenant="shop",
        agent_id="helper",
        agent={
            "discipline": "developer",
            "model": "m1",
            "owner": "olga",
            "team": None,
            "prompt_version": "3",
        },
        roles=("agent",),
        principal="helper",
        on_behalf_of=None,
        tool=REFUND,
        arguments={"order": "o1", "cents": 5, **(arguments or {})},
        known={},
        run=run,
        now=NOW,
        zone="America/New_York",
    )
    return replace(asked, **changes)


def ruled(text: str, arguments: Mapping[str, Json] | None = None, **changes: Json) -> Ruling:
    """What a fresh engine says."""
    return CedarEngine().rule(text, question(arguments, **changes))


def grounds(ruling: Ruling) -> list[tuple[str, str]]:
    """Policies with their effects."""
    return [(each.policy, each.effect) for each in ruling.determined]


PERMIT: Final = '@id("all") permit(principal, action in Action::"call", resource);\n'


def forbid(name: str, condition: str, annotations: str = "") -> str:
    """A forbid on every call under a condition."""
    return f'@id("{name}") {annotations} forbid(principal, action, resource) when {{ {condition} }};\n'
