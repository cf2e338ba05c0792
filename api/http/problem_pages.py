"""The page behind each problem type."""

from fastapi import APIRouter
from starlette.responses import Response

from api.http.describing import problem_response
from api.http.rejections import RouteUnknown
from api.problem_pages import index, pages

router = APIRouter(prefix="/problems", tags=["problems"])

MARKDOWN = "text/markdown; charset=utf-8"
FINE = {200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}, "default": problem_response()}


@router.get("", responses={200: FINE[200]})
def all_problems() -> Response:
    """Every problem type there is."""
    return Response(index(), media_type=MARKDOWN)


@router.get("/{name}", responses=FINE)  # type: ignore[arg-type]  # statuses and `default` in one mapping
def one_problem(name: str) -> Response:
    """What a problem type means, and what to do."""
    page = pages().get(name)
    if page is None:
        raise RouteUnknown
    return Response(page, media_type=MARKDOWN)
