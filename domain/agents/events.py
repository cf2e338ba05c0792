"""What can happen to an agent's registration."""

from typing import TypeAlias

from domain.kernel import Event, Id, Name, Text


class AgentRegistered(Event):
    discipline: Name
    model: Text
    owner: Id
    prompt_version: Text
    team: Name | None


class AgentUpdated(Event):
    discipline: Name
    model: Text
    owner: Id
    prompt_version: Text
    team: Name | None


class AgentSuspended(Event):
    reason: Text


class AgentReinstated(Event):
    reason: Text


class AgentRetired(Event):
    reason: Text


AgentEvent: TypeAlias = AgentRegistered | AgentUpdated | AgentSuspended | AgentReinstated | AgentRetired
