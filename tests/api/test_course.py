"""Runs from start to end, registries, and batches: what callers are told on the way."""

from tests.api.house import LOOK, House

CALL = {"tool": "look", "arguments": {}}


def type_of(answer: object) -> str:
    return str(answer.json()["type"]).removeprefix("/problems/")  # type: ignore[attr-defined]


async def test_a_run_is_started_once(house: House) -> None:
    first = await house.ask("POST", "/v1/runs", {"run_id": "r1", "purpose": "p"}, as_="robot")
    again = await house.ask("POST", "/v1/runs", {"run_id": "r1", "purpose": "p"}, as_="robot")
    other = await house.ask("POST", "/v1/runs", {"run_id": "r1", "purpose": "q"}, as_="robot")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert type_of(other) == "run-exists"
    assert "salt" not in first.text


async def test_a_run_of_an_unknown_agent_is_not_started(house: House) -> None:
    answer = await house.ask("POST", "/v1/runs", {"agent_id": "ghost"}, as_="olga")
    assert (answer.status_code, type_of(answer)) == (422, "agent-not-registered")


async def test_a_paused_run_proposes_nothing_and_an_ended_one_never_again(house: House) -> None:
    await house.run()
    await house.done("POST", "/v1/runs/r1/pause", {"reason": "wait"}, as_="olga")
    paused = await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")
    assert (paused.status_code, type_of(paused)) == (409, "run-is-paused")
    await house.done("POST", "/v1/runs/r1/resume", {"reason": "go"}, as_="olga")
    assert (await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")).status_code == 200
    await house.done("POST", "/v1/runs/r1/complete", {"result": "done"}, as_="robot")
    ended = await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")
    assert (ended.status_code, type_of(ended)) == (409, "run-ended")
    for end in ("fail", "cancel", "escalate"):
        assert (await house.ask("POST", f"/v1/runs/r1/{end}", {"reason": ""}, as_="robot")).status_code == 409


async def test_a_model_call_is_counted_once(house: House) -> None:
    await house.run()
    used = {"model_call_id": "m1", "model": "m", "input_tokens": 10, "output_tokens": 5, "cost": 700}
    for _ in range(2):
        run = await house.done("POST", "/v1/runs/r1/model-calls", used, as_="robot")
        assert (run["model_calls"], run["spent"]) == (1, {"USD": 700})
    other = await house.ask("POST", "/v1/runs/r1/model-calls", {**used, "cost": 8}, as_="robot")
    assert (other.status_code, type_of(other)) == (409, "model-call-id-reused")


async def test_an_outcome_is_told_once_and_only_for_an_allowed_call(house: House) -> None:
    await house.run()
    await house.pay(5000, "denied")
    await house.pay(50, "c1")
    path = "/v1/runs/r1/tool-calls/{}/outcome"
    no = await house.ask("POST", path.format("denied"), {"status": "confirmed"}, as_="robot")
    assert (no.status_code, type_of(no)) == (409, "call-not-allowed")
    assert (
        type_of(await house.ask("POST", path.format("zz"), {"status": "failed"}, as_="robot"))
        == "call-unknown"
    )
    await house.done("POST", path.format("c1"), {"status": "failed", "note": "e"}, as_="robot")
    await house.done("POST", path.format("c1"), {"status": "failed", "note": "e"}, as_="robot")
    other = await house.ask("POST", path.format("c1"), {"status": "confirmed"}, as_="robot")
    assert (other.status_code, type_of(other)) == (409, "outcome-recorded")
    wrong = await house.ask("POST", path.format("c1"), {"status": "failed", "output": 1}, as_="robot")
    assert wrong.status_code == 422


async def test_a_call_that_nobody_asked_consent_for_is_not_released(house: House) -> None:
    await house.run()
    asked = await house.pay(500, "c1")
    early = await house.ask("POST", "/v1/runs/r1/tool-calls/c1/release", as_="robot")
    assert (early.status_code, type_of(early)) == (409, "approval-not-granted")
    await house.done("POST", f"{asked['approval']['url']}/reject", {"reason": "no"}, as_="anna")
    after = await house.done("GET", asked["approval"]["url"], as_="anna")
    assert after["standing"] == "rejected"


async def test_a_position_is_told_with_every_answer(house: House) -> None:
    started = await house.ask("POST", "/v1/runs", {"run_id": "r1"}, as_="robot")
    decided = await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")
    assert int(decided.headers["magistrate-position"]) > int(started.headers["magistrate-position"])
    assert decided.json()["position"] == int(decided.headers["magistrate-position"])
    read = await house.ask("GET", "/v1/runs/r1", as_="robot")
    assert (read.headers["magistrate-position"], read.headers["etag"]) == (
        decided.headers["magistrate-position"],
        '"3"',
    )


async def test_a_batch_decides_each_on_its_own(house: House) -> None:
    await house.run("r1")
    await house.run("r2")
    proposals = [
        {"run_id": "r1", "call_id": "a", "tool": "pay", "arguments": {"to": "b", "amount": 5}},
        {"run_id": "r2", "call_id": "a", "tool": "pay", "arguments": {"to": "b", "amount": 5000}},
        {"run_id": "zz", "call_id": "a", "tool": "look", "arguments": {}},
        {"run_id": "r1", "tool": "fly", "arguments": {}},
        {"run_id": "r1", "tool": "look", "arguments": {}},
    ]
    answer = await house.ask("POST", "/v1/tool-calls:batch", {"proposals": proposals}, as_="robot")
    assert answer.status_code == 200
    results = answer.json()["results"]
    said = [each.get("decision", {}).get("verdict") or each["problem"]["type"] for each in results]
    assert said == ["allow", "deny", "/problems/run-unknown", "/problems/tool-not-registered", "allow"]
    assert int(answer.headers["magistrate-position"]) == max(
        each.get("decision", {}).get("position", 0) for each in results
    )


async def test_a_batch_has_a_hundred_proposals_at_most(house: House) -> None:
    await house.run()
    many = [{"run_id": "r1", **CALL}] * 100
    fine = await house.ask("POST", "/v1/tool-calls:batch", {"proposals": many}, as_="robot")
    assert len(fine.json()["results"]) == 100
    for proposals in ([], [*many, *many[:1]]):
        answer = await house.ask("POST", "/v1/tool-calls:batch", {"proposals": proposals}, as_="robot")
        assert (answer.status_code, type_of(answer)) == (422, "request-invalid")


async def test_registering_twice_is_once_and_otherwise_refused(house: House) -> None:
    again = await house.ask("POST", "/v1/tools", {"name": "look", "registration": LOOK})
    other = await house.ask("POST", "/v1/tools", {"name": "look", "registration": {**LOOK, "risk": "write"}})
    assert (again.status_code, other.status_code, type_of(other)) == (200, 409, "tool-exists")
    await house.done("POST", "/v1/tools/look/retire", {"reason": "r"})
    gone = await house.ask("POST", "/v1/tools", {"name": "look", "registration": LOOK})
    assert (gone.status_code, type_of(gone)) == (409, "tool-is-retired")


async def test_a_tenant_keeps_its_last_admin(house: House) -> None:
    answer = await house.ask("DELETE", "/v1/tenant/members/ada/roles/admin")
    assert (answer.status_code, type_of(answer)) == (409, "last-admin")
    agent = await house.ask("PUT", "/v1/tenant/members/olga/roles/agent")
    assert (agent.status_code, type_of(agent)) == (422, "agent-role-not-grantable")
    await house.done("POST", "/v1/tenant/leave-founding")
    late = await house.ask("PUT", "/v1/tenant/members/olga/roles/admin")
    assert (late.status_code, type_of(late)) == (403, "only-while-founding")


async def test_policies_that_do_not_hold_together_are_refused_with_every_error(house: House) -> None:
    head = await house.app.desk.log.head()
    for text in (
        "permit (principal",
        '@id("x") permit (principal, action, resource) when { context.args.altitude > 3 };',
        '@id("x") permit (principal, action == Action::"pay", resource) when { context.args.altitude > 3 };',
    ):
        answer = await house.ask("POST", "/v1/policy-sets", {"text": text})
        assert (answer.status_code, type_of(answer)) == (422, "policy-set-invalid"), answer.text
        assert answer.json()["errors"]
    unknown = await house.ask("POST", f"/v1/policy-sets/{'0' * 64}/activate")
    assert (unknown.status_code, type_of(unknown)) == (404, "policy-set-unknown")
    assert await house.app.desk.log.head() == head


async def test_the_active_set_can_be_read(house: House) -> None:
    active = await house.done("GET", "/v1/policy-sets/active")
    assert active["active"]
    assert "small-payments" in active["text"]
    assert (await house.done("GET", f"/v1/policy-sets/{active['digest']}"))["text"] == active["text"]


async def test_names_of_people_are_not_told(house: House) -> None:
    tenant = await house.done("GET", "/v1/tenant")
    assert {member["principal"] for member in tenant["members"]} >= {"ada", "olga"}
    assert "Olga" not in str(tenant)
