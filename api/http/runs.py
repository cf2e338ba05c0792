"""Runs: starting them, what they report, pausing and ending them."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, Field, field_validator
from starlette.responses import Response

from api.http.bodies import Body, body_of
from api.http.commands import Asking, Asks, told
from api.http.describing import IdInPath, describes
from api.http.proposals import EARLIEST, LATEST
from api.http.run_answers import RunTold, run_as_told, run_told
from application.access import Caller
from application.ports import StreamId
from application.runs import Beginning, drive_run, readable, start_run
from application.tool_calls.outcomes import vouched_by
from domain.kernel import Id, Money, Source, Text
from domain.runs.commands import (
    CancelRun,
    CompleteRun,
    EscalateRun,
    FailRun,
    PauseRun,
    RecordModelCall,
    ReportProgress,
    ResumeRun,
    RunCommand,
)
from domain.runs.decider import runs
from domain.runs.events import Count

router = APIRouter(prefix="/v1/runs", tags=["runs"])


class Start(Body):
    """A run to be started. Without an id we make one; without an agent it is the caller's own."""

    run_id: Id | None = None
    agent_id: Id | None = None
    purpose: Text = ""
    subject: Id | None = None
    on_behalf_of: Id | None = None
    mode: Literal["live", "recorded"] = "live"
    started_at: AwareDatetime | None = None

    @field_validator("started_at")
    @classmethod
    def _in_our_calendar(cls, at: AwareDatetime | None) -> AwareDatetime | None:
        if at is not None and not EARLIEST <= at.year <= LATEST:
            raise ValueError(f"Expected a year from {EARLIEST} to {LATEST}")
        return at


class Progress(Body):
    note: Text
    percent: Annotated[int, Field(ge=0, le=100)] | None = None


class ModelCall(Body):
    """What a call of a model used. `cost` is in millionths of the currency's unit."""

    model_call_id: Id | None = None
    model: Text
    input_tokens: Count
    output_tokens: Count
    cached_tokens: Count = 0
    cost: Money | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    source: Source | None = None


class Why(Body):
    reason: Text = ""


class Result(Body):
    result: Text = ""


Started = Annotated[Start, Depends(body_of(Start))]
Reasoned = Annotated[Why, Depends(body_of(Why))]


@router.post("", **describes(RunTold, takes=Start, creates=True))
async def start(asks: Asks, body: Started) -> Response:
    """Starts a run of a registered agent."""
    given = body.model_dump(exclude={"run_id"})
    beginning = Beginning(run_id=body.run_id or asks.app.desk.clock.new_id(), **given)
    desk, handler = asks.app.desk, asks.app.handler
    return await asks.command(
        lambda caller, key, answer: start_run(
            desk, handler, caller, beginning, asks.context, key=key, answer=answer
        ),
        run_told,
        creates=True,
    )


@router.get("/{run_id}", **describes(RunTold, asks=True))
async def show(asks: Asks, run_id: IdInPath) -> Response:
    """A run as it stands now, read from its own history."""
    stream = StreamId(asks.claims.tenant, runs.category, run_id)
    known = await asks.app.desk.log.recall(runs, stream, fresh=True)
    run = await asks.look(lambda caller: readable(known, caller))
    return told(run_as_told(run), position=known.position, version=known.version)


@router.post("/{run_id}/progress", **describes(RunTold, takes=Progress))
async def progress(
    asks: Asks, run_id: IdInPath, body: Annotated[Progress, Depends(body_of(Progress))]
) -> Response:
    """Reports how far the run has got."""
    return await _driven(asks, run_id, lambda _: ReportProgress(note=body.note, percent=body.percent))


@router.post("/{run_id}/model-calls", **describes(RunTold, takes=ModelCall))
async def record_model_call(
    asks: Asks, run_id: IdInPath, body: Annotated[ModelCall, Depends(body_of(ModelCall))]
) -> Response:
    """Records what a call of a model used. The same figures under the same id are recorded once."""
    given = body.model_dump(exclude={"model_call_id", "source"})
    call_id = body.model_call_id or asks.app.desk.clock.new_id()
    return await _driven(
        asks,
        run_id,
        lambda caller: RecordModelCall(
            model_call_id=call_id, source=vouched_by(caller, body.source), **given
        ),
    )


@router.post("/{run_id}/pause", **describes(RunTold, takes=Why))
async def pause(asks: Asks, run_id: IdInPath, body: Reasoned) -> Response:
    """Stops the run from proposing until somebody resumes it."""
    return await _driven(asks, run_id, lambda _: PauseRun(reason=body.reason))


@router.post("/{run_id}/resume", **describes(RunTold, takes=Why))
async def resume(asks: Asks, run_id: IdInPath, body: Reasoned) -> Response:
    """Lets a paused run go on."""
    return await _driven(asks, run_id, lambda _: ResumeRun(reason=body.reason))


@router.post("/{run_id}/complete", **describes(RunTold, takes=Result))
async def complete(
    asks: Asks, run_id: IdInPath, body: Annotated[Result, Depends(body_of(Result))]
) -> Response:
    """Ends the run: its work is done."""
    return await _driven(asks, run_id, lambda _: CompleteRun(result=body.result))


@router.post("/{run_id}/fail", **describes(RunTold, takes=Why))
async def fail(asks: Asks, run_id: IdInPath, body: Reasoned) -> Response:
    """Ends the run: its work did not succeed."""
    return await _driven(asks, run_id, lambda _: FailRun(reason=body.reason))


@router.post("/{run_id}/cancel", **describes(RunTold, takes=Why))
async def cancel(asks: Asks, run_id: IdInPath, body: Reasoned) -> Response:
    """Ends the run: its work is no longer wanted."""
    return await _driven(asks, run_id, lambda _: CancelRun(reason=body.reason))


@router.post("/{run_id}/escalate", **describes(RunTold, takes=Why))
async def escalate(asks: Asks, run_id: IdInPath, body: Reasoned) -> Response:
    """Ends the run: a person takes over."""
    return await _driven(asks, run_id, lambda _: EscalateRun(reason=body.reason))


async def _driven(asks: Asking, run_id: str, command: Callable[[Caller], RunCommand]) -> Response:
    desk, handler = asks.app.desk, asks.app.handler
    return await asks.command(
        lambda caller, key, answer: drive_run(
            desk, handler, caller, run_id, command(caller), asks.context, key=key, answer=answer
        ),
        run_told,
    )
