"""The outermost layer: unexpected faults become problems, and every answer carries its request's id."""

import asyncio

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.bootstrap import Application
from api.http.answers import problem_response
from api.http.headers import REQUEST_ID, correlation_id
from api.http.rejections import DeadlinePassed, Unexpected
from api.logs import where
from api.problems import problem
from domain.kernel import Rejected

_ID_HEADER = REQUEST_ID.lower().encode()
COMMANDING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Guard:
    """Pure ASGI, so that it costs the hot path next to nothing."""

    def __init__(self, app: ASGIApp, application: Application) -> None:
        self._next, self._app = app, application
        self._told = structlog.get_logger("http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._next(scope, receive, send)
            return
        clock, begun = self._app.desk.clock, False

        async def send_with_id(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"].append((_ID_HEADER, correlation_id(scope, clock).encode()))
            await send(message)

        self._app.metrics.underway += 1
        try:
            await self._within_time(scope, receive, send_with_id)
        except TimeoutError:
            await self._answer(DeadlinePassed(retry_after=1), begun, scope, receive, send_with_id)
        except Exception as fault:  # noqa: BLE001  # the last place where anything can be caught
            self._app.metrics.fault()
            self._told.error(
                "an unexpected fault", correlation_id=correlation_id(scope, clock), **where(fault)
            )
            await self._answer(Unexpected(), begun, scope, receive, send_with_id)
        finally:
            self._app.metrics.underway -= 1

    async def _within_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in COMMANDING:  # a stream of events has no deadline
            await self._next(scope, receive, send)
            return
        async with asyncio.timeout(self._app.settings.request_deadline):
            await self._next(scope, receive, send)

    async def _answer(self, no: Rejected, begun: bool, scope: Scope, receive: Receive, send: Send) -> None:
        if begun:  # too late for another answer: the connection breaks off, which the caller sees
            return
        told = problem(no, instance=scope["path"], correlation_id=correlation_id(scope, self._app.desk.clock))
        await problem_response(told)(scope, receive, send)
