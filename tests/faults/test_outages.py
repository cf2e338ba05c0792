"""A database or a follower that is away: all is refused with 503 and a reason, and resumes by itself."""

import asyncio
import signal
from collections.abc import Generator, Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from api.keyring import master_key, role_url
from tests.adapters.event_store_proxy import Proxy, proxied
from tests.faults.caller import PAUSE, Body, Caller, Reply
from tests.faults.installation import Installation
from tests.faults.processes import database, send
from tests.faults.service import Service, served

AWAY = {"/problems/log-unavailable", "/problems/law-behind", "/problems/log-busy"}
DECIDED = "SELECT count(*) FROM event_log.events WHERE name = 'run.tool-call-decided' AND position > %s"


@pytest.fixture(scope="module")
def service(home: Installation) -> Iterator[Service]:
    """Its database is somebody else's care."""
    with served(home, {"DATABASE_URL": home.postgres.url}, workers=2) as ready:
        yield ready


def payment(number: int) -> Body:
    return {"call_id": f"c{number}", "tool": "pay", "arguments": {"to": "bob", "amount": 50}}


async def agents(home: Installation, service: Service, stack: AsyncExitStack, name: str) -> list[Caller]:
    """Some callers, each with a run of its own that has been decided in."""
    token = home.token("robot")
    found = [Caller(service.address, token) for _ in range(8)]
    for number, caller in enumerate(found):
        stack.push_async_callback(caller.hang_up)
        begun = await caller.answered("POST", "/v1/runs", {"run_id": f"{name}-{number}", "purpose": "p"})
        assert begun.status == 201, begun.content
    assert {reply.status for reply in await proposed(found, name, 0)} == {200}
    return found


async def proposed(callers: list[Caller], name: str, number: int, *, patient: bool = True) -> list[Reply]:
    """The same call of each caller's run: answered, or as it comes."""

    async def one(index: int, caller: Caller) -> Reply:
        ask = caller.answered if patient else caller.ask
        return await ask("POST", f"/v1/runs/{name}-{index}/tool-calls", payment(number))

    return await asyncio.gather(*(one(index, caller) for index, caller in enumerate(callers)))


def must_say_why(reply: Reply, reasons: set[str]) -> None:
    assert reply.status == 503, reply.content
    assert reply.problem in reasons
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.body["detail"]


@contextmanager
def stopped(home: Installation) -> Generator[None]:
    home.postgres.stop()
    try:
        yield
    finally:
        home.postgres.start()


async def test_without_its_database_everything_is_refused_until_it_is_back(
    home: Installation, service: Service
) -> None:
    before, url = home.head(), home.postgres.url
    async with AsyncExitStack() as stack, asyncio.timeout(100):
        callers = await agents(home, service, stack, "stopped")
        with stopped(home):
            for number in (1, 2):
                for reply in await proposed(callers, "stopped", number, patient=False):
                    must_say_why(reply, AWAY)
            for reply in await proposed(callers, "stopped", 0, patient=False):  # even what is known already
                must_say_why(reply, AWAY)
            must_say_why(await callers[0].ask("POST", "/v1/runs", {"purpose": "p"}), AWAY)
            must_say_why(
                await callers[1].ask("GET", "/v1/runs/stopped-1"), {*AWAY, "/problems/reading-unavailable"}
            )
            ready = await callers[2].ask("GET", "/health/ready")
            assert (ready.status, ready.body["status"]) == (503, "unavailable")
            assert "The database cannot be reached." in ready.body["wrong"]
            assert (await callers[3].ask("GET", "/health/live")).status == 200
        assert home.postgres.url == url, "it came back where it was"
        after = await proposed(callers, "stopped", 3)
        assert {(reply.status, reply.body["verdict"]) for reply in after} == {(200, "allow")}
    assert home.rows(DECIDED, before) == [(2 * len(callers),)], "what was refused was not done"
    assert service.starts == 1


async def first_answer(caller: Caller, method: str, path: str, body: Body | None = None) -> Reply:
    """The first that a starting service gives."""
    while True:
        try:
            return await caller.ask(method, path, body)
        except OSError:  # it does not listen yet
            await asyncio.sleep(PAUSE)


async def test_a_service_started_without_its_database_refuses_until_it_is_there(home: Installation) -> None:
    url, token = home.postgres.url, home.token("robot")
    with stopped(home), served(home, {"DATABASE_URL": url}, ready=False) as service:
        caller = Caller(service.address, token)
        async with asyncio.timeout(60):
            must_say_why(await first_answer(caller, "POST", "/v1/runs", {"purpose": "p"}), AWAY)
            home.postgres.start()
            begun = await caller.answered("POST", "/v1/runs", {"purpose": "p"})
            await caller.hang_up()
    assert begun.status == 201
    assert service.starts == 1


async def test_a_service_that_waits_for_its_database_can_be_stopped(home: Installation) -> None:
    url = home.postgres.url
    with stopped(home), served(home, {"DATABASE_URL": url}, workers=2, ready=False) as service:
        caller = Caller(service.address, "")
        async with asyncio.timeout(60):
            assert (await first_answer(caller, "GET", "/health/live")).status == 200
            await caller.hang_up()


async def test_a_database_that_hangs_is_given_up_and_taken_up_again(
    home: Installation, service: Service
) -> None:
    before = home.head()
    async with AsyncExitStack() as stack, asyncio.timeout(100):
        callers = await agents(home, service, stack, "frozen")
        frozen = database(home.database)
        assert send(signal.SIGSTOP, frozen) > 1
        try:
            for number in (1, 2):
                for reply in await proposed(callers, "frozen", number, patient=False):
                    must_say_why(reply, {*AWAY, "/problems/deadline-passed"})
        finally:
            send(signal.SIGCONT, frozen)
        for number in (1, 2, 3):  # what was under way may have been decided: it is answered, not done again
            after = await proposed(callers, "frozen", number)
            assert {(reply.status, reply.body["verdict"]) for reply in after} == {(200, "allow")}
    assert home.rows(DECIDED, before) == [(4 * len(callers),)]
    home.positions_are_whole()


@pytest.mark.parametrize("how", ["silent", "cut off"])
async def test_when_the_law_cannot_be_followed_nothing_is_decided_until_it_can(
    home: Installation, how: str
) -> None:
    before = home.head()
    follower = role_url(home.postgres.url, "follower", master_key(home.settings))
    async with AsyncExitStack() as stack, asyncio.timeout(100):
        proxy = await stack.enter_async_context(proxied(follower))
        given = {"DATABASE_URL": home.postgres.url, "MAGISTRATE_FOLLOWER_URL": proxy.url(follower)}
        serving = served(home, given)
        service = await asyncio.to_thread(serving.__enter__)  # meanwhile, the proxy has work to do
        stack.push_async_callback(asyncio.to_thread, serving.__exit__, None, None, None)
        name = f"stalled-{how[:3]}"
        callers = await agents(home, service, stack, name)
        stall(proxy, how)
        refused = await refusals(callers, name)
        assert "/problems/law-behind" in {reply.problem for reply in refused}
        decided = home.rows(DECIDED, before)
        for reply in await proposed(callers, name, 1_000, patient=False):
            must_say_why(reply, {"/problems/law-behind"})
            assert reply.body["lag_seconds"] > 2
        assert home.rows(DECIDED, before) == decided
        resume(proxy)
        after = await proposed(callers, name, 1_000)
        assert {(reply.status, reply.body["verdict"]) for reply in after} == {(200, "allow")}


def stall(proxy: Proxy, how: str) -> None:
    proxy.deaf = how == "silent"
    proxy.refuse = not proxy.deaf
    if proxy.refuse:
        proxy.hang_up()


def resume(proxy: Proxy) -> None:
    proxy.deaf = proxy.refuse = False


async def refusals(callers: list[Caller], name: str) -> list[Reply]:
    """Asks on until everybody is refused; the law in memory may be used for a little while."""
    number = 0
    while True:
        number += 1
        replies = await proposed(callers, name, number, patient=False)
        assert {reply.status for reply in replies} <= {200, 503}
        if all(reply.status == 503 for reply in replies):
            return replies
