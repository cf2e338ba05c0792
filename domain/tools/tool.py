"""A tool is what an agent may call, under the registration that stands now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from domain.kernel import Decider
from domain.tools.commands import (
    ReclassifyTool,
    RegisterTool,
    ReinstateTool,
    RetireTool,
    SuspendTool,
    ToolCommand,
)
from domain.tools.events import (
    ToolEvent,
    ToolReclassified,
    ToolRegistered,
    ToolReinstated,
    ToolRetired,
    ToolSuspended,
)
from domain.tools.registration import Registration
from domain.tools.rejections import ToolExists, ToolIsRetired, ToolUnknown


class Standing(StrEnum):
    """Whether a tool may be called."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


@dataclass(frozen=True)
class Tool:
    """What a tool's history adds up to. `edition` counts its registrations from 1."""

    registration: Registration
    edition: int = 1
    standing: Standing = Standing.ACTIVE
    reason: str = ""


def decide(command: ToolCommand, tool: Tool | None) -> Sequence[ToolEvent]:
    """The registration's answer to a command."""
    if isinstance(command, RegisterTool):
        return register(command, tool)
    if tool is None:
        raise ToolUnknown
    if tool.standing is Standing.RETIRED:
        if isinstance(command, RetireTool):
            return []
        raise ToolIsRetired
    match command:
        case ReclassifyTool():
            same = command.registration == tool.registration
            return [] if same else [ToolReclassified(registration=command.registration)]
        case SuspendTool():
            return [] if tool.standing is Standing.SUSPENDED else [ToolSuspended(reason=command.reason)]
        case ReinstateTool():
            return [] if tool.standing is Standing.ACTIVE else [ToolReinstated(reason=command.reason)]
        case RetireTool():
            return [ToolRetired(reason=command.reason)]
        case _:
            assert_never(command)


def register(command: RegisterTool, tool: Tool | None) -> Sequence[ToolEvent]:
    """A name is registered once."""
    if tool is None:
        return [ToolRegistered(registration=command.registration)]
    if tool.standing is Standing.RETIRED:
        raise ToolIsRetired
    if tool.registration == command.registration:
        return []
    raise ToolExists


def evolve(tool: Tool | None, event: ToolEvent) -> Tool:
    """What is true of the tool after one more event."""
    if isinstance(event, ToolRegistered):
        return Tool(registration=event.registration)
    assert tool is not None, "a tool's first event registers it"
    match event:
        case ToolReclassified():
            return replace(tool, registration=event.registration, edition=tool.edition + 1)
        case ToolSuspended():
            return replace(tool, standing=Standing.SUSPENDED, reason=event.reason)
        case ToolReinstated():
            return replace(tool, standing=Standing.ACTIVE, reason=event.reason)
        case ToolRetired():
            return replace(tool, standing=Standing.RETIRED, reason=event.reason)
        case _:
            assert_never(event)


tools = Decider(category="tool", decide=decide, evolve=evolve, state=Tool)
