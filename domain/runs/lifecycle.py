"""Starting, pausing and ending a run."""

from collections.abc import Sequence

from domain.runs.commands import (
    CancelRun,
    CompleteRun,
    EscalateRun,
    FailRun,
    PauseRun,
    ResumeRun,
    StartRun,
)
from domain.runs.events import (
    RunCancelled,
    RunCompleted,
    RunEscalated,
    RunEvent,
    RunFailed,
    RunPaused,
    RunResumed,
    RunStarted,
)
from domain.runs.rejections import RunEnded, RunExists
from domain.runs.run import Run, Standing


def start(command: StartRun, run: Run | None) -> Sequence[RunStarted]:
    """A run id is started once; the same request again changes nothing."""
    if run is None:
        return [RunStarted(**dict(command))]
    asked = (command.agent_id, command.principal, command.on_behalf_of, command.subject)
    known = (run.agent_id, run.principal, run.on_behalf_of, run.subject)
    if asked == known and (command.purpose, command.mode) == (run.purpose, run.mode):
        return []
    raise RunExists(run_id=run.run_id)


def pause(command: PauseRun, run: Run) -> Sequence[RunPaused]:
    """A paused run proposes nothing until it is resumed."""
    must_not_have_ended(run)
    return [] if run.standing is Standing.PAUSED else [RunPaused(reason=command.reason)]


def resume(command: ResumeRun, run: Run) -> Sequence[RunResumed]:
    """Resuming a run that is not paused changes nothing."""
    must_not_have_ended(run)
    return [] if run.standing is Standing.ACTIVE else [RunResumed(reason=command.reason)]


def end(command: CompleteRun | FailRun | CancelRun | EscalateRun, run: Run) -> Sequence[RunEvent]:
    """A run ends once; ending it the same way again changes nothing."""
    standing, ended = _end(command)
    if run.standing is standing:
        return []
    must_not_have_ended(run)
    return [ended]


def _end(command: CompleteRun | FailRun | CancelRun | EscalateRun) -> tuple[Standing, RunEvent]:
    match command:
        case CompleteRun():
            return Standing.COMPLETED, RunCompleted(result=command.result)
        case FailRun():
            return Standing.FAILED, RunFailed(reason=command.reason)
        case CancelRun():
            return Standing.CANCELLED, RunCancelled(reason=command.reason)
        case EscalateRun():
            return Standing.ESCALATED, RunEscalated(reason=command.reason)


def must_not_have_ended(run: Run) -> None:
    """Refuses what would happen after the end."""
    if run.ended:
        raise RunEnded(standing=run.standing.value)
