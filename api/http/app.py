"""The web application: routes, refusals, and the law followed as long as it serves."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from starlette.routing import Route

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
from api.http.tool_calls import ToolCalls

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


def web_app(application: Application, lifespan: Lifespan | None = None) -> FastAPI:
    """The routes on a wired application; `lifespan` is what lives as long as the server."""
    feed = EventFeed(application.desk.log)
    app = FastAPI(
        title="Magistrate",
        version=version("magistrate"),
        summary="Every action of an AI agent is decided, recorded and provable.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=partial(_with_streams, feed, lifespan),
    )
    app.state.feed = feed
    app.state.application, app.state.settings = application, application.settings
    deciding = ToolCalls(application)
    # First, so that the hot path is the first address compared.
    app.router.routes.insert(
        0, Route("/v1/runs/{run_id}/tool-calls", deciding.one, methods=["POST"], include_in_schema=False)
    )
    app.router.routes.append(
        Route("/v1/tool-calls:batch", deciding.many, methods=["POST"], include_in_schema=False)
    )
    for router in ROUTERS:
        app.include_router(router)
    refusing.install(app, application)
    app.add_middleware(Guard, application=application)
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]  # FastAPI's own way
    return app


@asynccontextmanager
async def _with_streams(feed: EventFeed, lifespan: Lifespan | None, app: FastAPI) -> AsyncIterator[None]:
    async with events.ended_by_signals(feed), AsyncExitStack() as stack:
        if lifespan is not None:
            await stack.enter_async_context(lifespan(app))
        yield


def lasting(context: AbstractAsyncContextManager[object]) -> Lifespan:
    """A lifespan that holds a context open."""

    @asynccontextmanager
    async def held(_: FastAPI) -> AsyncIterator[None]:
        async with context:
            yield

    return held
