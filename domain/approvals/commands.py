"""What can be asked of an approval."""

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import Field

from domain.approvals.events import AskedFor
from domain.kernel import Command, Id, Instant, Json, Name, Personal, Text


class RequestApproval(Command):
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
    marks: tuple[Personal, ...] = Field(default=(), repr=False)


class GrantApproval(Command):
    """`saw` is the digest of the action the approver was shown; it must be the one waiting."""

    approver: Id
    roles: tuple[Name, ...]
    saw: str
    now: Instant
    note: Text = ""


class RejectApproval(Command):
    approver: Id
    roles: tuple[Name, ...]
    now: Instant
    reason: Text = ""


class ConsumeApproval(Command):
    """Uses the approval for the action of this digest, under this policy set."""

    call_id: Id
    action_digest: str
    policy_set: str
    now: Instant


class RetireApproval(Command):
    """Says that the law no longer asks for it."""

    reason: Text


ApprovalCommand: TypeAlias = (
    RequestApproval | GrantApproval | RejectApproval | ConsumeApproval | RetireApproval
)
