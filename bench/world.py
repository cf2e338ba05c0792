"""The example fleet's clerk at work: its tools, its policies, and the calls it makes."""

import json
from datetime import timedelta
from itertools import count
from pathlib import Path

from adapters.clock import SystemClock
from adapters.digests import JsonDigests
from adapters.event_store.vocabulary import VOCABULARY
from adapters.policy.engine import CedarEngine
from application.access import Caller
from application.desk import Desk
from application.handle import Handler
from application.law import LawBook
from application.lines import Lines
from application.ports import Context, EventLog, StreamId
from application.registries import activate_policies, draft_policies, keep_tool
from application.tool_calls.execute import settle
from application.tool_calls.outcomes import Outcome, Status
from application.tool_calls.propose import Proposal, propose
from domain.agents.agent import agents
from domain.agents.commands import RegisterAgent
from domain.kernel import Role, instant
from domain.runs.commands import StartRun
from domain.runs.decider import runs
from domain.tenants.commands import FoundTenant
from domain.tenants.tenant import tenants
from domain.tools.commands import RegisterTool
from domain.tools.registration import Registration

TENANT, AGENT, ORDER = "acme", "clerk", "B-1041"
FLEET = Path(__file__).parent.parent / "examples" / "fleet"
CALLER = Caller(TENANT, AGENT, frozenset({Role.AGENT}))

_numbers = count()


async def desk_on(log: EventLog) -> tuple[Desk, Handler]:
    """A desk over a log, with its law read."""
    clock = SystemClock()
    law = LawBook(log, clock, VOCABULARY.law_names, bound=timedelta(hours=1))
    desk = Desk(log, Lines(), law, CedarEngine(), clock, JsonDigests())
    await law.load()
    return desk, Handler(log, desk.lines)


async def settle_in(desk: Desk, handler: Handler) -> None:
    """Founds the tenant, registers the clerk and the fleet's tools, and activates the fleet's policies."""
    context = why(desk)
    found = FoundTenant(name="Acme", zone="UTC", founder="ada", founder_name="Ada")
    await handler.handle(tenants, StreamId(TENANT, tenants.category, TENANT), found, context)
    register = RegisterAgent(discipline="support", model="any", owner="ada")
    await handler.handle(agents, StreamId(TENANT, agents.category, AGENT), register, context)
    await desk.law.refresh(TENANT)
    for tool in json.loads((FLEET / "tools.json").read_text()):
        name = tool.pop("name")
        registration = Registration.model_validate_json(json.dumps(tool))
        await keep_tool(desk, handler, TENANT, name, RegisterTool(registration=registration), context)
        await desk.law.refresh(TENANT)
    policies = (FLEET / "policies.cedar").read_text()
    digest, _ = await draft_policies(desk, handler, TENANT, policies, "", context)
    await desk.law.refresh(TENANT)
    await activate_policies(desk, handler, TENANT, digest, context)
    await desk.law.refresh(TENANT)


async def start_run(desk: Desk, handler: Handler, run_id: str) -> None:
    """A live run of the clerk that has read the order it is about."""
    context = why(desk)
    start = StartRun(
        run_id=run_id,
        agent_id=AGENT,
        principal=AGENT,
        on_behalf_of=None,
        subject=None,
        purpose="Answer a customer",
        mode="live",
        started_at=instant(desk.clock.now()),
        salt=desk.clock.salt(),
    )
    await handler.handle(runs, StreamId(TENANT, runs.category, run_id), start, context)
    await propose(desk, CALLER, Proposal(run_id, "look", "read_order", {"order_id": ORDER}), context)
    order = {"order_id": ORDER, "paid_cents": 9_000, "refunded_cents": 0, "state": "delivered"}
    await settle(desk, CALLER, run_id, "look", Outcome(Status.CONFIRMED, order), context)


def next_call(run_id: str) -> Proposal:
    """One of the clerk's calls, never the same twice: a look, a search, a note, or a refund."""
    number = next(_numbers)
    tool, arguments = (
        ("read_order", {"order_id": f"B-{number}"}),
        ("search_tickets", {"words": f"parcel {number}"}),
        ("add_note", {"ticket_id": f"T-{number}", "text": "Asked the courier where the parcel is."}),
        ("refund", {"order_id": ORDER, "amount_cents": 1 + number % 12_000}),
    )[number % 4]
    return Proposal(run_id, f"c-{number}", tool, arguments)


def why(desk: Desk) -> Context:
    """The context of a benchmark's commands."""
    return Context(actor=AGENT, at=desk.clock.now(), correlation_id="bench")
