"""What can happen to a tenant's policy sets."""

from typing import Annotated, TypeAlias

from pydantic import StringConstraints

from domain.kernel import Event, Text

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 as 64 hex digits."""

Cedar = Annotated[str, StringConstraints(min_length=1, max_length=262_144)]
"""Cedar policy text."""


class PolicySetDrafted(Event):
    digest: Digest
    text: Cedar
    note: Text


class PolicySetValidated(Event):
    digest: Digest
    engine: Text


class PolicySetActivated(Event):
    digest: Digest


class PolicySetSuperseded(Event):
    digest: Digest
    by: Digest


PolicyEvent: TypeAlias = PolicySetDrafted | PolicySetValidated | PolicySetActivated | PolicySetSuperseded
