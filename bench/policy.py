"""What policy alone costs: 20 policies without derived facts; an airline's writes with all their facts."""

import json
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

from adapters.policy.engine import CedarEngine
from application.policy import Question, RunView, ToolView
from bench.airline import THEN, ZONE, airline
from bench.airline_records import LOOKS, WRITES
from bench.measure import Row, quantile, staying_under
from domain.facts.extract import learn
from domain.facts.records import FactRecord, merged
from domain.facts.spec import FactSpec
from domain.kernel import Json, Source

ROUNDS, TIMES = 5, 2_000
POLICIES = 20
ARGUMENTS: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "service": {"type": "string", "maxLength": 60},
        "environment": {"type": "string", "enum": ["staging", "production"]},
        "replicas": {"type": "integer", "minimum": 0, "maximum": 10_000},
    },
    "required": ["service", "environment", "replicas"],
    "additionalProperties": False,
}


async def measure() -> list[Row]:
    """Rows `policy` and `policy-airline`, each the median of a ruling in microseconds."""
    return [plain(), written()]


def plain() -> Row:
    """Most policies look at the arguments, the others at the run, the agent and the hour."""
    engine, view, text = (
        CedarEngine(),
        ToolView("scale", "rollout", (), (), ARGUMENTS, FactSpec()),
        policies(),
    )
    engine.check_tool(view)
    engine.check(text, [view])
    asked = [
        question(view, {"service": f"shop-{number % 7}", "environment": "staging", "replicas": number % 50})
        for number in range(TIMES)
    ]
    assert all(engine.rule(text, one).verdict == "allow" for one in asked[:50]), "nothing here forbids them"
    rounds = [quantile(timed(engine, text, asked), 0.5) for _ in range(ROUNDS)]
    return staying_under("policy", rounds, "us (p50)", 60)


def policies() -> str:
    """20 policies on one tool, in words of our own."""
    texts = ['@id("may-scale") permit(principal, action == Action::"scale", resource);']
    conditions = [
        'context.args.environment == "production" && context.args.replicas > 200',
        'context.run.labels.contains("personal")',
        'principal.discipline == "support"',
        "context.run.times_failed > 3",
        *(f'context.args.service == "frozen-{number}"' for number in range(8)),
        *(
            f'context.args.service like "billing-{number}*" && context.args.replicas > 3'
            for number in range(7)
        ),
    ]
    for number, condition in enumerate(conditions):
        texts.append(
            f'@id("no-{number}") @reason("Not that.") '
            f'forbid(principal, action == Action::"scale", resource) when {{ {condition} }};'
        )
    assert len(texts) == POLICIES
    return "\n".join(texts)


def written() -> Row:
    """One write of each kind, by an agent that has looked at what it rests on."""
    engine = CedarEngine()
    text, tools = airline()
    known: dict[tuple[str, str], FactRecord] = {}
    for tool, arguments, output in LOOKS:
        for record in learn(tools[tool][0].facts, arguments, json.dumps(output), Source.TOOL):
            key = record.kind, record.key
            known[key] = merged(known.get(key), record)
    asked = [
        replace(question(tools[tool][1], arguments), known=known, now=THEN, zone=ZONE)
        for tool, arguments, _ in WRITES
    ]
    for (tool, _, verdict), one in zip(WRITES, asked, strict=True):
        assert engine.rule(text, one).verdict == verdict, tool
    repeated = asked * (TIMES // len(asked))
    rounds = [quantile(timed(engine, text, repeated), 0.5) for _ in range(ROUNDS)]
    return staying_under("policy-airline", rounds, "us (p50)", 500)


def timed(engine: CedarEngine, text: str, asked: list[Question]) -> list[float]:
    """Microseconds of each ruling."""
    took: list[float] = []
    for one in asked:
        begun = perf_counter_ns()
        engine.rule(text, one)
        took.append((perf_counter_ns() - begun) / 1_000)
    return took


def question(view: ToolView, arguments: Mapping[str, Any]) -> Question:
    """Whether an agent of operations may make a call, some way into its run."""
    run = RunView(
        id="run-1",
        labels=frozenset(),
        done={"run_checks": 2, "read_dashboard": 5},
        failed={"run_checks": 1},
        identical_done=0,
        identical_failed=0,
        sources=frozenset({"tool"}),
        purpose="Serve more visitors",
        recorded=False,
        started_at=THEN,
    )
    return Question(
        tenant="acme",
        agent_id="operator",
        agent={
            "discipline": "operations",
            "model": "any",
            "owner": "ada",
            "team": None,
            "prompt_version": "1",
        },
        roles=("agent",),
        principal="operator",
        on_behalf_of=None,
        tool=view,
        arguments=arguments,
        known={},
        run=run,
        now=THEN,
        zone="UTC",
    )
