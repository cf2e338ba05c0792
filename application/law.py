"""The law, kept in memory by following the log: what every decision rests on."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from immutables import Map

from application.policy import ToolView
from application.ports import Clock, EventLog, Recorded
from domain.agents.agent import Agent, agents
from domain.agents.agent import Standing as AgentStanding
from domain.kernel import Rejected, Role
from domain.policies.policy_set import PolicySets, policies
from domain.tenants.tenant import Tenant, tenants
from domain.tools.tool import Tool, tools

PAUSE = 0.01
"""Seconds between two reads of the log."""


class LawBehind(Rejected):
    """The rules in memory are older than they may be, so nothing is decided. Try again shortly."""

    kind = "unavailable"


@dataclass(frozen=True)
class TenantLaw:
    """What holds for one tenant, as of `position`, its newest law event."""

    position: int = 0
    tenant: Tenant | None = None
    agents: Map[str, Agent] = Map()
    tools: Map[str, Tool] = Map()
    views: Map[str, ToolView] = Map()
    policies: PolicySets = field(default_factory=PolicySets)

    def roles_of(self, principal: str) -> frozenset[Role]:
        """A member's granted roles; a registered agent that is not retired has the role `agent`."""
        granted = self.tenant.roles_of(principal) if self.tenant else frozenset[Role]()
        agent = self.agents.get(principal)
        if agent is not None and agent.standing is not AgentStanding.RETIRED:
            return granted | {Role.AGENT}
        return granted

    def after(self, recorded: Recorded) -> "TenantLaw":
        """What holds after one more law event."""
        stream, event, law = recorded.stream, recorded.event, replace(self, position=recorded.position)
        match stream.category:
            case "tenant":
                return replace(law, tenant=tenants.evolve(law.tenant, event))  # type: ignore[arg-type]
            case "agent":
                agent = agents.evolve(law.agents.get(stream.id), event)  # type: ignore[arg-type]
                return replace(law, agents=law.agents.set(stream.id, agent))
            case "tool":
                tool = tools.evolve(law.tools.get(stream.id), event)  # type: ignore[arg-type]
                view = view_of(stream.id, tool)
                return replace(
                    law, tools=law.tools.set(stream.id, tool), views=law.views.set(stream.id, view)
                )
            case _:
                return replace(law, policies=policies.evolve(law.policies, event))  # type: ignore[arg-type]


def view_of(name: str, tool: Tool) -> ToolView:
    """A tool as policies see it."""
    known = tool.registration
    return ToolView(
        name=name,
        risk=known.risk,
        reads=known.reads,
        sinks=known.sinks,
        arguments=known.arguments,
        facts=known.facts,
    )


NO_LAW = TenantLaw()

BATCH = 500


class LawBook:
    """Every tenant's law in memory, with the moment at which it was last known to be current."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        names: Sequence[str],
        *,
        bound: timedelta = timedelta(seconds=2),
    ) -> None:
        """`names` are those of all law events; `bound` is how old the memory may be."""
        self._log, self._clock, self._names, self._bound = log, clock, tuple(names), bound
        self._by_tenant: Map[str, TenantLaw] = Map()
        self._position = 0
        self._current_at: datetime | None = None
        self._reading = asyncio.Lock()

    @property
    def position(self) -> int:
        """The newest law event folded in."""
        return self._position

    def lag(self) -> timedelta | None:
        """How long ago the head of the log was last read; None before the first time."""
        return None if self._current_at is None else self._clock.now() - self._current_at

    def of(self, tenant: str) -> TenantLaw:
        """The tenant's law; raises LawBehind when memory may be older than the bound."""
        lag = self.lag()
        if lag is None or lag > self._bound:
            raise LawBehind(lag_seconds=None if lag is None else lag.total_seconds(), retry_after=1)
        return self._by_tenant.get(tenant, NO_LAW)

    def peek(self, tenant: str) -> TenantLaw:
        """The tenant's law, however old; for those who append under the fence of the log."""
        return self._by_tenant.get(tenant, NO_LAW)

    async def follow(self) -> None:
        """Follows the log for ever; cancel to stop."""
        async for batch in self._log.follow(self._position, names=self._names, batch=BATCH):
            self._learn(batch)
            if len(batch) < BATCH:  # a full batch says nothing of how far away the head is
                self._was_current(self._clock.now())
            # Every append wakes its followers, and few of them are law. The log's fence makes so short a
            # lag harmless to decisions.
            await asyncio.sleep(PAUSE)

    async def load(self) -> None:
        """Reads all law there is; call once before the first decision."""
        await self._read_on()

    async def catch_up(self, tenant: str, position: int) -> None:
        """Reads on until the tenant's law is at least as new as `position`."""
        if self.peek(tenant).position < position:
            await self._read_on()

    async def refresh(self, tenant: str) -> None:
        """Reads on if the log holds newer law of this tenant than memory does."""
        await self.catch_up(tenant, await self._log.law_head(tenant))

    async def _read_on(self) -> None:
        async with self._reading:
            while True:
                asked_at = self._clock.now()
                batch = await self._log.read(self._position, BATCH, names=self._names)
                self._learn(batch)
                if len(batch) < BATCH:
                    self._was_current(asked_at)
                    return

    def _was_current(self, at: datetime) -> None:
        # A slow reader that asked earlier does not make memory older than the follower knows it to be.
        self._current_at = at if self._current_at is None else max(at, self._current_at)

    def _learn(self, batch: Iterable[Recorded]) -> None:
        # The follower and a hurried reader may both bring an event: the second time it is passed over.
        for recorded in batch:
            if recorded.position <= self._position:
                continue
            tenant = recorded.stream.tenant
            law = self._by_tenant.get(tenant, NO_LAW).after(recorded)
            self._by_tenant = self._by_tenant.set(tenant, law)
            self._position = recorded.position
