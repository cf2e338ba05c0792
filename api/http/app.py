"""The web application: routes, refusals, and the law followed as long as it serves."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.followers.feed import EventFeed
from api.bootstrap import Application
from api.http import (
    agents,
    approvals,
    health,
    openapi,
    policy_sets,
    problem_pages,
    refusing,
    runs,
    tenants,
    tool_call_steps,
    tools,
)
from api.http.guard import Guard
from api.http.queries import approvals as approval_lists
from api.http.queries import decisions as decision_lists
from api.http.queries import events
from api.http.queries import runs as run_lists
from api.http.rejections import Unexpected
from api.http.tool_calls import AFTER_RUN, BATCH, BEFORE_RUN, ToolCalls, is_proposal

ROUTERS = (
    run_lists.router,
    decision_lists.router,
    approval_lists.router,
    events.router,
    runs.router,
    tool_call_steps.router,
    agents.router,
    tools.router,
    policy_sets.router,
    approvals.router,
    tenants.router,
    health.router,
    problem_pages.router,
)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class WebApp(FastAPI):
    """The routes; proposals, nine requests of ten, pass by everything that they do not need."""

    deciding: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers proposals at once, and everything else by its route."""
        if self.deciding is not None and scope["type"] == "http" and scope["method"] == "POST":
            path = scope["path"]
            if path == BATCH or is_proposal(path):
                await self.deciding(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def web_app(application: Application, lifespan: Lifespan | None = None) -> WebApp:
    """The routes on a wired application; `lifespan` is what lives as long as the server."""
    feed = EventFeed(application.desk.log)
    app = WebApp(
        title="Magistrate",
        version=version("magistrate"),
        summary="Every action of an AI agent is decided, recorded and provable.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=events.streaming(feed, lifespan),
    )
    app.state.feed = feed
    app.state.application, app.state.settings = application, application.settings
    for router in ROUTERS:
        app.include_router(router)
    refusing.install(app, application)
    app.add_middleware(Guard, application=application)
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]  # FastAPI's own way
    app.deciding = Guard(_deciding(ToolCalls(application)), application)
    _refuse_other_methods(app)
    return app


def _deciding(tool_calls: ToolCalls) -> ASGIApp:
    async def by_address(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = tool_calls.many if scope["path"] == BATCH else tool_calls.one
        await chosen(scope, receive, send)

    return by_address


def _refuse_other_methods(app: FastAPI) -> None:
    """Makes the addresses of proposals known to the router, which answers what is not a POST."""
    for path in (f"{BEFORE_RUN}{{run_id}}{AFTER_RUN}", BATCH):
        app.router.routes.append(Route(path, _unreachable, methods=["POST"], include_in_schema=False))


async def _unreachable(_: Request) -> Response:
    raise Unexpected


def lasting(context: AbstractAsyncContextManager[object]) -> Lifespan:
    """A lifespan that holds a context open."""

    @asynccontextmanager
    async def held(_: FastAPI) -> AsyncGenerator[None]:
        async with context:
            yield

    return held
