"""What can be asked of an agent's registration."""

from typing import TypeAlias

from domain.kernel import Command, Id, Name, Text


class RegisterAgent(Command):
    """Registering again with the same particulars changes nothing; with others it is refused."""

    discipline: Name
    model: Text
    owner: Id
    prompt_version: Text = ""
    team: Name | None = None


class UpdateAgent(Command):
    discipline: Name
    model: Text
    owner: Id
    prompt_version: Text = ""
    team: Name | None = None


class SuspendAgent(Command):
    reason: Text


class ReinstateAgent(Command):
    reason: Text


class RetireAgent(Command):
    reason: Text


AgentCommand: TypeAlias = RegisterAgent | UpdateAgent | SuspendAgent | ReinstateAgent | RetireAgent
