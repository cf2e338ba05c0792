"""What can happen to a tool's registration."""

from typing import TypeAlias

from domain.kernel import Event, Text
from domain.tools.registration import Registration


class ToolRegistered(Event):
    registration: Registration


class ToolReclassified(Event):
    registration: Registration


class ToolSuspended(Event):
    reason: Text


class ToolReinstated(Event):
    reason: Text


class ToolRetired(Event):
    reason: Text


ToolEvent: TypeAlias = ToolRegistered | ToolReclassified | ToolSuspended | ToolReinstated | ToolRetired
