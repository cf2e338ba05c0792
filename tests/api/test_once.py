"""Idempotency keys and versions: one effect and one answer, and nobody overwrites what they have not read."""

import asyncio

import httpx
import pytest

from tests.api.house import PAY, House

ROBOT = {"discipline": "developer", "model": "m1", "owner": "olga"}


def key(text: str) -> dict[str, str]:
    return {"Idempotency-Key": text}


def same(first: httpx.Response, again: httpx.Response) -> None:
    assert again.status_code == first.status_code
    assert again.content == first.content
    assert again.headers["magistrate-position"] == first.headers["magistrate-position"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_same_key_later_gets_the_first_answer(house: House) -> None:
    first = await house.ask("POST", "/v1/runs", {"purpose": "p"}, as_="robot", headers=key("k1"))
    assert (first.status_code, first.headers.get("idempotent-replayed")) == (201, None)
    head = await house.app.desk.log.head()
    same(first, await house.ask("POST", "/v1/runs", {"purpose": "p"}, as_="robot", headers=key("k1")))
    assert await house.app.desk.log.head() == head


async def test_the_same_key_at_once_has_one_effect(house: House) -> None:
    head = await house.app.desk.log.head()
    answers = await asyncio.gather(
        *(house.ask("POST", "/v1/runs", {"purpose": "p"}, as_="robot", headers=key("k2")) for _ in range(16))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert await house.app.desk.log.head() == head + 1


async def test_the_same_key_at_once_on_one_thing_gets_one_answer(house: House) -> None:
    body = {"agent_id": "twin", **ROBOT}
    answers = await asyncio.gather(
        *(house.ask("POST", "/v1/agents", body, headers=key("k3")) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1


async def test_the_same_key_for_something_else_is_refused(house: House) -> None:
    await house.ask("POST", "/v1/runs", {"purpose": "p"}, as_="robot", headers=key("k4"))
    for path, body in (("/v1/runs", {"purpose": "q"}), ("/v1/runs/r9/pause", {"reason": ""})):
        answer = await house.ask("POST", path, body, as_="robot", headers=key("k4"))
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/idempotency-key-reused"


async def test_keys_of_two_principals_have_nothing_to_do_with_each_other(house: House) -> None:
    first = await house.ask("POST", "/v1/runs", {"agent_id": "robot"}, as_="robot", headers=key("k5"))
    second = await house.ask("POST", "/v1/runs", {"agent_id": "robot"}, as_="olga", headers=key("k5"))
    assert first.json()["run_id"] != second.json()["run_id"]


async def test_every_kind_of_command_answers_the_same_twice(house: House) -> None:
    await house.run()
    commands = (
        (
            "POST",
            "/v1/tenants",
            {"id": "t2", "name": "T", "founder": {"principal": "x", "display_name": "X"}},
        ),
        ("POST", "/v1/tenant/teams", {"team": "blue"}),
        ("POST", "/v1/tenant/members", {"principal": "zoe", "display_name": "Zoe"}),
        ("PUT", "/v1/tenant/members/zoe/roles/auditor", None),
        ("DELETE", "/v1/tenant/members/zoe/roles/auditor", None),
        ("DELETE", "/v1/tenant/members/zoe", None),
        ("POST", "/v1/tools", {"name": "pay2", "registration": PAY}),
        ("POST", "/v1/tools/pay2/suspend", {"reason": "r"}),
        ("POST", "/v1/policy-sets", {"text": '@id("all") permit (principal, action, resource);'}),
        ("POST", "/v1/agents/robot/suspend", {"reason": "r"}),
        ("POST", "/v1/agents/robot/reinstate", {"reason": "r"}),
        ("POST", "/v1/runs/r1/pause", {"reason": "r"}),
        ("POST", "/v1/tenant/leave-founding", None),
    )
    for number, (method, path, body) in enumerate(commands):
        who, tenant = ("root", "platform") if path == "/v1/tenants" else ("ada", "acme")
        first, again = [
            await house.ask(method, path, body, as_=who, tenant=tenant, headers=key(f"all-{number}"))
            for _ in range(2)
        ]
        assert first.is_success, first.text
        same(first, again)


async def test_a_consent_under_a_key_is_given_once(house: House) -> None:
    await house.run()
    decided = await house.pay(500, "c1")
    path, saw = f"{decided['approval']['url']}/grant", {"saw": decided["action_digest"]}
    first = await house.ask("POST", path, saw, as_="anna", headers=key("yes"))
    same(first, await house.ask("POST", path, saw, as_="anna", headers=key("yes")))
    assert (await house.pay(500, "c1"))["stage"] == "allowed"


@pytest.mark.parametrize("text", ["", " ", "a b", "é", "x" * 256])
async def test_a_key_of_the_wrong_form_is_refused(house: House, text: str) -> None:
    token = f"Bearer {house.token('robot')}"
    headers = {b"Idempotency-Key": text.encode(), b"Authorization": token.encode()}
    answer = await house.http.post("/v1/runs", json={}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-header")


async def test_a_call_is_decided_once_under_its_own_id(house: House) -> None:
    await house.run()
    first = await house.pay(50, "c1")
    assert await house.pay(50, "c1") == first
    body = {"call_id": "c1", "tool": "pay", "arguments": {"to": "bob", "amount": 51}}
    other = await house.ask("POST", "/v1/runs/r1/tool-calls", body, as_="robot")
    assert (other.status_code, other.json()["type"]) == (409, "/problems/call-id-reused")


async def test_an_update_needs_the_version_that_was_read(house: House) -> None:
    read = await house.ask("GET", "/v1/agents/robot")
    tag = read.headers["etag"]
    new = {**ROBOT, "model": "m2"}
    without = await house.ask("PUT", "/v1/agents/robot", new)
    assert (without.status_code, without.json()["type"]) == (428, "/problems/if-match-missing")
    fine = await house.ask("PUT", "/v1/agents/robot", new, headers={"If-Match": tag})
    assert (fine.status_code, fine.json()["model"]) == (200, "m2")
    assert fine.headers["etag"] != tag
    late = await house.ask("PUT", "/v1/agents/robot", {**new, "model": "m3"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["type"]) == (412, "/problems/version-moved")
    odd = await house.ask("PUT", "/v1/agents/robot", new, headers={"If-Match": "W/x"})
    assert odd.status_code == 400


async def test_a_tool_is_reclassified_as_of_the_version_read(house: House) -> None:
    tag = (await house.ask("GET", "/v1/tools/pay")).headers["etag"]
    assert (await house.ask("PUT", "/v1/tools/pay", {**PAY, "description": "d"})).status_code == 428
    fine = await house.ask("PUT", "/v1/tools/pay", {**PAY, "description": "d"}, headers={"If-Match": tag})
    assert (fine.status_code, fine.json()["edition"]) == (200, 2)
    late = await house.ask("PUT", "/v1/tools/pay", {**PAY, "description": "e"}, headers={"If-Match": tag})
    assert late.status_code == 412
