"""What can be asked of a tenant's policy sets."""

from typing import TypeAlias

from domain.kernel import Command, Text
from domain.policies.events import Cedar, Digest


class DraftPolicySet(Command):
    """Keeps a text under its digest. `engine` says who validated it against the tools' schema."""

    digest: Digest
    text: Cedar
    engine: Text
    note: Text = ""


class ActivatePolicySet(Command):
    """Makes a validated set the active one. `engine` says who validated it against today's tools."""

    digest: Digest
    engine: Text


PolicyCommand: TypeAlias = DraftPolicySet | ActivatePolicySet
