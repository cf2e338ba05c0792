"""Approvals that wait for people: what is to be approved, by whom, by when, and what became of it."""

from collections.abc import Iterable

from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalGrantedBy,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalWentStale,
)
from domain.kernel import instant
from domain.record import Recorded
from projections.changes import Add, Change, Delete, Put, ReadModel, Table

FOLLOWS = (
    "approval.requested",
    "approval.granted-by",
    "approval.granted",
    "approval.rejected",
    "approval.expired",
    "approval.consumed",
    "approval.went-stale",
)


def project(recorded: Recorded) -> Iterable[Change]:
    """A settled approval leaves the waiting ones; as of an earlier position it still waits."""
    approval_id, event = recorded.stream.id, recorded.event
    match event:
        case ApprovalRequested():
            yield _waiting(approval_id, event, instant(recorded.context.at))
            yield _step(recorded, "requested", event.requested_by)
        case ApprovalGrantedBy():
            yield _step(recorded, "granted-by", event.approver, event.note)
        case ApprovalGranted():
            yield Delete("approvals_waiting", (approval_id,))
            yield _step(recorded, "granted", recorded.context.actor)
        case ApprovalRejected():
            yield Delete("approvals_waiting", (approval_id,))
            yield _step(recorded, "rejected", event.approver, event.reason)
        case ApprovalExpired():
            yield Delete("approvals_waiting", (approval_id,))
            yield _step(recorded, "expired", recorded.context.actor)
        case ApprovalWentStale():
            yield Delete("approvals_waiting", (approval_id,))
            yield _step(recorded, "stale", recorded.context.actor, event.reason)
        case ApprovalConsumed():
            yield _step(recorded, "consumed", recorded.context.actor)
        case _:
            return


def _waiting(approval_id: str, event: ApprovalRequested, requested_at: str) -> Change:
    return Put(
        "approvals_waiting",
        (approval_id,),
        {
            "approval_id": approval_id,
            "run_id": event.run_id,
            "call_id": event.call_id,
            "tool": event.tool,
            "arguments": event.arguments,
            "action_digest": event.action_digest,
            "policy_set": event.policy_set,
            "asks": [ask.model_dump() for ask in event.asks],
            "roles": sorted({ask.role for ask in event.asks}),
            "deadline": min(ask.expires_at for ask in event.asks),
            "agent_id": event.agent_id,
            "requested_by": event.requested_by,
            "barred": event.barred,
            "requested_at": requested_at,
        },
    )


def _step(recorded: Recorded, step: str, who: str, note: str = "") -> Change:
    return Add(
        "approval_steps",
        {
            "approval_id": recorded.stream.id,
            "step": step,
            "who": who,
            "note": note,
            "at": instant(recorded.context.at),
        },
    )


approvals = ReadModel(
    name="approvals",
    version=1,
    follows=FOLLOWS,
    tables=(Table("approvals_waiting", key=("approval_id",)), Table("approval_steps")),
    project=project,
)
