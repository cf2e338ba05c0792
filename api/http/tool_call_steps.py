"""What follows a decision: release after consent, dispatch, and the outcome."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator
from starlette.responses import Response

from api.http.answers import decision, json_answer
from api.http.bodies import Body, body_of, no_body
from api.http.commands import Asking, Asks, told
from api.http.describing import IdInPath, describes
from api.http.run_answers import CallTold, DecisionTold, SettledTold, call_as_told
from application.access import Caller
from application.ports import StreamId
from application.runs import readable
from application.tool_calls.answers import Decided, Settled, call_of, driven
from application.tool_calls.execute import dispatch, settle
from application.tool_calls.outcomes import Outcome, Status
from application.tool_calls.release import release
from domain.kernel import Json, Source
from domain.runs.decider import runs

router = APIRouter(prefix="/v1/runs/{run_id}/tool-calls/{call_id}", tags=["tool calls"])

LONGEST_NOTE = 4_000


class OutcomeTold(Body):
    """What became of a dispatched call; `output` belongs to a confirmed one."""

    status: Status
    output: Json = None
    note: Annotated[str, Field(max_length=1_000_000)] = ""
    source: Source | None = None

    @model_validator(mode="after")
    def _fits_its_status(self) -> Self:
        if self.output is not None and self.status is not Status.CONFIRMED:
            raise ValueError("only a confirmed call has an output")
        if self.status is not Status.FAILED and len(self.note) > LONGEST_NOTE:
            raise ValueError(f"a note has at most {LONGEST_NOTE} characters")
        return self


@router.get("", **describes(CallTold, asks=True))
async def show(asks: Asks, run_id: IdInPath, call_id: IdInPath) -> Response:
    """A call as it stands now."""
    known = await asks.app.desk.log.recall(runs, _stream(asks, run_id), fresh=True)
    run = await asks.look(lambda caller: readable(known, caller))
    call = call_as_told(run, call_id, call_of(run, call_id))
    return told(call, position=known.position, version=known.version)


@router.post("/release", dependencies=[Depends(no_body)], **describes(DecisionTold, asks=True))
async def let_go(asks: Asks, run_id: IdInPath, call_id: IdInPath) -> Response:
    """Decides a call again once people have consented to it, and releases it."""
    desk = asks.app.desk

    async def act(caller: Caller) -> Decided:
        driven(await desk.log.recall(runs, _stream(asks, run_id), fresh=True), caller)
        return await release(desk, caller.tenant, run_id, call_id, asks.context)

    answer = await asks.heard(act)
    return json_answer(decision(answer), answer.position)


@router.post("/dispatch", dependencies=[Depends(no_body)], **describes(SettledTold, asks=True))
async def send(asks: Asks, run_id: IdInPath, call_id: IdInPath) -> Response:
    """Says that an allowed call is on its way. Refused once the law forbids it."""

    async def act(caller: Caller) -> Settled:
        return await dispatch(asks.app.desk, caller, run_id, call_id, asks.context)

    return _settled(await asks.heard(act))


@router.post("/outcome", **describes(SettledTold, takes=OutcomeTold, asks=True))
async def report(
    asks: Asks,
    run_id: IdInPath,
    call_id: IdInPath,
    body: Annotated[OutcomeTold, Depends(body_of(OutcomeTold))],
) -> Response:
    """Reports what became of a call; the run learns from its output."""
    outcome = Outcome(body.status, body.output, body.note, body.source)

    async def act(caller: Caller) -> Settled:
        return await settle(asks.app.desk, caller, run_id, call_id, outcome, asks.context)

    return _settled(await asks.heard(act))


def _settled(settled: Settled) -> Response:
    body = {"call_id": settled.call_id, "stage": settled.stage.value, "position": settled.position}
    return json_answer(body, settled.position)


def _stream(asks: Asking, run_id: str) -> StreamId:
    return StreamId(asks.claims.tenant, runs.category, run_id)
