"""What a run tells of itself on the way: progress and model calls."""

from collections.abc import Sequence

from domain.runs.commands import RecordModelCall, ReportProgress
from domain.runs.events import ModelCallRecorded, ProgressReported
from domain.runs.growth import model_call_figures
from domain.runs.lifecycle import must_not_have_ended
from domain.runs.rejections import ModelCallIdReused
from domain.runs.run import Run


def report_progress(command: ReportProgress, run: Run) -> Sequence[ProgressReported]:
    """Every report stands, also the same one twice."""
    must_not_have_ended(run)
    return [ProgressReported(note=command.note, percent=command.percent)]


def record_model_call(command: RecordModelCall, run: Run) -> Sequence[ModelCallRecorded]:
    """A model call is recorded once, also after the end: what was used was used."""
    recorded = ModelCallRecorded(**dict(command))
    known = run.model_calls.get(command.model_call_id)
    if known is None:
        return [recorded]
    if known == model_call_figures(recorded):
        return []
    raise ModelCallIdReused(model_call_id=command.model_call_id)
