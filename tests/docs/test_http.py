"""The page of the HTTP conventions lists every address, header and status there is."""

import re
from pathlib import Path

from api.http import headers
from api.problems import STATUSES
from tests.api.house import on_memory
from tests.docs.blocks import pages

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
