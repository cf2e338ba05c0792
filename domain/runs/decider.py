"""The rules of a run, by command."""

from collections.abc import Sequence
from typing import assert_never

from domain.kernel import Decider
from domain.runs.commands import (
    CancelRun,
    CompleteRun,
    ConfirmToolCall,
    DispatchToolCall,
    EscalateRun,
    FailRun,
    FailToolCall,
    LoseToolCall,
    PauseRun,
    ProposeToolCall,
    RecordModelCall,
    ReleaseToolCall,
    ReportProgress,
    ResumeRun,
    RunCommand,
    StartRun,
)
from domain.runs.events import RunEvent
from domain.runs.execution import dispatch, release, settle
from domain.runs.growth import evolve
from domain.runs.lifecycle import end, pause, resume, start
from domain.runs.propose import propose
from domain.runs.rejections import RunUnknown
from domain.runs.report import record_model_call, report_progress
from domain.runs.run import Run


def decide(command: RunCommand, run: Run | None) -> Sequence[RunEvent]:
    """The run's answer to a command: events, nothing, or a refusal."""
    if isinstance(command, StartRun):
        return start(command, run)
    if run is None:
        raise RunUnknown
    match command:
        case ProposeToolCall():
            return propose(command, run)
        case ReleaseToolCall():
            return release(command, run)
        case DispatchToolCall():
            return dispatch(command, run)
        case ConfirmToolCall() | FailToolCall() | LoseToolCall():
            return settle(command, run)
        case RecordModelCall():
            return record_model_call(command, run)
        case ReportProgress():
            return report_progress(command, run)
        case PauseRun():
            return pause(command, run)
        case ResumeRun():
            return resume(command, run)
        case CompleteRun() | FailRun() | CancelRun() | EscalateRun():
            return end(command, run)
        case _:
            assert_never(command)


runs = Decider(category="run", decide=decide, evolve=evolve, state=Run)
