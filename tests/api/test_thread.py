"""The thin thread: a run is started, its calls are decided, one waits for consent, and all can be read."""

from tests.api.house import House


async def test_a_small_payment_is_allowed_and_confirmed(house: House) -> None:
    await house.run()
    decided = await house.pay(50, "c1")
    assert (decided["verdict"], decided["stage"]) == ("allow", "allowed")
    assert decided["reasons"]
    sent = await house.done("POST", "/v1/runs/r1/tool-calls/c1/dispatch", as_="robot")
    assert sent["stage"] == "dispatched"
    told = await house.done(
        "POST",
        "/v1/runs/r1/tool-calls/c1/outcome",
        {"status": "confirmed", "output": {"ok": True}},
        as_="robot",
    )
    assert told["stage"] == "confirmed"
    run = await house.done("GET", "/v1/runs/r1", as_="robot")
    assert run["calls"] == {"confirmed": 1}


async def test_a_large_payment_is_denied_with_its_reason(house: House) -> None:
    await house.run()
    decided = await house.pay(5000, "c1")
    assert decided["verdict"] == "deny"
    assert [why["reason"] for why in decided["reasons"]] == ["Nobody pays more than 1000."]


async def test_a_payment_in_between_waits_for_consent(house: House) -> None:
    await house.run()
    decided = await house.pay(500, "c1")
    assert decided["verdict"] == "ask"
    granted = await house.done(
        "POST", f"{decided['approval']['url']}/grant", {"saw": decided["action_digest"]}, as_="anna"
    )
    assert granted["released"]["stage"] == "allowed", granted
    assert (await house.pay(500, "c1"))["stage"] == "allowed"
