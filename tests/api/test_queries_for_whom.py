"""Who is told what: own runs or all, approvals that wait for one's voice, personal fields."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.event_store.memory import MemoryEventLog
from tests.api.house import PAY, House
from tests.api.looking import answered, found, looked_at, refused
from tests.postgres import Database

PRIVATE = {**PAY, "personal": [{"within": "arguments", "pointer": "/to", "subject": "arg:/to"}]}


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with looked_at(database, tmp_path) as house:
        yield house


async def test_everybody_sees_own_runs_and_only_who_is_entitled_sees_all(house: House) -> None:
    await house.run("r1", as_="robot")
    await house.pay(50, "c1")
    for who, sees in (("robot", True), ("audie", True), ("olga", True), ("anna", False)):
        assert bool(await found(house, "/v1/runs", as_=who)) is sees, who
        assert bool(await found(house, "/v1/decisions", as_=who)) is sees, who
    await found(house, "/v1/runs")
    assert await refused(house, "/v1/runs/r1/timeline", as_="anna") == (404, "run-unknown")
    assert await refused(house, "/v1/runs/none/timeline") == (404, "run-unknown")
    assert await refused(house, "/v1/runs", as_="nobody") == (403, "forbidden")


async def test_another_tenant_sees_nothing(house: House) -> None:
    await house.found("other", "otto")
    await house.run()
    await found(house, "/v1/runs")
    for path in ("/v1/runs", "/v1/decisions", "/v1/approvals"):
        answer = await house.ask("GET", path, as_="otto", tenant="other")
        assert answer.json()["items"] == []
    answer = await house.ask("GET", "/v1/runs/r1/timeline", as_="otto", tenant="other")
    assert answer.status_code == 404


async def test_an_approval_waits_for_those_whose_voice_counts(house: House) -> None:
    await house.run()
    asked = await house.pay(500, "c1")
    for who, waits in (("anna", True), ("bert", True), ("robot", False), ("audie", False)):
        [one] = await found(house, "/v1/approvals", as_=who)
        assert one["waits_for_you"] is waits, who
        assert bool(await found(house, "/v1/approvals", as_=who, for_me=True)) is waits, who
    then = await house.app.desk.log.head()
    body = {"saw": asked["action_digest"]}
    await house.done("POST", f"/v1/approvals/{asked['approval']['id']}/grant", body, as_="anna")
    assert await found(house, "/v1/approvals", as_="bert") == []
    [then_waiting] = await found(house, "/v1/approvals", as_="bert", as_of=then)
    assert then_waiting["approval_id"] == asked["approval"]["id"]
    assert [step["step"] for step in then_waiting["steps"]] == ["requested"]


async def test_approvals_come_oldest_first_in_pages(house: House) -> None:
    await house.run()
    asked = [(await house.pay(500 + number, f"c{number}"))["approval"]["id"] for number in range(3)]
    first = await answered(house, "/v1/approvals", limit=2)
    rest = await answered(house, "/v1/approvals", limit=2, cursor=first["next"])
    assert [one["approval_id"] for one in (*first["items"], *rest["items"])] == asked


async def test_personal_fields_are_shown_to_those_it_concerns_and_marked_for_others(house: House) -> None:
    changed = await house.ask("PUT", "/v1/tools/pay", PRIVATE, headers={"If-Match": '"1"'})
    assert changed.is_success, changed.text
    await house.run()
    await house.pay(500, "c1")

    async def arguments(who: str) -> str:
        return str((await found(house, "/v1/runs/r1/timeline", as_=who))[1]["detail"]["arguments"]["to"])

    assert {who: await arguments(who) for who in ("robot", "audie", "olga")} == {
        "robot": "bob",
        "audie": "bob",
        "olga": "[sealed]",
    }
    shown = {who: (await found(house, "/v1/approvals", as_=who))[0]["arguments"] for who in ("anna", "olga")}
    assert shown == {"anna": {"to": "bob", "amount": 500}, "olga": {"to": "[sealed]", "amount": 500}}
    log = house.app.desk.log
    assert isinstance(log, MemoryEventLog)
    assert await log.erase("acme", "bob")
    assert await arguments("audie") == "[erased]"
