"""Questions over HTTP: paged, as of a position, and after one's own write."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.kernel import Json
from tests.api.house import House, on_memory
from tests.api.looking import answered, found, looked_at, refused
from tests.postgres import Database


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with looked_at(database, tmp_path) as house:
        yield house


async def test_runs_are_listed_newest_first_with_how_their_calls_were_decided(house: House) -> None:
    for run_id in ("r1", "r2"):
        await house.run(run_id)
    await house.pay(50, "c1")
    await house.pay(500, "c2")
    await house.pay(5000, "c3")
    listed = await found(house, "/v1/runs")
    assert [run["run_id"] for run in listed] == ["r2", "r1"]
    counts = {name: listed[1][name] for name in ("allowed", "asked", "denied", "standing")}
    assert counts == {"allowed": 1, "asked": 1, "denied": 1, "standing": "active"}


async def test_runs_are_found_by_what_is_known_of_them(house: House) -> None:
    for run_id in ("r1", "r2"):
        await house.run(run_id)
    await house.pay(5000, "c1", "r1")
    await house.done("POST", "/v1/runs/r2/complete", {"result": "done"}, as_="robot")

    async def ids(**query: Json) -> list[str]:
        return [run["run_id"] for run in await found(house, "/v1/runs", **query)]

    assert await ids(verdict="deny") == ["r1"]
    assert await ids(standing="completed") == ["r2"]
    assert await ids(standing="paused") == []
    assert await ids(agent_id="robot") == ["r2", "r1"]
    assert await ids(agent_id="somebody") == []


async def test_pages_follow_one_another_while_new_runs_arrive(house: House) -> None:
    for number in range(5):
        await house.run(f"r{number}")
    seen: list[str] = []
    page = await answered(house, "/v1/runs", limit=2)
    while True:
        seen += [run["run_id"] for run in page["items"]]
        await house.run(f"new-{len(seen)}")
        if page["next"] is None:
            break
        page = await answered(house, "/v1/runs", limit=2, cursor=page["next"])
    assert seen == ["r4", "r3", "r2", "r1", "r0"]


async def test_a_cursor_belongs_to_its_question(house: House) -> None:
    for number in range(3):
        await house.run(f"r{number}")
    page = await answered(house, "/v1/runs", limit=1)
    for path in (
        f"/v1/decisions?cursor={page['next']}",
        f"/v1/runs?standing=active&cursor={page['next']}",
        "/v1/runs?cursor=nonsense",
        "/v1/runs?cursor=%F0%9F%98%80",
    ):
        assert await refused(house, path) == (422, "cursor-invalid")


async def test_a_page_links_to_the_next(house: House) -> None:
    for number in range(2):
        await house.run(f"r{number}")
    await found(house, "/v1/runs")
    first = await house.ask("GET", "/v1/runs?limit=1&agent_id=robot")
    address = first.headers["Link"].split(";")[0].strip("<>")
    second = await house.ask("GET", address)
    assert [run["run_id"] for run in second.json()["items"]] == ["r0"]
    assert "Link" not in second.headers


async def test_the_timeline_tells_a_run_with_its_approval(house: House) -> None:
    await house.run()
    asked = await house.pay(500, "c1")
    approval = asked["approval"]["id"]
    saw = {"saw": asked["action_digest"], "note": "fine"}
    await house.done("POST", f"/v1/approvals/{approval}/grant", saw, as_="anna")
    said = [line["what"] for line in await found(house, "/v1/runs/r1/timeline")]
    assert said[:3] == [
        "robot started: p",
        "Proposed pay",
        "Asked for approval: Somebody must have looked at a payment above 100.",
    ]
    assert said[3].startswith("Approval wanted from 1 x approver by ")
    assert said[4:] == ["anna said yes: fine", "Approved", "Released after consent", "The approval was used"]


async def test_a_timeline_is_read_in_pages_and_as_of_a_position(house: House) -> None:
    await house.run()
    for number in range(3):
        await house.pay(50, f"c{number}")
    lines = await found(house, "/v1/runs/r1/timeline")
    first = await answered(house, "/v1/runs/r1/timeline", limit=4)
    rest = await answered(house, "/v1/runs/r1/timeline", limit=4, cursor=first["next"])
    assert [*first["items"], *rest["items"]] == lines
    assert rest["next"] is None
    past = await found(house, "/v1/runs/r1/timeline", as_of=lines[2]["position"])
    assert past == lines[:3]


async def test_lists_are_answered_as_of_a_position(house: House) -> None:
    await house.run()
    await house.pay(50, "c1")
    then = await house.app.desk.log.head()
    await house.pay(5000, "c2")
    await house.done("POST", "/v1/runs/r1/complete", {"result": "done"}, as_="robot")
    [now] = await found(house, "/v1/runs")
    [past] = await found(house, "/v1/runs", as_of=then)
    assert (now["standing"], now["denied"]) == ("completed", 1)
    assert (past["standing"], past["denied"]) == ("active", 0)
    assert await found(house, "/v1/runs", as_of=then, standing="completed") == []
    assert await found(house, "/v1/runs", as_of=then, verdict="deny") == []
    assert len(await found(house, "/v1/decisions", as_of=then)) == 1


async def test_decisions_tell_their_grounds_and_what_came_of_them(house: House) -> None:
    await house.run()
    await house.pay(50, "c1")
    await house.pay(5000, "c2")
    await house.done("POST", "/v1/runs/r1/tool-calls/c1/outcome", {"status": "confirmed"}, as_="robot")
    denied, allowed = await found(house, "/v1/decisions")
    assert (denied["verdict"], denied["stage"], denied["tool"]) == ("deny", "denied", "pay")
    assert {"policy": "never-so-much", "effect": "forbid", "reason": "Nobody pays more than 1000."} in denied[
        "reasons"
    ]
    assert [stage["stage"] for stage in allowed["stages"]] == ["dispatched", "confirmed"]
    assert allowed["stage"] == "confirmed"


async def test_decisions_are_found_by_what_is_known_of_them(house: House) -> None:
    await house.run()
    await house.run("r2")
    await house.pay(50, "c1")
    await house.pay(5000, "c2", "r2")

    async def calls(**query: Json) -> list[str]:
        return [one["call_id"] for one in await found(house, "/v1/decisions", **query)]

    [late, early] = await found(house, "/v1/decisions")
    assert await calls(verdict="deny") == ["c2"]
    assert await calls(run_id="r1") == ["c1"]
    assert await calls(call_id="c1") == ["c1"]
    assert await calls(policy="never-so-much") == ["c2"]
    assert await calls(policy="small-payments") == ["c1"]
    assert await calls(tool="pay", agent_id="robot") == ["c2", "c1"]
    assert await calls(tool="look") == []
    assert await calls(tool="pay", policy="never-so-much", agent_id="robot", verdict="deny") == ["c2"]
    assert await calls(tool="look", policy="never-so-much") == []
    assert await calls(to=late["at"]) == ["c1"]
    assert await calls(from_=late["at"]) == ["c2"]
    assert await calls(from_=early["at"], to=late["at"]) == ["c1"]


async def test_who_asks_for_what_is_not_there_yet_is_told_to_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.read_models.reading.PATIENCE_SECONDS", 0.1)
    answer = await house.ask("GET", "/v1/runs?at_least=1000000")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "/problems/not-there-yet"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1000", "unknown=1", "standing=asleep", "as_of=-1", "agent_id=a/b", "from=now"]
)
async def test_a_question_that_is_not_understood_is_refused(house: House, query: str) -> None:
    path = "/v1/decisions" if query.startswith("from") else "/v1/runs"
    assert await refused(house, f"{path}?{query}") == (422, "request-invalid")


async def test_a_position_header_that_is_no_number_is_refused(house: House) -> None:
    assert await refused(house, "/v1/runs", Magistrate_Position="x") == (400, "malformed-header")


async def test_without_a_database_questions_are_refused_and_decisions_go_on(tmp_path: Path) -> None:
    async with on_memory(tmp_path) as house:
        await house.furnish()
        await house.run()
        assert (await house.pay(50, "c1"))["verdict"] == "allow"
        assert await refused(house, "/v1/runs") == (503, "reading-unavailable")
