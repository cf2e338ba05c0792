"""An agent is registered software that acts; suspended it is refused, retired it is gone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from domain.agents.commands import (
    AgentCommand,
    RegisterAgent,
    ReinstateAgent,
    RetireAgent,
    SuspendAgent,
    UpdateAgent,
)
from domain.agents.events import (
    AgentEvent,
    AgentRegistered,
    AgentReinstated,
    AgentRetired,
    AgentSuspended,
    AgentUpdated,
)
from domain.agents.rejections import AgentExists, AgentIsRetired, AgentUnknown
from domain.kernel import Decider


class Standing(StrEnum):
    """Whether an agent may act."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


@dataclass(frozen=True)
class Agent:
    """What an agent's history adds up to; `reason` says why it stands as it does."""

    discipline: str
    model: str
    owner: str
    prompt_version: str
    team: str | None
    standing: Standing = Standing.ACTIVE
    reason: str = ""


def decide(command: AgentCommand, agent: Agent | None) -> Sequence[AgentEvent]:
    """The registration's answer to a command."""
    if isinstance(command, RegisterAgent):
        return register(command, agent)
    if agent is None:
        raise AgentUnknown
    if agent.standing is Standing.RETIRED:
        if isinstance(command, RetireAgent):
            return []
        raise AgentIsRetired
    match command:
        case UpdateAgent():
            changed = AgentUpdated(**command.model_dump())
            return [] if _particulars(changed) == _of(agent) else [changed]
        case SuspendAgent():
            return [] if agent.standing is Standing.SUSPENDED else [AgentSuspended(reason=command.reason)]
        case ReinstateAgent():
            return [] if agent.standing is Standing.ACTIVE else [AgentReinstated(reason=command.reason)]
        case RetireAgent():
            return [AgentRetired(reason=command.reason)]
        case _:
            assert_never(command)


def register(command: RegisterAgent, agent: Agent | None) -> Sequence[AgentEvent]:
    """An id is registered once."""
    registered = AgentRegistered(**command.model_dump())
    if agent is None:
        return [registered]
    if agent.standing is Standing.RETIRED:
        raise AgentIsRetired
    if _particulars(registered) == _of(agent):
        return []
    raise AgentExists


def evolve(agent: Agent | None, event: AgentEvent) -> Agent:
    """What is true of the agent after one more event."""
    if isinstance(event, AgentRegistered):
        return Agent(*_particulars(event))
    assert agent is not None, "an agent's first event registers it"
    match event:
        case AgentUpdated():
            return Agent(*_particulars(event), standing=agent.standing, reason=agent.reason)
        case AgentSuspended():
            return replace(agent, standing=Standing.SUSPENDED, reason=event.reason)
        case AgentReinstated():
            return replace(agent, standing=Standing.ACTIVE, reason=event.reason)
        case AgentRetired():
            return replace(agent, standing=Standing.RETIRED, reason=event.reason)
        case _:
            assert_never(event)


def _particulars(event: AgentRegistered | AgentUpdated) -> tuple[str, str, str, str, str | None]:
    return event.discipline, event.model, event.owner, event.prompt_version, event.team


def _of(agent: Agent) -> tuple[str, str, str, str, str | None]:
    return agent.discipline, agent.model, agent.owner, agent.prompt_version, agent.team


agents = Decider(category="agent", decide=decide, evolve=evolve, state=Agent)
