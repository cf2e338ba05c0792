"""Problems: each refusal has a status, a stable type, and a page that is in the docs and served."""

import pytest

from api.problem_pages import ADVICE, FOLDER, every_rejection, index, pages
from api.problems import STATUSES, problem, slug, status_of
from domain.kernel import Rejected
from domain.runs.rejections import RunEnded
from tests.api.house import House


@pytest.mark.parametrize("rejection", every_rejection(), ids=slug)
def test_each_refusal_has_a_status_and_an_advice(rejection: type[Rejected]) -> None:
    assert 400 <= status_of(rejection) < 600
    assert ADVICE[rejection.kind]


def test_no_two_refusals_share_a_type() -> None:
    found = every_rejection()
    assert len({slug(rejection) for rejection in found}) == len(found)


def test_every_kind_that_has_a_status_is_used() -> None:
    assert set(STATUSES) == {rejection.kind for rejection in every_rejection()}


def test_the_pages_in_the_docs_are_those_of_the_program() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    told = {f"{name}.md": text for name, text in pages().items()} | {"index.md": index()}
    assert written == told, "run python -m api.problem_pages"


def test_evidence_comes_along_and_never_covers_the_document() -> None:
    told = problem(
        RunEnded(standing="completed", status="x"), instance="/v1/runs/r", correlation_id="c"
    ).document
    assert told == {
        "type": "/problems/run-ended",
        "title": "Run ended",
        "status": 409,
        "detail": "The run has ended; nothing more happens in it. Start a new one.",
        "instance": "/v1/runs/r",
        "correlation_id": "c",
        "standing": "completed",
        "status_": "x",
    }


async def test_behind_each_type_is_its_page(house: House) -> None:
    answer = await house.http.get("/problems/run-ended")
    assert answer.text == pages()["run-ended"]
    assert "run-ended.md" in (await house.http.get("/problems")).text
