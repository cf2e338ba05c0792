"""A run's history in words that a person understands, a line for every event."""

from collections.abc import Mapping
from typing import TypeAlias

from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalGrantedBy,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalWentStale,
)
from domain.kernel import Event, Json, Verdict, instant
from domain.record import Recorded
from domain.runs.events import (
    Determination,
    ModelCallRecorded,
    ProgressReported,
    RunCancelled,
    RunCompleted,
    RunEscalated,
    RunFailed,
    RunPaused,
    RunResumed,
    RunStarted,
    ToolCallConfirmed,
    ToolCallDecided,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallProposed,
    ToolCallReleased,
)
from projections.decisions import determinations

Said: TypeAlias = tuple[str, Mapping[str, Json]] | None
"""What happened in words, and in detail; personal places of the detail stay where the event has them."""

_VERDICTS = {Verdict.ALLOW: "Allowed", Verdict.ASK: "Asked for approval", Verdict.DENY: "Denied"}


def line(recorded: Recorded) -> Mapping[str, Json] | None:
    """The event's line; None for an event that tells nothing of a run."""
    event = recorded.event
    said = _of_run(event) or _of_call(event) or _of_approval(event)
    if said is None:
        return None
    approval = recorded.stream.category == "approval"
    run_id = event.run_id if isinstance(event, ApprovalRequested) else recorded.stream.id
    return {
        # An approval's later events do not name its run: the line of its request does.
        "run_id": None if approval and not isinstance(event, ApprovalRequested) else run_id,
        "approval_id": recorded.stream.id if approval else None,
        "call_id": getattr(event, "call_id", None),
        "verdict": event.verdict.value if isinstance(event, ToolCallDecided) else None,
        "cost": event.cost if isinstance(event, ModelCallRecorded) else None,
        "name": recorded.name,
        "version": recorded.version,
        "at": instant(recorded.context.at),
        "actor": recorded.context.actor,
        "what": said[0],
        "detail": said[1],
    }


def _of_run(event: Event) -> Said:
    match event:
        case RunStarted():
            # The salt stays out: it keeps action digests from being guessed.
            told = event.model_dump(mode="json", exclude={"salt", "run_id", "started_at"})
            return _because(f"{event.agent_id} started", event.purpose), told
        case ProgressReported():
            done = "" if event.percent is None else f" ({event.percent} %)"
            return f"{event.note}{done}", {"note": event.note, "percent": event.percent}
        case ModelCallRecorded():
            tokens = event.input_tokens + event.output_tokens
            return f"Called the model {event.model}: {tokens} tokens", event.model_dump(mode="json")
        case RunPaused():
            return _because("Paused", event.reason), {"reason": event.reason}
        case RunResumed():
            return _because("Resumed", event.reason), {"reason": event.reason}
        case RunCompleted():
            return _because("Completed", event.result), {"result": event.result}
        case RunFailed():
            return _because("Failed", event.reason), {"reason": event.reason}
        case RunCancelled():
            return _because("Cancelled", event.reason), {"reason": event.reason}
        case RunEscalated():
            return _because("Handed over to a person", event.reason), {"reason": event.reason}
        case _:
            return None


def _of_call(event: Event) -> Said:
    match event:
        case ToolCallProposed():
            return f"Proposed {event.tool}", {"tool": event.tool, "arguments": event.arguments}
        case ToolCallDecided():
            return _because(_VERDICTS[event.verdict], _reasons(event.determined)), {
                "determined": determinations(event.determined),
                "approval_id": event.approval_id,
                "expires_at": event.expires_at,
                "action_digest": event.action_digest,
                "seen": event.seen.model_dump(mode="json"),
            }
        case ToolCallReleased():
            return "Released after consent", {
                "determined": determinations(event.determined),
                "approval_id": event.approval_id,
                "expires_at": event.expires_at,
                "seen": event.seen.model_dump(mode="json"),
            }
        case ToolCallDispatched():
            return "Sent to the tool", {"implied": event.implied}
        case ToolCallConfirmed():
            return f"Done, says the {event.source.value}", event.model_dump(mode="json", exclude={"call_id"})
        case ToolCallFailed():
            told = {"source": event.source.value, "error": event.error}
            return f"Not done, says the {event.source.value}", told
        case ToolCallOutcomeUnknown():
            return "Nobody knows whether it was done", {"labels": event.labels, "note": event.note}
        case _:
            return None


def _of_approval(event: Event) -> Said:
    match event:
        case ApprovalRequested():
            asks = [ask.model_dump() for ask in event.asks]
            wanted = ", ".join(f"{ask.quorum} x {ask.role}" for ask in event.asks)
            deadline = min(ask.expires_at for ask in event.asks)
            return f"Approval wanted from {wanted} by {deadline}", {"asks": asks, "barred": event.barred}
        case ApprovalGrantedBy():
            return _because(f"{event.approver} said yes", event.note), {"roles": event.roles}
        case ApprovalGranted():
            return "Approved", {}
        case ApprovalRejected():
            return _because(f"{event.approver} said no", event.reason), {"reason": event.reason}
        case ApprovalExpired():
            return "The approval was not given in time", {}
        case ApprovalConsumed():
            return "The approval was used", {}
        case ApprovalWentStale():
            return _because("The approval can no longer be used", event.reason), {"reason": event.reason}
        case _:
            return None


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _reasons(determined: tuple[Determination, ...]) -> str:
    # What permits has a reason too, but people ask why not.
    against = [one.reason or one.policy for one in determined if one.effect != "permit"]
    return "; ".join(against or [one.reason or one.policy for one in determined])
