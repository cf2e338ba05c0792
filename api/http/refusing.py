"""Turns what routes raise into problem documents."""

from typing import cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.bootstrap import Application
from api.http.answers import problem_answer
from api.http.bodies import listed
from api.http.rejections import (
    BodyTooLarge,
    MalformedBody,
    MethodNotAllowed,
    RequestInvalid,
    RouteUnknown,
    Unexpected,
)
from domain.kernel import Rejected

_BY_STATUS: dict[int, type[Rejected]] = {
    400: MalformedBody,
    404: RouteUnknown,
    413: BodyTooLarge,
    422: RequestInvalid,
}


def install(app: FastAPI, application: Application) -> None:
    """Every refusal of every route answers as a problem."""

    async def rejected(request: Request, no: Exception) -> Response:
        return problem_answer(application, request.scope, cast("Rejected", no))

    async def invalid(request: Request, error: Exception) -> Response:
        errors = listed(cast("RequestValidationError", error).errors())
        return problem_answer(application, request.scope, RequestInvalid(errors=errors))

    async def framework(request: Request, error: Exception) -> Response:
        said = cast("HTTPException", error)
        if said.status_code == 405:  # noqa: PLR2004  # the framework's own number
            allow = (said.headers or {}).get("Allow", "")
            no: Rejected = MethodNotAllowed(allow=[method.strip() for method in allow.split(",")])
        else:
            no = _BY_STATUS.get(said.status_code, Unexpected)()
        return problem_answer(application, request.scope, no)

    app.add_exception_handler(Rejected, rejected)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)
