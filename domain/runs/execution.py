"""What follows a decision: release after consent, dispatch, and the outcome."""

from collections.abc import Sequence

from domain.runs.commands import (
    ConfirmToolCall,
    DispatchToolCall,
    FailToolCall,
    LoseToolCall,
    ReleaseToolCall,
)
from domain.runs.events import (
    RunEvent,
    ToolCallConfirmed,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallReleased,
)
from domain.runs.lifecycle import must_not_have_ended
from domain.runs.rejections import (
    AllowanceExpired,
    CallIdReused,
    CallNotAllowed,
    CallNotAsked,
    CallUnknown,
    OutcomeNotKnown,
    OutcomeRecorded,
    RunIsPaused,
)
from domain.runs.run import Call, Run, Stage, Standing

OUTCOMES = {
    ConfirmToolCall: Stage.CONFIRMED,
    FailToolCall: Stage.FAILED,
    LoseToolCall: Stage.UNKNOWN,
}


def release(command: ReleaseToolCall, run: Run) -> Sequence[ToolCallReleased]:
    """A call that was asked for and consented to may be dispatched; released twice it is released once."""
    call = _call(command.call_id, run)
    if call.approval_id != command.approval_id:
        raise CallNotAsked(call_id=command.call_id)
    if call.digest != command.action_digest:
        raise CallIdReused(call_id=command.call_id)
    if call.stage is not Stage.ASKED:
        return []
    _must_go_on(run)
    _must_not_be_blind(command.call_id, call, run)
    return [
        ToolCallReleased(
            call_id=command.call_id,
            approval_id=command.approval_id,
            determined=command.determined,
            action_digest=command.action_digest,
            expires_at=command.usable_until,
            seen=command.seen,
        )
    ]


def dispatch(command: DispatchToolCall, run: Run) -> Sequence[ToolCallDispatched]:
    """An allowance is used before it expires; dispatched twice it is dispatched once."""
    call = _call(command.call_id, run)
    if call.stage not in (Stage.ALLOWED, Stage.ASKED, Stage.DENIED):
        return []
    _must_go_on(run)
    _must_be_usable(command.call_id, call, run, command.now)
    _must_not_be_blind(command.call_id, call, run)
    return [ToolCallDispatched(call_id=command.call_id, at=command.now, implied=False)]


def settle(command: ConfirmToolCall | FailToolCall | LoseToolCall, run: Run) -> Sequence[RunEvent]:
    """An outcome is told once, for an allowed or released call; an unknown one may be learned later.

    A run that ended in between still hears of what it set in motion: history is not lost for being late.
    """
    call = _call(command.call_id, run)
    stage = OUTCOMES[type(command)]
    if call.stage is stage:
        return []
    if call.stage in (Stage.CONFIRMED, Stage.FAILED):
        raise OutcomeRecorded(call_id=command.call_id, outcome=call.stage.value)
    outcome = _outcome(command)
    if call.stage in (Stage.DISPATCHED, Stage.UNKNOWN):
        return [outcome]
    _must_be_usable(command.call_id, call, run, command.now)
    return [ToolCallDispatched(call_id=command.call_id, at=command.now, implied=True), outcome]


def _outcome(command: ConfirmToolCall | FailToolCall | LoseToolCall) -> RunEvent:
    told = {field: value for field, value in command if field != "now"}
    match command:
        case ConfirmToolCall():
            return ToolCallConfirmed(**told)
        case FailToolCall():
            return ToolCallFailed(**told)
        case LoseToolCall():
            return ToolCallOutcomeUnknown(**told)


def _call(call_id: str, run: Run) -> Call:
    call = run.calls.get(call_id)
    if call is None:
        raise CallUnknown(call_id=call_id)
    return call


def _must_go_on(run: Run) -> None:
    must_not_have_ended(run)
    if run.standing is Standing.PAUSED:
        raise RunIsPaused


def _must_not_be_blind(call_id: str, call: Call, run: Run) -> None:
    if call.digest in run.unresolved:
        raise OutcomeNotKnown(call_id=call_id)


def _must_be_usable(call_id: str, call: Call, run: Run, now: str) -> None:
    if call.stage is not Stage.ALLOWED:
        raise CallNotAllowed(call_id=call_id, stage=call.stage.value)
    # What a recorded run tells of was done long ago: hearing of it late gives nobody leave to act late.
    if run.mode != "recorded" and call.expires_at is not None and now >= call.expires_at:
        raise AllowanceExpired(call_id=call_id, expired_at=call.expires_at)
