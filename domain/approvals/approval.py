"""An approval is people's consent to one exact action; it is used once or not at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from immutables import Map

from domain.approvals.commands import (
    ApprovalCommand,
    ConsumeApproval,
    GrantApproval,
    RejectApproval,
    RequestApproval,
    RetireApproval,
)
from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalEvent,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalGrantedBy,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalWentStale,
    AskedFor,
)
from domain.approvals.rejections import (
    ApprovalIsExpired,
    ApprovalIsStale,
    ApprovalNotGranted,
    ApprovalNotWaiting,
    ApprovalUnknown,
    FourEyes,
    NotWhatWasShown,
    WrongRole,
)
from domain.kernel import Decider
from domain.tables import Table


class Standing(StrEnum):
    """Where an approval has got to."""

    WAITING = "waiting"
    GRANTED = "granted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CONSUMED = "consumed"
    STALE = "stale"


@dataclass(frozen=True)
class Approval:
    """What an approval's history adds up to; `voices` are the grants so far, by approver."""

    run_id: str
    call_id: str
    action_digest: str
    policy_set: str
    asks: tuple[AskedFor, ...]
    barred: frozenset[str]
    standing: Standing = Standing.WAITING
    voices: Table[str, tuple[str, ...]] = Map()
    rejected_by: str | None = None

    @property
    def deadline(self) -> str:
        """The earliest moment at which one of its conditions can no longer be met."""
        return min(ask.expires_at for ask in self.asks)

    def satisfied_by(self, voices: Map[str, tuple[str, ...]]) -> bool:
        """Whether every condition has its quorum; one person may count for several conditions."""
        return all(_heard(ask.role, voices) >= ask.quorum for ask in self.asks)

    def covers(self, conditions: Iterable[tuple[str, int]]) -> bool:
        """Whether the consent given meets these roles and quorums too: what is asked for may have grown."""
        return all(_heard(role, self.voices) >= quorum for role, quorum in conditions)


def _heard(role: str, voices: Map[str, tuple[str, ...]]) -> int:
    return sum(role in roles for roles in voices.values())


def decide(command: ApprovalCommand, approval: Approval | None) -> Sequence[ApprovalEvent]:
    """The approval's answer to a command."""
    if isinstance(command, RequestApproval):
        return [] if approval else [ApprovalRequested(**dict(command))]
    if approval is None:
        raise ApprovalUnknown
    match command:
        case GrantApproval():
            return grant(command, approval)
        case RejectApproval():
            return reject(command, approval)
        case ConsumeApproval():
            return consume(command, approval)
        case RetireApproval():
            still_usable = approval.standing in (Standing.WAITING, Standing.GRANTED)
            return [ApprovalWentStale(reason=command.reason)] if still_usable else []
        case _:
            assert_never(command)


def grant(command: GrantApproval, approval: Approval) -> Sequence[ApprovalEvent]:
    """One voice a person; the last one needed grants."""
    if command.approver in approval.voices:
        return []
    _must_be_open_to(command.approver, command.roles, approval)
    _must_be_in_time(command.now, approval)
    if command.saw != approval.action_digest:
        raise NotWhatWasShown(shown=command.saw, waiting=approval.action_digest)
    voice = ApprovalGrantedBy(
        approver=command.approver, roles=command.roles, saw=command.saw, note=command.note
    )
    voices = approval.voices.set(command.approver, command.roles)
    return [voice, ApprovalGranted()] if approval.satisfied_by(voices) else [voice]


def reject(command: RejectApproval, approval: Approval) -> Sequence[ApprovalEvent]:
    """One no from somebody entitled to say yes is enough."""
    if approval.rejected_by == command.approver:
        return []
    _must_be_open_to(command.approver, command.roles, approval)
    _must_be_in_time(command.now, approval)
    return [ApprovalRejected(approver=command.approver, reason=command.reason)]


def consume(command: ConsumeApproval, approval: Approval) -> Sequence[ApprovalEvent]:
    """Only for the very action, under the very policy set, that was consented to."""
    if approval.standing is Standing.STALE or command.policy_set != approval.policy_set:
        raise ApprovalIsStale(policy_set=approval.policy_set)
    if approval.standing is not Standing.GRANTED:
        raise ApprovalNotGranted(standing=approval.standing.value)
    _must_be_in_time(command.now, approval)
    if (command.call_id, command.action_digest) != (approval.call_id, approval.action_digest):
        raise NotWhatWasShown(asked=command.action_digest, approved=approval.action_digest)
    return [ApprovalConsumed(call_id=command.call_id)]


def evolve(approval: Approval | None, event: ApprovalEvent) -> Approval:
    """What is true of the approval after one more event."""
    if isinstance(event, ApprovalRequested):
        return Approval(
            run_id=event.run_id,
            call_id=event.call_id,
            action_digest=event.action_digest,
            policy_set=event.policy_set,
            asks=event.asks,
            barred=frozenset(event.barred),
        )
    assert approval is not None, "an approval's first event requests it"
    match event:
        case ApprovalGrantedBy():
            return replace(approval, voices=approval.voices.set(event.approver, event.roles))
        case ApprovalGranted():
            return replace(approval, standing=Standing.GRANTED)
        case ApprovalRejected():
            return replace(approval, standing=Standing.REJECTED, rejected_by=event.approver)
        case ApprovalExpired():
            return replace(approval, standing=Standing.EXPIRED)
        case ApprovalConsumed():
            return replace(approval, standing=Standing.CONSUMED)
        case ApprovalWentStale():
            return replace(approval, standing=Standing.STALE)
        case _:
            assert_never(event)


def _must_be_open_to(approver: str, roles: Sequence[str], approval: Approval) -> None:
    if approval.standing is not Standing.WAITING:
        raise ApprovalNotWaiting(standing=approval.standing.value)
    if approver in approval.barred:
        raise FourEyes(approver=approver)
    wanted = {ask.role for ask in approval.asks}
    if not wanted.intersection(roles):
        raise WrongRole(wanted=sorted(wanted), yours=sorted(roles))


def _must_be_in_time(now: str, approval: Approval) -> None:
    if now >= approval.deadline:
        raise ApprovalIsExpired(deadline=approval.deadline)


approvals = Decider(category="approval", decide=decide, evolve=evolve, state=Approval)
