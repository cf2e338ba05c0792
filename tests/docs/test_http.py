"""The page of the HTTP conventions lists every address, header and status there is."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from api.http import headers
from api.http.run_answers import DecisionTold
from api.problems import STATUSES, problem
from domain.kernel import Json
from domain.runs.rejections import RunEnded
from tests.api.house import on_memory
from tests.docs.blocks import blocks, pages

PAGE = pages()["docs/reference/http.md"]
METHODS = {"get", "post", "put", "delete", "patch"}


async def test_every_address_is_on_the_page_and_no_other(tmp_path: Path) -> None:
    async with on_memory(tmp_path) as house:
        document = (await house.http.get("/openapi.json")).json()
    served = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in METHODS & operations.keys()
        if path.startswith("/v1/")
    }
    assert set(re.findall(r"^\| `([A-Z]+ /v1/\S+)` \|", PAGE, re.MULTILINE)) == served


def test_every_status_of_a_refusal_is_on_the_page() -> None:
    rows = re.findall(r"^\| ([0-9]{3}(?:, [0-9]{3})*) \|", PAGE, re.MULTILINE)
    assert {int(status) for row in rows for status in row.split(", ")} == set(STATUSES.values())


def test_our_own_headers_are_on_the_page() -> None:
    for header in (headers.POSITION, headers.IDEMPOTENCY_KEY, headers.REPLAYED, headers.REQUEST_ID):
        assert f"`{header}`" in PAGE


def examples() -> list[Mapping[str, Json]]:
    return [json.loads(block.text) for block in blocks("json", page="docs/reference/http.md")]


def test_the_problem_on_the_page_is_what_the_service_says() -> None:
    shown = next(example for example in examples() if "title" in example)
    said = problem(
        RunEnded(standing="completed"), instance=shown["instance"], correlation_id=shown["correlation_id"]
    )
    assert shown == said.document


def test_the_decision_on_the_page_has_the_shape_of_an_answer() -> None:
    shown = next(example for example in examples() if "verdict" in example)
    assert DecisionTold.model_validate(shown).model_dump() == shown
