"""A tenant's policy sets, each named by the digest of its text; at most one is active."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from immutables import Map

from domain.kernel import Decider
from domain.policies.commands import ActivatePolicySet, DraftPolicySet, PolicyCommand
from domain.policies.events import (
    PolicyEvent,
    PolicySetActivated,
    PolicySetDrafted,
    PolicySetSuperseded,
    PolicySetValidated,
)
from domain.policies.rejections import PolicySetUnknown
from domain.tables import Table


@dataclass(frozen=True)
class PolicySets:
    """The texts that were drafted, by digest, and which of them is in force."""

    texts: Table[str, str] = Map()
    active: str | None = None

    @property
    def text(self) -> str | None:
        """The Cedar text in force; without one nothing is allowed."""
        return self.texts[self.active] if self.active else None


def decide(command: PolicyCommand, sets: PolicySets | None) -> Sequence[PolicyEvent]:
    """The policy sets' answer to a command."""
    known = sets or PolicySets()
    match command:
        case DraftPolicySet():
            return draft(command, known)
        case ActivatePolicySet():
            return activate(command, known)
        case _:
            assert_never(command)


def draft(command: DraftPolicySet, sets: PolicySets) -> Sequence[PolicyEvent]:
    """Only validated texts are kept: a draft that does not parse never reaches this rule."""
    if command.digest in sets.texts:
        return []
    return [
        PolicySetDrafted(digest=command.digest, text=command.text, note=command.note),
        PolicySetValidated(digest=command.digest, engine=command.engine),
    ]


def activate(command: ActivatePolicySet, sets: PolicySets) -> Sequence[PolicyEvent]:
    """The set in force gives way in the same append."""
    if command.digest not in sets.texts:
        raise PolicySetUnknown(digest=command.digest)
    if sets.active == command.digest:
        return []
    validated = PolicySetValidated(digest=command.digest, engine=command.engine)
    activated = PolicySetActivated(digest=command.digest)
    if sets.active is None:
        return [validated, activated]
    return [validated, PolicySetSuperseded(digest=sets.active, by=command.digest), activated]


def evolve(sets: PolicySets | None, event: PolicyEvent) -> PolicySets:
    """What is true of the policy sets after one more event."""
    known = sets or PolicySets()
    match event:
        case PolicySetDrafted():
            return replace(known, texts=known.texts.set(event.digest, event.text))
        case PolicySetValidated():
            return known
        case PolicySetSuperseded():
            return replace(known, active=None)
        case PolicySetActivated():
            return replace(known, active=event.digest)
        case _:
            assert_never(event)


policies = Decider(category="policy-set", decide=decide, evolve=evolve, state=PolicySets)
