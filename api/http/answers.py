"""How answers and refusals leave: as bytes made once, with our own headers."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response
from starlette.types import Scope, Send

from api.bootstrap import Application
from api.http.headers import POSITION, correlation_id
from api.problems import MEDIA_TYPE, Problem, problem, slug
from application.tool_calls.answers import Decided
from domain.kernel import Json, Rejected

_POSITION = POSITION.lower().encode()


def json_answer(value: Mapping[str, Json], position: int = 0, status: int = 200) -> Response:
    """An answer, with the log position at which what it says can be read."""
    headers = {POSITION: str(position)} if position else None
    return Response(orjson.dumps(value), status, headers, "application/json")


async def sent(send: Send, value: Mapping[str, Json], position: int) -> None:
    """The same answer, straight onto the wire."""
    body = orjson.dumps(value)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if position:
        headers.append((_POSITION, b"%d" % position))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_answer(app: Application, scope: Scope, no: Rejected) -> Response:
    """A refusal as its problem document."""
    app.metrics.refused(slug(type(no)))
    told = problem(no, instance=scope["path"], correlation_id=correlation_id(scope, app.desk.clock))
    return problem_response(told)


def problem_response(told: Problem) -> Response:
    """A problem document on the wire."""
    return Response(told.body, told.status, dict(told.headers), MEDIA_TYPE)


def decision(answer: Decided) -> dict[str, Json]:
    """What the caller is told of a decided call."""
    return {
        "call_id": answer.call_id,
        "verdict": answer.verdict.value,
        "stage": answer.stage.value,
        "reasons": [
            {"policy": it.policy, "effect": it.effect, "reason": it.reason} for it in answer.determined
        ],
        "approval": _approval(answer),
        "expires_at": answer.expires_at,
        "action_digest": answer.action_digest,
        "position": answer.position,
    }


def _approval(answer: Decided) -> dict[str, Json] | None:
    if answer.approval_id is None:
        return None
    # A call that went on after it was asked for used its approval up.
    return {
        "id": answer.approval_id,
        "standing": answer.approval or "consumed",
        "url": f"/v1/approvals/{answer.approval_id}",
    }
