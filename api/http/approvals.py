"""Approvals: looking at what waits, granting it, rejecting it."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from api.http.answers import decision
from api.http.bodies import Body, body_of
from api.http.commands import Answering, Asks, answered, told
from api.http.describing import Fact, IdInPath, Told, describes
from api.http.run_answers import DecisionTold
from api.problems import problem
from application.access import Caller, Deed
from application.approvals import Consented, grant, reject
from application.handle import Handled
from application.ports import Answer, IdempotencyKey, StreamId
from domain.approvals.approval import Approval, approvals
from domain.approvals.rejections import ApprovalUnknown
from domain.kernel import Json, Text
from domain.policies.events import Digest

router = APIRouter(prefix="/v1/approvals", tags=["approvals"])


class Grant(Body):
    """A yes. `saw` is the digest of the action you were shown; it must be the one that waits."""

    saw: Digest
    note: Text = ""


class Rejection(Body):
    """A no."""

    reason: Text = ""


class AskTold(Told):
    """One condition: how many voices of which role, by when, and why."""

    policy: str
    role: str
    quorum: int
    expires_at: str
    reason: str


class ApprovalTold(Fact):
    """An approval as it stands. After a grant without an idempotency key, also what became of the call."""

    approval_id: str
    run_id: str
    call_id: str
    action_digest: str
    policy_set: str
    asks: list[AskTold]
    standing: str
    deadline: str
    voices: list[str]
    released: DecisionTold | None = None
    hindrance: dict[str, Any] | None = Field(default=None, description="Why the call was not released")


@router.get("/{approval_id}", **describes(ApprovalTold, asks=True))
async def show(asks: Asks, approval_id: IdInPath) -> Response:
    """An approval as it stands now."""
    stream = StreamId(asks.claims.tenant, approvals.category, approval_id)
    known = await asks.app.desk.log.recall(approvals, stream, fresh=True)

    def look(caller: Caller) -> Approval:
        if known.state is None:
            caller.must(Deed.READ_OWN_RUNS)
            raise ApprovalUnknown
        concerned = caller.principal in known.state.barred
        if not (concerned or caller.may(Deed.SETTLE_APPROVALS) or caller.may(Deed.STOP_THINGS)):
            caller.must(Deed.READ_EVERYTHING)
        return known.state

    approval = await asks.look(look)
    return told(_told(approval_id, approval), position=known.position, version=known.version)


@router.post("/{approval_id}/grant", **describes(ApprovalTold, takes=Grant))
async def say_yes(
    asks: Asks, approval_id: IdInPath, body: Annotated[Grant, Depends(body_of(Grant))]
) -> Response:
    """Adds your voice; the one that completes the quorum releases the call at once."""
    desk, handler, told = asks.app.desk, asks.app.handler, list[Consented]()

    async def act(
        caller: Caller, key: IdempotencyKey | None, answer: Answering[Approval]
    ) -> Handled[Approval]:
        consented = await grant(
            desk, handler, caller, approval_id, body.saw, body.note, asks.context, key=key, answer=answer
        )
        told.append(consented)
        return _handled(consented)

    response = await asks.command(act, lambda handled: _told(approval_id, handled.state))
    if not told:
        return response
    # Under a key the answer is the one that was kept: the voice. What came of it is at the call's address.
    kept = await desk.log.answered(key) if (key := asks.key()) is not None else None
    return answered(*kept) if kept is not None else _with_release(response, told[-1])


@router.post("/{approval_id}/reject", **describes(ApprovalTold, takes=Rejection))
async def say_no(
    asks: Asks, approval_id: IdInPath, body: Annotated[Rejection, Depends(body_of(Rejection))]
) -> Response:
    """One no settles it."""
    desk, handler = asks.app.desk, asks.app.handler

    async def act(
        caller: Caller, key: IdempotencyKey | None, answer: Answering[Approval]
    ) -> Handled[Approval]:
        return _handled(
            await reject(
                desk, handler, caller, approval_id, body.reason, asks.context, key=key, answer=answer
            )
        )

    return await asks.command(act, lambda handled: _told(approval_id, handled.state))


def _handled(consented: Consented) -> Handled[Approval]:
    return Handled(consented.approval, consented.version, consented.position, changed=True)


def _with_release(response: Response, consented: Consented) -> Response:
    body = orjson.loads(response.body)
    body["released"] = decision(consented.released) if consented.released else None
    body["hindrance"] = problem(consented.hindrance).document if consented.hindrance else None
    return answered(Answer(response.status_code, orjson.dumps(body, default=str)), consented.position)


def _told(approval_id: str, approval: Approval) -> Mapping[str, Json]:
    return {
        "approval_id": approval_id,
        "run_id": approval.run_id,
        "call_id": approval.call_id,
        "action_digest": approval.action_digest,
        "policy_set": approval.policy_set,
        "asks": [ask.model_dump() for ask in approval.asks],
        "standing": approval.standing.value,
        "deadline": approval.deadline,
        "voices": sorted(approval.voices),
    }
