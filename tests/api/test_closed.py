"""Without the log or with old law nothing is decided; it says why, and goes on by itself."""

import asyncio
from pathlib import Path

import pytest

from application.ports import LogUnavailable
from tests.api.house import House, on_memory

CALL = {"tool": "look", "arguments": {}}


async def until_status(house: House, path: str, status: int) -> str:
    async with asyncio.timeout(5):
        while (answer := await house.http.get(path)).status_code != status:
            await asyncio.sleep(0.02)
    return answer.text


async def test_a_follower_that_stalls_stops_decisions_until_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_memory(tmp_path, law_bound_seconds=0.3) as house:
        await house.furnish()
        await house.run()
        away = asyncio.Event()
        storage = house.app.desk.log._storage  # type: ignore[attr-defined]
        head = storage.head

        async def unreachable() -> int:
            if away.is_set():
                raise LogUnavailable(retry_after=1)
            return int(await head())

        monkeypatch.setattr(storage, "head", unreachable)
        assert (await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")).status_code == 200
        away.set()
        assert "cannot be reached" in await until_status(house, "/health/ready", 503)
        async with asyncio.timeout(5):
            while (
                answer := await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")
            ).status_code == 200:
                await asyncio.sleep(0.02)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/law-behind")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["lag_seconds"] > 0.3
        away.clear()
        await until_status(house, "/health/ready", 200)
        assert (await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")).status_code == 200


async def test_a_log_that_is_away_refuses_and_says_when_to_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.run()

    async def away(*_: object) -> int:
        raise LogUnavailable(retry_after=3)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(house.app.desk.log._storage, "write", away)  # type: ignore[attr-defined]
        for path, body in (("/v1/runs/r1/tool-calls", CALL), ("/v1/runs", {"run_id": "r2"})):
            answer = await house.ask("POST", path, body, as_="robot")
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/log-unavailable")
            assert answer.headers["retry-after"] == "3"
    assert (await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")).status_code == 200


async def test_a_request_that_takes_too_long_is_answered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_memory(tmp_path, request_deadline=0.5) as house:
        await house.furnish()
        await house.run()

        async def never(*_: object) -> int:
            await asyncio.Event().wait()
            return 0

        monkeypatch.setattr(house.app.desk.log._storage, "write", never)  # type: ignore[attr-defined]
        answer = await house.ask("POST", "/v1/runs/r1/tool-calls", CALL, as_="robot")
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/deadline-passed")


async def test_a_worker_tells_how_it_is_and_what_it_counted(house: House) -> None:
    await house.run()
    await house.pay(50, "c1")
    await house.pay(5000, "c2")
    assert (await house.http.get("/health/live")).json()["status"] == "ok"
    assert (await house.http.get("/health/ready")).json() == {"status": "ok", "wrong": []}
    figures = (await house.http.get("/metrics")).text
    assert 'magistrate_decisions_total{verdict="allow"} 1.0' in figures
    assert 'magistrate_decisions_total{verdict="deny"} 1.0' in figures
    assert "magistrate_decision_seconds_count 2.0" in figures
    assert "magistrate_law_lag_seconds" in figures
