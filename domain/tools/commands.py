"""What can be asked of a tool's registration."""

from typing import TypeAlias

from domain.kernel import Command, Text
from domain.tools.registration import Registration


class RegisterTool(Command):
    """Registering again with the same particulars changes nothing; with others it is refused."""

    registration: Registration


class ReclassifyTool(Command):
    """Replaces the registration; calls already decided keep what they were decided on."""

    registration: Registration


class SuspendTool(Command):
    reason: Text


class ReinstateTool(Command):
    reason: Text


class RetireTool(Command):
    reason: Text


ToolCommand: TypeAlias = RegisterTool | ReclassifyTool | SuspendTool | ReinstateTool | RetireTool
