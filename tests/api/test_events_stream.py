"""The stream of events: each once and in order, resumed after a cut, ended with the server."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import FrameType

import httpx
import pytest
import uvicorn

from adapters.clock import FixedClock
from adapters.event_store.memory import MemoryEventLog
from adapters.followers.feed import EventFeed, TooManyStreams
from api.http.app import web_app
from api.http.queries import events as route
from api.http.server import listen
from application.ports import Append, Context, StreamId
from domain.record import Recorded
from domain.runs.events import ProgressReported
from tests.api.house import PAY, House, on_memory
from tests.projections.histories import START, requested, started


async def written(log: MemoryEventLog, tenant: str, run_id: str, events: int = 1) -> None:
    """A run with so many events."""
    told = [started(run_id), *(ProgressReported(note=str(number)) for number in range(events - 1))]
    append = Append(StreamId(tenant, "run", run_id), 0, told)
    await log.record([append], Context("somebody", START, "correlation"))


async def taken(feed: EventFeed, wanted: int, after: int | None = 0, *categories: str) -> list[int]:
    """The positions of the first so many events of a stream."""
    found: list[Recorded] = []
    events = feed.events("acme", after, categories=categories, idle=0.05)
    async with asyncio.timeout(10), feed.place(), aclosing(events):
        async for batch in events:
            found += batch
            if len(found) >= wanted:
                break
    return [recorded.position for recorded in found]


@pytest.mark.parametrize("kept", [5, 1000])
async def test_streams_that_begin_anywhere_get_every_event_once(kept: int) -> None:
    log = MemoryEventLog(FixedClock())
    for number in range(20):
        await written(log, "acme", f"early-{number}")
    feed = EventFeed(log, kept=kept)

    async def write() -> None:
        for number in range(100):
            await written(log, "acme", f"late-{number}", events=3)
            if number % 7 == 0:
                await asyncio.sleep(0)

    begun = [0, 3, 19, 20, 50, 300]
    results = await asyncio.gather(*(taken(feed, 320 - after, after) for after in begun), write())
    for after, positions in zip(begun, results, strict=False):
        assert positions == list(range(after + 1, 321))


async def test_a_stream_holds_only_the_tenants_own_events_of_the_wanted_categories() -> None:
    log = MemoryEventLog(FixedClock())
    await written(log, "acme", "run-1")
    await written(log, "other", "run-1")
    await log.record(
        [Append(StreamId("acme", "approval", "a"), 0, [requested()])], Context("x", START, "correlation")
    )
    feed = EventFeed(log)
    assert await taken(feed, 2) == [1, 3]
    assert await taken(feed, 1, 0, "approval") == [3]


async def test_without_a_position_a_stream_begins_now() -> None:
    log = MemoryEventLog(FixedClock())
    await written(log, "acme", "before")
    feed = EventFeed(log)
    stream = asyncio.create_task(taken(feed, 1, None))
    for number in count():
        await written(log, "acme", f"after-{number}")
        await asyncio.sleep(0)
        if stream.done():
            break
    assert (await stream)[0] > 1


async def test_only_so_many_streams_are_open_at_once() -> None:
    feed = EventFeed(MemoryEventLog(FixedClock()), most_streams=1)
    async with feed.place():
        with pytest.raises(TooManyStreams):
            async with feed.place():
                pass
    async with feed.place():
        assert feed.open_streams == 1


async def test_a_closed_feed_ends_its_streams() -> None:
    feed = EventFeed(MemoryEventLog(FixedClock()))
    stream = asyncio.create_task(taken(feed, 1))
    async with asyncio.timeout(5):
        while not feed.open_streams:  # the feed has no event for this
            await asyncio.sleep(0)
    feed.close()
    assert await stream == []


@dataclass
class Served:
    """A house with a real server in front of it."""

    house: House
    server: uvicorn.Server
    url: str
    done: asyncio.Task[None]

    @asynccontextmanager
    async def stream(
        self, query: str = "", *, last: int | None = None, lifetime: timedelta = timedelta(hours=1)
    ) -> AsyncGenerator[AsyncIterator[dict[str, str]]]:
        headers = {"Authorization": f"Bearer {self.house.token('audie', lifetime=lifetime)}"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient() as http,
            http.stream("GET", f"{self.url}/v1/events{query}", headers=headers, timeout=20) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            yield messages(answer)


async def messages(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """The stream's messages; a comment is a message of its own."""
    message: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line == "":
            yield message
            message = {}
        else:
            name, _, value = line.partition(":")
            message[name or "comment"] = value.strip()


def unmoved(_number: int, _frame: FrameType | None) -> None:
    """Takes the signal that the server passes on once it has stopped."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with on_memory(tmp_path) as house:
        await house.furnish()
        await house.done("POST", "/v1/tools", {"name": "mail", "registration": PRIVATE})
        app = web_app(house.app)
        listening = listen("127.0.0.1", 0)
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=15)
        )
        before = signal.signal(signal.SIGTERM, unmoved)
        done = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # uvicorn has no event for this
            await asyncio.sleep(0)
        yield Served(house, server, f"http://127.0.0.1:{listening.getsockname()[1]}", done)
        app.state.feed.close()
        server.should_exit = True
        await done
        signal.signal(signal.SIGTERM, before)


PRIVATE = {**PAY, "personal": [{"within": "arguments", "pointer": "/to", "subject": "arg:/to"}]}


async def test_a_stream_that_is_cut_again_and_again_misses_and_repeats_nothing(served: Served) -> None:
    house = served.house
    for run_id in ("r1", "r2", "r3"):
        await house.run(run_id)
    begun = await house.app.desk.log.head()

    async def write(run_id: str) -> None:
        for number in range(40):
            await house.pay(50, f"c{number}", run_id)

    seen: list[int] = []

    async def read() -> None:
        for cut_after in (1, 5, 30, 2, 60, 142):
            async with served.stream(last=seen[-1] if seen else begun) as stream:
                got = 0
                async for message in stream:
                    if "id" in message:
                        seen.append(int(message["id"]))
                        got += 1
                    if got == cut_after:
                        break

    await asyncio.gather(read(), *(write(run_id) for run_id in ("r1", "r2", "r3")))
    assert seen == list(range(begun + 1, begun + 241))


async def first(served: Served, names: Sequence[str], query: str) -> list[dict[str, object]]:
    """The first event of each of these names, in the order of the names."""
    found: dict[str, dict[str, object]] = {}
    async with served.stream(query) as stream:
        async for message in stream:
            found.setdefault(message.get("event", ""), json.loads(message.get("data", "{}")))
            if found.keys() >= set(names):
                break
    return [found[name] for name in names]


async def test_an_event_says_where_it_stands_and_keeps_personal_fields_sealed(served: Served) -> None:
    await served.house.run()
    body = {"call_id": "c1", "tool": "mail", "arguments": {"to": "bob", "amount": 1}}
    await served.house.done("POST", "/v1/runs/r1/tool-calls", body, as_="robot")
    begun, proposed = await first(served, ["run.started", "run.tool-call-proposed"], "?after=0&category=run")
    assert (begun["stream"], begun["version"], begun["actor"]) == ("acme/run/r1", 1, "robot")
    told = json.dumps([begun, proposed])
    assert "bob" not in told
    assert proposed["body"]["arguments"]["to"].startswith("sealed:v1:")  # type: ignore[index]
    assert begun["body"]["salt"].startswith("sealed:v1:")  # type: ignore[index]


async def test_only_who_reads_everything_may_stream(served: Served) -> None:
    for who, status in (("robot", 403), ("anna", 403), ("nobody", 403)):
        assert (await served.house.ask("GET", "/v1/events", as_=who)).status_code == status
    answer = await served.house.ask("GET", "/v1/events", as_="audie", headers={"Last-Event-ID": "x"})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-header")


async def test_a_quiet_stream_has_a_heartbeat_and_ends_when_the_role_is_withdrawn(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "HEARTBEAT_SECONDS", 0.05)
    async with served.stream() as stream:
        assert [await anext(stream) for _ in range(3)] == [{"comment": "ping"}] * 3
        await served.house.done("DELETE", "/v1/tenant/members/audie/roles/auditor")
        rest = [message async for message in stream]
    assert all(message == {"comment": "ping"} or "id" in message for message in rest)


async def test_streams_beyond_the_bound_are_refused_with_a_problem(served: Served) -> None:
    app = served.server.config.app
    app.state.feed._most = 1  # type: ignore[union-attr]
    async with served.stream() as stream:
        await anext(stream)
        token = served.house.token("audie")
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"{served.url}/v1/events", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/too-many-streams")
    assert answer.headers["Retry-After"] == "5"


async def test_streams_end_at_once_when_the_server_is_told_to_stop(served: Served) -> None:
    async with served.stream() as stream:
        await anext(stream)
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert [message async for message in stream if "id" in message] == []
            await served.done


async def test_a_stream_ends_when_its_token_expires(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "HEARTBEAT_SECONDS", 0.05)
    async with served.stream(lifetime=timedelta(seconds=2)) as stream:
        async with asyncio.timeout(10):
            told = [message async for message in stream]
    assert told
    assert all(message == {"comment": "ping"} for message in told)
