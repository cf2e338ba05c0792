"""A founded tenant with people, an agent, tools and a policy, served by any number of workers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapters.clock import FixedClock
from adapters.digests import JsonDigests
from adapters.event_store.log import StoredEventLog
from adapters.event_store.memory import MemoryStorage
from adapters.event_store.vocabulary import VOCABULARY
from adapters.keys.master import MasterKey
from application.access import Caller
from application.approvals import Consented, grant
from application.desk import Desk
from application.handle import Handled, Handler
from application.law import LawBook
from application.lines import Lines
from application.ports import Context, EventLog, StreamId
from application.registries import activate_policies, draft_policies, keep_tool
from application.runs import Beginning, start_run
from application.tool_calls.answers import Decided, Settled
from application.tool_calls.execute import dispatch, settle
from application.tool_calls.outcomes import Outcome, Status
from application.tool_calls.propose import Proposal, propose
from domain.agents.agent import agents
from domain.agents.commands import AgentCommand, RegisterAgent
from domain.approvals.approval import approvals
from domain.approvals.events import ApprovalEvent
from domain.kernel import Json, Role, Source
from domain.runs.decider import runs
from domain.runs.events import RunEvent
from domain.runs.run import Run
from domain.tenants.commands import AddMember, FoundTenant, GrantRole, TenantCommand
from domain.tenants.tenant import tenants
from domain.tools.commands import RegisterTool, ToolCommand
from domain.tools.registration import Registration
from domain.tools.tool import tools
from tests.application.doubles import ScriptedPolicy

TENANT = "acme"
WHO = {
    "ada": Role.ADMIN,
    "gate": Role.OPERATOR,
    "owen": Role.APPROVER,
    "bob": Role.APPROVER,
    "cyd": Role.APPROVER,
    "aud": Role.AUDITOR,
}
"""Members by name; owen owns the agent `a1`."""


@dataclass(frozen=True)
class Worker:
    """One process: its own memory of states and law over the one log."""

    desk: Desk
    handler: Handler


@dataclass
class World:
    """What all workers share, and the words that stories are told with."""

    clock: FixedClock
    policy: ScriptedPolicy
    log_for_one_more: Callable[[], EventLog]
    name: str = TENANT
    """The tenant's; stories over one lasting log each have a tenant of their own."""
    workers: list[Worker] = field(default_factory=list[Worker])

    def hire(self) -> Worker:
        """One more worker, which knows no law before it has read it."""
        log, lines = self.log_for_one_more(), Lines()
        law = LawBook(log, self.clock, VOCABULARY.law_names)
        desk = Desk(log, lines, law, self.policy, self.clock, JsonDigests())
        worker = Worker(desk, Handler(log, lines))
        self.workers.append(worker)
        return worker

    @property
    def first(self) -> Worker:
        return self.workers[0]

    @property
    def desk(self) -> Desk:
        return self.first.desk

    @property
    def handler(self) -> Handler:
        return self.first.handler

    @property
    def log(self) -> EventLog:
        return self.first.desk.log

    def caller(self, who: str, *more: Role) -> Caller:
        """A member as the guard at the door would hand it in."""
        return replace(caller(who, *more), tenant=self.name)

    def context(self, actor: str = "gate") -> Context:
        return Context(actor=actor, at=self.clock.now(), correlation_id="story")

    async def tenant(self, *commands: TenantCommand, by: Worker | None = None) -> None:
        for command in commands:
            stream = StreamId(self.name, tenants.category, self.name)
            await (by or self.first).handler.handle(tenants, stream, command, self.context("ada"))

    async def agent(self, name: str, *commands: AgentCommand, by: Worker | None = None) -> None:
        for command in commands:
            stream = StreamId(self.name, agents.category, name)
            await (by or self.first).handler.handle(agents, stream, command, self.context("ada"))

    async def tool(self, name: str, *commands: ToolCommand, by: Worker | None = None) -> None:
        for command in commands:
            stream = StreamId(self.name, tools.category, name)
            await (by or self.first).handler.handle(tools, stream, command, self.context("ada"))

    async def register(self, name: str, registration: Registration, by: Worker | None = None) -> None:
        worker = by or self.first
        command = RegisterTool(registration=registration)
        await keep_tool(worker.desk, worker.handler, self.name, name, command, self.context("ada"))

    async def activate(self, text: str, by: Worker | None = None) -> str:
        worker = by or self.first
        context = self.context("ada")
        digest, _ = await draft_policies(worker.desk, worker.handler, self.name, text, "", context)
        await activate_policies(worker.desk, worker.handler, self.name, digest, context)
        return digest

    async def start(self, run: str = "r1", by: Worker | None = None, **beginning: object) -> Handled[Run]:
        worker = by or self.first
        begun = Beginning(run_id=run, **{"agent_id": "a1", **beginning})  # type: ignore[arg-type]
        return await start_run(worker.desk, worker.handler, self.caller("gate"), begun, self.context())

    async def propose(
        self,
        call: str = "c1",
        tool: str = "mail",
        *,
        run: str = "r1",
        who: Caller | None = None,
        at: datetime | None = None,
        by: Worker | None = None,
        **arguments: Json,
    ) -> Decided:
        proposal = Proposal(run, call, tool, arguments, at)
        return await propose((by or self.first).desk, who or self.caller("gate"), proposal, self.context())

    async def grant(
        self, approval: str | None, saw: str, who: str = "bob", by: Worker | None = None
    ) -> Consented:
        assert approval is not None
        worker = by or self.first
        return await grant(
            worker.desk, worker.handler, self.caller(who), approval, saw, "", self.context(who)
        )

    async def dispatch(
        self, call: str = "c1", *, who: Caller | None = None, by: Worker | None = None
    ) -> Settled:
        return await dispatch((by or self.first).desk, who or self.caller("gate"), "r1", call, self.context())

    async def settle(
        self,
        call: str = "c1",
        status: Status = Status.CONFIRMED,
        output: Json = None,
        *,
        source: Source | None = None,
        who: Caller | None = None,
        by: Worker | None = None,
    ) -> Settled:
        outcome = Outcome(status, output, "what went wrong", source)
        return await settle(
            (by or self.first).desk, who or self.caller("gate"), "r1", call, outcome, self.context()
        )

    async def run(self, run: str = "r1") -> Run:
        known = await self.log.recall(runs, StreamId(self.name, runs.category, run), fresh=True)
        assert known.state is not None
        return known.state

    async def told(self, run: str = "r1") -> list[RunEvent]:
        """The run's history."""
        recorded = await self.log.stream(StreamId(self.name, runs.category, run))
        return [each.event for each in recorded]  # type: ignore[misc]

    async def consents(self, approval: str | None) -> list[ApprovalEvent]:
        """The approval's history."""
        assert approval is not None
        recorded = await self.log.stream(StreamId(self.name, approvals.category, approval))
        return [each.event for each in recorded]  # type: ignore[misc]


def caller(who: str, *more: Role) -> Caller:
    """A member of the usual tenant."""
    role = WHO.get(who, Role.AGENT)
    return Caller(TENANT, who, frozenset({role, *more}))


def blank() -> World:
    """Nobody there yet."""
    clock, master = FixedClock(), MasterKey.fresh()
    storage = MemoryStorage(frozenset(VOCABULARY.law_names), clock)
    return World(clock, ScriptedPolicy(), lambda: StoredEventLog(storage, clock, master))


async def founded(world: World | None = None, policy: str | None = "allow") -> World:
    """The tenant with its people, the agents `a1` and `a2`, the tools `mail` and `look`; all is allowed."""
    known = world or blank()
    await known.hire().desk.law.load()
    await known.tenant(FoundTenant(name="Acme", zone="UTC", founder="ada", founder_name="Ada"))
    for who, role in WHO.items():
        await known.tenant(
            AddMember(principal=who, display_name=who.title()), GrantRole(principal=who, role=role)
        )
    for agent in ("a1", "a2"):
        await known.agent(agent, RegisterAgent(discipline="developer", model="m-1", owner="owen"))
    await known.register("mail", Registration(risk="send", arguments={}))
    await known.register("look", Registration(risk="read", arguments={}, reads=("personal",)))
    if policy is not None:
        await known.activate(policy)
    await known.desk.law.load()
    return known
