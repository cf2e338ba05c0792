"""The tenant's events as they happen, as server-sent events: none is missed and none comes twice."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from types import FrameType
from typing import Annotated

import orjson
from fastapi import APIRouter, FastAPI, Header, Query
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapters.followers.feed import EventFeed
from api.http.commands import Asking, Asks
from api.http.queries.pages import LAST_POSITION, Position
from api.http.rejections import MalformedHeader
from application.access import Caller, Deed
from application.ports import Recorded
from domain.kernel import Json, Name, Rejected, instant

router = APIRouter(prefix="/v1/events", tags=["events"])

HEARTBEAT_SECONDS = 15.0

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

After = Annotated[Position | None, Query(description="The last position you have; without it, from now on")]
Categories = Annotated[
    Sequence[Name], Query(alias="category", max_length=20, description="Only streams of these categories")
]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="Wins over `after`")]


class Streamed(EventSourceResponse):
    """Takes one of the feed's places for as long as it lasts."""

    def __init__(self, feed: EventFeed, chunks: AsyncGenerator[bytes]) -> None:
        # Proxies must neither keep an event nor hold it back.
        super().__init__(chunks, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._feed.place():
            await super().__call__(scope, receive, send)


STREAM = {
    "description": "Events as they happen",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


@router.get("", response_class=Response, responses={200: STREAM})
async def stream(
    asks: Asks, after: After = None, category: Categories = (), last_event_id: LastEventId = None
) -> Response:
    """Every event of the tenant, with its position as id; personal fields stay sealed.

    Ends when the token expires or no longer entitles, and when the server stops: connect again with the
    last id, and nothing is missed or repeated.
    """
    await asks.look(_entitled)
    feed: EventFeed = asks.request.app.state.feed
    position = after if last_event_id is None else _position(last_event_id)
    return Streamed(feed, _chunks(asks, feed, position, category))


def streaming(feed: EventFeed, lifespan: Lifespan | None) -> Lifespan:
    """A server's lifespan that the streams end with."""

    @asynccontextmanager
    async def whole(app: FastAPI) -> AsyncGenerator[None]:
        async with ended_by_signals(feed), AsyncExitStack() as stack:
            if lifespan is not None:
                await stack.enter_async_context(lifespan(app))
            yield

    return whole


@asynccontextmanager
async def ended_by_signals(feed: EventFeed) -> AsyncGenerator[None]:
    """Inside, a signal to stop ends the streams, which would hold up the server's end otherwise."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(feed.close)
        known = before[signal.Signals(number)]
        if callable(known):
            known(number, frame)

    chained = threading.current_thread() is threading.main_thread()
    if chained:
        for number in before:
            signal.signal(number, stop)
    try:
        yield
    finally:
        feed.close()
        if chained:
            for number, known in before.items():
                signal.signal(number, known)


async def _chunks(
    asks: Asking, feed: EventFeed, after: int | None, categories: Sequence[str]
) -> AsyncGenerator[bytes]:
    clock = asks.app.desk.clock
    checked = clock.now()
    yield KEEPALIVE_COMMENT  # so that the headers leave at once
    async with aclosing(
        feed.events(asks.claims.tenant, after, categories=categories, idle=HEARTBEAT_SECONDS)
    ) as batches:
        async for batch in batches:
            if (clock.now() - checked).total_seconds() >= HEARTBEAT_SECONDS:
                if not await _still_entitled(asks):
                    return
                checked = clock.now()
            for recorded in batch:
                yield _chunk(recorded)
            if not batch:
                yield KEEPALIVE_COMMENT


def _chunk(recorded: Recorded) -> bytes:
    context = recorded.context
    told: dict[str, Json] = {
        "position": recorded.position,
        "tenant_position": recorded.tenant_position,
        "stream": str(recorded.stream),
        "version": recorded.version,
        "event_id": recorded.event_id,
        "name": recorded.name,
        "schema_version": recorded.schema_version,
        "at": instant(context.at),
        "actor": context.actor,
        "on_behalf_of": context.on_behalf_of,
        "correlation_id": context.correlation_id,
        "causation_id": context.causation_id,
        "body": recorded.event.model_dump(mode="json"),
    }
    data = orjson.dumps(told).decode()
    return format_sse_event(data_str=data, event=recorded.name, id=str(recorded.position))


async def _still_entitled(asks: Asking) -> bool:
    if asks.claims.exp <= asks.app.desk.clock.now().timestamp():
        return False
    try:
        await asks.look(_entitled)
    except Rejected:
        return False
    return True


def _entitled(caller: Caller) -> None:
    caller.must(Deed.READ_EVERYTHING)


def _position(last_event_id: str) -> int:
    if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) <= LAST_POSITION):
        raise MalformedHeader(header="Last-Event-ID", expected="the id of an event, a log position")
    return int(last_event_id)
