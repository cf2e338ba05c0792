"""Who may do what over HTTP: the one table, asked of every role."""

import pytest

from tests.api.house import PAY, House

EVERYBODY = ("ada", "olga", "anna", "audie", "robot", "nobody")
REASON = {"reason": "r"}

TABLE: tuple[tuple[str, str, object, set[str]], ...] = (
    ("POST", "/v1/runs", {"agent_id": "robot"}, {"olga", "robot"}),
    ("POST", "/v1/runs", {"agent_id": "robot", "mode": "recorded"}, {"olga"}),
    ("POST", "/v1/runs", {"agent_id": "robot", "on_behalf_of": "eve"}, {"olga"}),
    ("POST", "/v1/runs/r1/tool-calls", {"tool": "look", "arguments": {}}, {"olga", "robot"}),
    ("POST", "/v1/runs/r1/progress", {"note": "n", "percent": 5}, {"olga", "robot"}),
    (
        "POST",
        "/v1/runs/r1/model-calls",
        {"model": "m", "input_tokens": 1, "output_tokens": 1},
        {"olga", "robot"},
    ),
    ("POST", "/v1/runs/r1/pause", REASON, {"ada", "olga", "robot"}),
    ("POST", "/v1/runs/r1/resume", REASON, {"ada", "olga"}),
    ("GET", "/v1/runs/r1", None, {"ada", "olga", "audie", "robot"}),
    ("POST", "/v1/agents/robot/suspend", REASON, {"ada", "olga"}),
    ("POST", "/v1/agents/robot/reinstate", REASON, {"ada", "olga"}),
    ("GET", "/v1/agents/robot", None, {"ada", "olga", "audie", "robot"}),
    ("POST", "/v1/tools/pay/suspend", REASON, {"ada", "olga"}),
    ("POST", "/v1/tools/pay/reinstate", REASON, {"ada", "olga"}),
    ("GET", "/v1/tools/pay", None, {"ada", "olga", "anna", "audie", "robot"}),
    ("POST", "/v1/tools", {"name": "t", "registration": PAY}, {"ada"}),
    ("POST", "/v1/agents", {"agent_id": "a", "discipline": "d", "model": "m", "owner": "o"}, {"ada"}),
    ("POST", "/v1/policy-sets", {"text": '@id("x") permit (principal, action, resource);'}, {"ada"}),
    ("GET", "/v1/policy-sets/active", None, {"ada", "olga", "audie"}),
    ("GET", "/v1/tenant", None, {"ada", "olga", "audie"}),
    ("POST", "/v1/tenant/teams", {"team": "t"}, {"ada"}),
    ("POST", "/v1/tenant/members", {"principal": "m", "display_name": "M"}, {"ada"}),
    ("PUT", "/v1/tenant/members/nobody/roles/auditor", None, {"ada"}),
    ("DELETE", "/v1/tenant/members/nobody/roles/auditor", None, {"ada"}),
)


@pytest.mark.parametrize(
    ("method", "path", "body", "may"), TABLE, ids=lambda part: part if isinstance(part, str) else ""
)
async def test_a_deed_is_for_those_with_the_role(
    house: House, method: str, path: str, body: object, may: set[str]
) -> None:
    await house.run()
    for who in EVERYBODY:
        answer = await house.ask(method, path, body, as_=who)
        if who in may:
            assert answer.is_success, (who, answer.text)
        else:
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden"), (
                who,
                answer.text,
            )


async def test_only_the_platform_founds_tenants(house: House) -> None:
    body = {"id": "mine", "name": "M", "founder": {"principal": "ada", "display_name": "Ada"}}
    for who in EVERYBODY:
        assert (await house.ask("POST", "/v1/tenants", body, as_=who)).status_code == 403
    assert (
        await house.ask("POST", "/v1/tenants", body, as_="stranger", tenant="platform")
    ).status_code == 403


async def test_an_approver_grants_and_others_do_not(house: House) -> None:
    await house.run()
    decided = await house.pay(500, "c1")
    path, saw = f"{decided['approval']['url']}/grant", {"saw": decided["action_digest"]}
    for who in ("ada", "olga", "audie", "robot", "nobody"):
        assert (await house.ask("POST", path, saw, as_=who)).status_code == 403
    shown = await house.ask("POST", path, {"saw": "0" * 64}, as_="anna")
    assert (shown.status_code, shown.json()["type"]) == (409, "/problems/not-what-was-shown")
    assert (await house.ask("POST", path, saw, as_="anna")).status_code == 200
    late = await house.ask("POST", path.replace("grant", "reject"), {"reason": "no"}, as_="bert")
    assert (late.status_code, late.json()["type"]) == (409, "/problems/approval-not-waiting")


async def test_nobody_approves_their_own_agents_action(house: House) -> None:
    await house.done("PUT", "/v1/tenant/members/olga/roles/approver")
    await house.run()
    decided = await house.pay(500, "c1")
    own = await house.ask(
        "POST", f"{decided['approval']['url']}/grant", {"saw": decided["action_digest"]}, as_="olga"
    )
    assert (own.status_code, own.json()["type"]) == (403, "/problems/four-eyes")


async def test_a_role_granted_a_moment_ago_counts(house: House) -> None:
    assert (await house.ask("POST", "/v1/runs", {"agent_id": "robot"}, as_="nobody")).status_code == 403
    await house.done("PUT", "/v1/tenant/members/nobody/roles/operator")
    assert (await house.ask("POST", "/v1/runs", {"agent_id": "robot"}, as_="nobody")).status_code == 201
    await house.done("DELETE", "/v1/tenant/members/nobody/roles/operator")
    await house.app.desk.law.refresh("acme")
    assert (await house.ask("POST", "/v1/runs", {"agent_id": "robot"}, as_="nobody")).status_code == 403


async def test_an_agent_vouches_only_for_itself(house: House) -> None:
    await house.run()
    await house.pay(50, "c1")
    told = {"status": "confirmed", "output": 1, "source": "gateway"}
    path = "/v1/runs/r1/tool-calls/c1/outcome"
    answer = await house.ask("POST", path, told, as_="robot")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/source-not-yours")
    assert (await house.ask("POST", path, told, as_="olga")).status_code == 200


async def test_a_suspended_agent_is_denied_and_starts_nothing(house: House) -> None:
    await house.run()
    assert (await house.pay(50, "c1"))["verdict"] == "allow"
    await house.done("POST", "/v1/agents/robot/suspend", {"reason": "audit"}, as_="olga")
    denied = await house.pay(50, "c2")
    assert (denied["verdict"], denied["reasons"][0]["policy"]) == ("deny", "agent-suspended")
    started = await house.ask("POST", "/v1/runs", {}, as_="robot")
    assert (started.status_code, started.json()["type"]) == (403, "/problems/agent-is-suspended")
    sent = await house.ask("POST", "/v1/runs/r1/tool-calls/c1/dispatch", as_="robot")
    assert (sent.status_code, sent.json()["type"]) == (403, "/problems/no-longer-lawful")
