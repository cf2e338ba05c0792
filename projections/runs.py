"""Runs and where they have got to."""

from collections.abc import Iterable

from domain.kernel import instant
from domain.record import Recorded
from domain.runs.events import (
    RunCancelled,
    RunCompleted,
    RunEscalated,
    RunFailed,
    RunPaused,
    RunResumed,
    RunStarted,
)
from projections import approvals
from projections.changes import Add, Change, Put, ReadModel, Table
from projections.timeline import line

FOLLOWS = (
    "run.started",
    "run.progress-reported",
    "run.model-call-recorded",
    "run.tool-call-proposed",
    "run.tool-call-decided",
    "run.tool-call-released",
    "run.tool-call-dispatched",
    "run.tool-call-confirmed",
    "run.tool-call-failed",
    "run.tool-call-outcome-unknown",
    "run.paused",
    "run.resumed",
    "run.completed",
    "run.failed",
    "run.cancelled",
    "run.escalated",
    *approvals.FOLLOWS,
)


def project(recorded: Recorded) -> Iterable[Change]:
    """A line of the timeline for every event; a new standing only where the run got somewhere else."""
    timeline = line(recorded)
    if timeline is not None:
        yield Add("run_timeline", timeline)
    event = recorded.event
    match event:
        case RunStarted():
            yield Add(
                "runs",
                {
                    "run_id": recorded.stream.id,
                    "agent_id": event.agent_id,
                    "principal": event.principal,
                    "on_behalf_of": event.on_behalf_of,
                    "subject": event.subject,
                    "purpose": event.purpose,
                    "mode": event.mode,
                    "started_at": event.started_at,
                },
            )
            yield _standing(recorded, "active")
        case RunPaused():
            yield _standing(recorded, "paused", event.reason)
        case RunResumed():
            yield _standing(recorded, "active", event.reason)
        case RunCompleted():
            yield _standing(recorded, "completed", event.result)
        case RunFailed():
            yield _standing(recorded, "failed", event.reason)
        case RunCancelled():
            yield _standing(recorded, "cancelled", event.reason)
        case RunEscalated():
            yield _standing(recorded, "escalated", event.reason)
        case _:
            return


def _standing(recorded: Recorded, standing: str, reason: str | None = None) -> Change:
    run_id = recorded.stream.id
    since = instant(recorded.context.at)
    return Put(
        "run_standings", (run_id,), {"run_id": run_id, "standing": standing, "reason": reason, "since": since}
    )


runs = ReadModel(
    name="runs",
    version=1,
    follows=FOLLOWS,
    tables=(Table("runs"), Table("run_standings", key=("run_id",)), Table("run_timeline")),
    project=project,
)
