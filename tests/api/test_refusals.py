"""What cannot be read or is not there: a precise problem, and nothing recorded."""

import json

import pytest

from api.http.rejections import Unexpected
from tests.api.house import House

PROPOSALS = "/v1/runs/r1/tool-calls"


async def sent(
    house: House, path: str, content: bytes, kind: str = "application/json", who: str = "robot"
) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {house.token(who)}", "Content-Type": kind}
    answer = await house.http.post(path, content=content, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["correlation_id"]
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "path", [PROPOSALS, "/v1/tool-calls:batch", "/v1/runs", "/v1/runs/r1/tool-calls/c1/outcome"]
)
@pytest.mark.parametrize(
    ("content", "kind", "status", "type_"),
    [
        (b"{", "application/json", 400, "malformed-body"),
        (b"", "application/json", 400, "malformed-body"),
        (b"\xff\xfe", "application/json", 400, "malformed-body"),
        (b"NaN", "application/json", 400, "malformed-body"),
        (b"[]", "application/json", 422, "request-invalid"),
        (b"null", "application/json", 422, "request-invalid"),
        (b'{"surprise": 1}', "application/json", 422, "request-invalid"),
        (b"{}", "text/plain", 415, "wrong-content-type"),
        (b"{}", "multipart/form-data", 415, "wrong-content-type"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "application/json", 422, "body-too-deep"),
        (b"[" * 100_000 + b"]" * 100_000, "application/json", 422, "body-too-deep"),
        (b'{"note": "' + b"x" * 1_100_000 + b'"}', "application/json", 413, "body-too-large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_precisely(
    house: House, path: str, content: bytes, kind: str, status: int, type_: str
) -> None:
    head = await house.app.desk.log.head()
    found, problem = await sent(house, path, content, kind)
    assert (found, problem["type"]) == (status, f"/problems/{type_}"), problem
    assert await house.app.desk.log.head() == head


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"tool": 1, "arguments": {}}, "/tool"),
        ({"tool": "pay", "arguments": []}, "/arguments"),
        ({"tool": "pay", "arguments": {}, "x": 1}, "/x"),
        ({"tool": "p y", "arguments": {}}, "/tool"),
        ({"tool": "pay", "arguments": {}, "call_id": "a/b"}, "/call_id"),
        ({"tool": "pay", "arguments": {}, "call_id": "a\n"}, "/call_id"),
        ({"tool": "pay", "arguments": {}, "call_id": "x" * 129}, "/call_id"),
        ({"tool": "pay", "arguments": {}, "at": "yesterday"}, "/at"),
        ({"tool": "pay", "arguments": {}, "at": "2026-01-01T00:00:00"}, "/at"),
        ({"tool": "pay", "arguments": {}, "at": "0001-01-01T00:00:00Z"}, "/at"),
    ],
    ids=str,
)
async def test_a_proposal_of_the_wrong_form_is_told_where(
    house: House, body: dict[str, object], pointer: str
) -> None:
    status, problem = await sent(house, PROPOSALS, json.dumps(body).encode())
    assert (status, problem["type"]) == (422, "/problems/request-invalid")
    assert problem["errors"][0]["pointer"] == pointer  # type: ignore[index]


async def test_text_with_a_null_character_is_refused(house: House) -> None:
    await house.run()
    body = b'{"tool":"pay","arguments":{"to":"a\\u0000b","amount":1}}'
    assert (await sent(house, PROPOSALS, body))[0] == 422
    fine = b'{"tool":"pay","arguments":{"to":"a\\\\u0000b","amount":1}}'
    headers = {"Authorization": f"Bearer {house.token('robot')}", "Content-Type": "application/json"}
    assert (await house.http.post(PROPOSALS, content=fine, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "type_"),
    [
        ({"tool": "fly", "arguments": {}}, 422, "tool-not-registered"),
        ({"tool": "pay", "arguments": {"to": "bob"}}, 422, "arguments-invalid"),
        ({"tool": "pay", "arguments": {"to": "bob", "amount": "5"}}, 422, "arguments-invalid"),
        ({"tool": "pay", "arguments": {"to": "bob", "amount": 5, "more": 1}}, 422, "arguments-invalid"),
        ({"tool": "pay", "arguments": {"to": "bob", "amount": 10**30}}, 422, "arguments-invalid"),
        (
            {"tool": "pay", "arguments": {"to": "bob", "amount": 5}, "at": "2026-01-01T00:00:00Z"},
            422,
            "time-not-yours",
        ),
    ],
    ids=str,
)
async def test_a_call_that_cannot_be_ruled_on_is_refused_and_not_recorded(
    house: House, body: dict[str, object], status: int, type_: str
) -> None:
    await house.run()
    head = await house.app.desk.log.head()
    found, problem = await sent(house, PROPOSALS, json.dumps(body).encode())
    assert (found, problem["type"]) == (status, f"/problems/{type_}"), problem
    assert await house.app.desk.log.head() == head


async def test_what_is_not_there_is_not_found(house: House) -> None:
    for path in (
        "/v1/runs/none",
        "/v1/agents/none",
        "/v1/tools/none",
        "/v1/approvals/none",
        "/v1/nowhere",
        "/problems/none",
    ):
        answer = await house.ask("GET", path)
        assert answer.status_code == 404, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_run_of_another_tenant_looks_as_if_it_were_not_there(house: House) -> None:
    await house.run()
    await house.pay(5, "c1")
    await house.found("other", "oscar")
    for who in ("oscar",):
        await house.ask("PUT", f"/v1/tenant/members/{who}/roles/operator", as_=who, tenant="other")
    for method, path, body in (
        ("GET", "/v1/runs/r1", None),
        ("POST", "/v1/runs/r1/pause", {"reason": ""}),
        ("POST", "/v1/runs/r1/tool-calls/c1/dispatch", None),
        ("GET", "/v1/agents/robot", None),
        ("POST", "/v1/agents/robot/suspend", {"reason": "x"}),
        ("GET", "/v1/tools/pay", None),
    ):
        theirs = await house.ask(method, path, body, as_="oscar", tenant="other")
        missing = await house.ask(
            method,
            path.replace("r1", "zz").replace("robot", "zz").replace("pay", "zz")
            if "pause" not in path
            else "/v1/runs/zz/pause",
            body,
            as_="oscar",
            tenant="other",
        )
        assert theirs.status_code == 404, (path, theirs.text)
        assert theirs.json()["type"] == missing.json()["type"]


async def test_a_method_that_an_address_does_not_have_is_told_with_those_it_has(house: House) -> None:
    answer = await house.ask("DELETE", "/v1/runs/r1")
    assert answer.status_code == 405
    assert answer.json()["type"] == "/problems/method-not-allowed"
    assert (await house.ask("GET", PROPOSALS)).status_code == 405


async def test_an_id_with_odd_characters_in_an_address_is_refused(house: House) -> None:
    for path in ("/v1/runs/a%20b", "/v1/runs/%00", f"/v1/runs/{'x' * 129}", "/v1/agents/%0A"):
        answer = await house.ask("GET", path)
        assert answer.status_code == 422, (path, answer.text)


async def test_a_fault_of_ours_shows_nothing_of_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(house.app.desk.log, "recall", broken)
    for method, path, body in (
        ("GET", "/v1/runs/r1", None),
        ("POST", PROPOSALS, {"tool": "pay", "arguments": {}}),
    ):
        answer = await house.ask(method, path, body, as_="robot")
        assert answer.status_code == 500
        assert answer.json()["detail"] == Unexpected.__doc__
        assert "swordfish" not in answer.text
        assert "Traceback" not in answer.text


async def test_a_request_carries_its_trace_through(house: House) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await house.ask("GET", "/v1/nowhere", headers={"traceparent": trace})
    assert answer.json()["correlation_id"] == "0af7651916cd43dd8448eb211c80319c"
    named = await house.ask("GET", "/v1/nowhere", headers={"X-Request-Id": "mine-1"})
    assert named.headers["x-request-id"] == "mine-1"
    odd = await house.ask(
        "GET", "/v1/nowhere", headers={"X-Request-Id": "no good", "traceparent": "00-0-0-0"}
    )
    assert odd.headers["x-request-id"] != "no good"
