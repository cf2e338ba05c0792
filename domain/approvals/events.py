"""What can happen to an approval."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pydantic import Field

from domain.kernel import Event, Id, Instant, Json, Message, Name, Personal, Text


class AskedFor(Message):
    """One condition of an approval: how many of which role, by when, and the policy that wants it."""

    policy: Text
    role: Name
    quorum: int = Field(ge=1, le=20)
    expires_at: Instant
    reason: Text


class ApprovalRequested(Event):
    """Bound to one action of one run under one policy set."""

    run_id: Id
    call_id: Id
    tool: Name
    arguments: Mapping[str, Json]
    action_digest: str
    policy_set: str
    asks: tuple[AskedFor, ...] = Field(min_length=1)
    agent_id: Id
    requested_by: Id
    barred: tuple[Id, ...]
    """Who may not approve: the run's principal, whom it acts for, whoever
    proposed the call, the agent and its owner."""
    marks: tuple[Personal, ...] = Field(default=(), exclude=True, repr=False)

    def personal(self) -> Iterable[Personal]:
        return self.marks


class ApprovalGrantedBy(Event):
    """One approver's voice. `saw` is the digest of the action they were shown."""

    approver: Id
    roles: tuple[Name, ...]
    saw: str
    note: Text


class ApprovalGranted(Event):
    pass


class ApprovalRejected(Event):
    approver: Id
    reason: Text


class ApprovalExpired(Event):
    at: Instant


class ApprovalConsumed(Event):
    """Used up, in the very append that released the call."""

    call_id: Id


class ApprovalWentStale(Event):
    """The law would not ask for it any more, so it can no longer be used."""

    reason: Text


ApprovalEvent: TypeAlias = (
    ApprovalRequested
    | ApprovalGrantedBy
    | ApprovalGranted
    | ApprovalRejected
    | ApprovalExpired
    | ApprovalConsumed
    | ApprovalWentStale
)
