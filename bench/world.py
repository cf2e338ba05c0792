"""A small world to decide in: a tenant, an agent, a tool, twenty policies, and as many runs as callers."""

from datetime import timedelta

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
from domain.agents.agent import agents
from domain.agents.commands import RegisterAgent
from domain.kernel import Role, instant
from domain.runs.commands import StartRun
from domain.runs.decider import runs
from domain.tenants.commands import FoundTenant
from domain.tenants.tenant import tenants
from domain.tools.commands import RegisterTool
from domain.tools.registration import Registration

TENANT, AGENT, TOOL = "acme", "clerk", "refund"
CALLER = Caller(TENANT, AGENT, frozenset({Role.AGENT}))


def policies() -> str:
    """Twenty policies on one tool: one permits, nineteen forbid something else."""
    forbidden = "\n".join(
        f'@id("ceiling-{n}") @reason("No refund above {1000 + n} for a run labelled x{n}.")\n'
        f'forbid(principal, action == Action::"{TOOL}", resource)\n'
        f'when {{ context.args.amount > {1000 + n} && context.run.labels.contains("x{n}") }};'
        for n in range(19)
    )
    permitted = (
        f'@id("small") permit(principal, action == Action::"{TOOL}", resource)\n'
        "when { context.args.amount <= 100 };"
    )
    return f"{permitted}\n{forbidden}\n"


def registration() -> Registration:
    """A refund of an order."""
    return Registration(
        description="Pays money back for an order.",
        arguments={
            "type": "object",
            "properties": {"order": {"type": "string"}, "amount": {"type": "integer"}},
            "required": ["order", "amount"],
            "additionalProperties": False,
        },
    )


async def desk_on(log: EventLog) -> tuple[Desk, Handler]:
    """A desk over a log, with its law read."""
    clock = SystemClock()
    law = LawBook(log, clock, VOCABULARY.law_names, bound=timedelta(hours=1))
    desk = Desk(log, Lines(), law, CedarEngine(), clock, JsonDigests())
    await law.load()
    return desk, Handler(log, desk.lines)


async def settle_in(desk: Desk, handler: Handler) -> None:
    """Founds the tenant, registers its agent and tool, and puts the policies in force."""
    context = why(desk)
    found = FoundTenant(name="Acme", zone="UTC", founder="ada", founder_name="Ada")
    await handler.handle(tenants, StreamId(TENANT, tenants.category, TENANT), found, context)
    register = RegisterAgent(discipline="support", model="any", owner="ada")
    await handler.handle(agents, StreamId(TENANT, agents.category, AGENT), register, context)
    await desk.law.refresh(TENANT)
    await keep_tool(desk, handler, TENANT, TOOL, RegisterTool(registration=registration()), context)
    await desk.law.refresh(TENANT)
    digest, _ = await draft_policies(desk, handler, TENANT, policies(), "", context)
    await desk.law.refresh(TENANT)
    await activate_policies(desk, handler, TENANT, digest, context)
    await desk.law.refresh(TENANT)


async def start_run(desk: Desk, handler: Handler, run_id: str) -> None:
    """One live run of the agent."""
    start = StartRun(
        run_id=run_id,
        agent_id=AGENT,
        principal=AGENT,
        on_behalf_of=None,
        subject=None,
        purpose="",
        mode="live",
        started_at=instant(desk.clock.now()),
        salt=desk.clock.salt(),
    )
    await handler.handle(runs, StreamId(TENANT, runs.category, run_id), start, why(desk))


def why(desk: Desk) -> Context:
    """The context of a benchmark's commands."""
    return Context(actor=AGENT, at=desk.clock.now(), correlation_id="bench")
