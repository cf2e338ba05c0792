"""The OpenAPI document is whole, and the API keeps to it whatever is sent."""

import asyncio
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.http.server import listen
from tests.api.house import House, on_postgres
from tests.postgres import Database

AnyCase = schemathesis.Case[Any]


def no_fault(_: schemathesis.CheckContext, response: schemathesis.Response, __: AnyCase) -> None:
    """Nothing goes wrong on our side; what has not been written yet may be asked for again."""
    told = response.json() if response.status_code >= 500 else {}
    assert response.status_code < 500 or told["type"] == "/problems/not-there-yet", told


CHECKS = [
    no_fault,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


async def test_every_route_is_in_the_document(house: House) -> None:
    document = (await house.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/runs/{run_id}/tool-calls", "/v1/tool-calls:batch", "/v1/runs", "/metrics"} <= set(
        document["paths"]
    )


async def test_every_reference_leads_somewhere(house: House) -> None:
    document = (await house.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference


async def test_every_operation_says_how_it_refuses(house: House) -> None:
    document = (await house.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/"):
                assert "default" in operation["responses"], (method, path)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


class Served:
    """A house in a thread of its own, on a real socket, for a tester that knows no event loop."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.listening = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.token = ""
        self.ready = threading.Event()
        self.server: uvicorn.Server | None = None
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve(database, folder)), daemon=True)

    async def _serve(self, database: Database, folder: Path) -> None:
        async with on_postgres(database, folder) as house:
            await house.furnish()
            await house.done("PUT", "/v1/tenant/members/ada/roles/operator")
            await house.done("PUT", "/v1/tenant/members/ada/roles/approver")
            await house.run()
            await house.pay(5, "c1")
            self.token = house.token("ada")
            transport = house.http._transport
            assert isinstance(transport, httpx.ASGITransport)
            config = uvicorn.Config(transport.app, log_config=None, lifespan="off", access_log=False)
            self.server = uvicorn.Server(config)
            self.ready.set()
            await self.server.serve(sockets=[self.listening])


@contextmanager
def served(database: Database, folder: Path) -> Generator[Served]:
    serving = Served(database, folder)
    serving.thread.start()
    try:
        assert serving.ready.wait(20)
        yield serving
    finally:
        if serving.server is not None:
            serving.server.should_exit = True
        serving.thread.join(20)
        serving.listening.close()


NAMES = {"run_id": "r1", "call_id": "c1", "agent_id": "robot", "name": "pay", "principal": "bert"}


def known_names(
    operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: GenerationMode
) -> dict[str, Any]:
    """What fits is asked of things that exist, so that it gets past the address."""
    named = set(re.findall(r"{(\w+)}", operation.path))
    if mode is GenerationMode.NEGATIVE or not named or not named <= set(NAMES):
        return {}
    return {"path_parameters": {name: NAMES[name] for name in named}}


def explored(
    serving: Served, operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: GenerationMode
) -> list[str]:
    """What one operation does wrong with some fitting, or some unfitting, requests."""

    @seed(8423)
    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=operation.as_strategy(generation_mode=mode, **known_names(operation, mode)))
    def holds(case: AnyCase) -> None:
        headers = {"Authorization": f"Bearer {serving.token}"}
        case.call_and_validate(base_url=serving.url, headers=headers, timeout=10, checks=CHECKS)

    try:
        holds()
    except (FailureGroup, Exception) as wrong:  # noqa: BLE001  # each operation is told of, not the first alone
        return [f"{operation.method.upper()} {operation.path}: {wrong}"]
    return []


@pytest.mark.timeout(300)
def test_whatever_is_sent_is_answered_as_described(database: Database, tmp_path: Path) -> None:
    wrong: list[str] = []
    with served(database, tmp_path) as serving:
        document = schemathesis.openapi.from_url(f"{serving.url}/openapi.json", wait_for_schema=10)
        for found in document.get_all_operations():
            assert isinstance(found, Ok), found
            operation = found.ok()
            if operation.path == "/v1/events":  # a stream has no end to wait for
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                wrong.extend(explored(serving, operation, mode))
    assert not wrong, "\n\n".join(wrong)
