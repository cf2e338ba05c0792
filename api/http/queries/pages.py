"""Lists in pages, each as of a known position."""

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import orjson
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from adapters.read_models.reading import ReadingUnavailable, View
from api.http.answers import json_answer
from api.http.commands import Asking
from api.http.headers import POSITION
from api.http.rejections import MalformedHeader
from application.access import Caller, Deed
from domain.kernel import Json, Rejected
from projections.changes import ReadModel

T = TypeVar("T")

LAST_POSITION = 2**62
"""Positions are Postgres bigints; no log gets this far."""

Position = Annotated[int, Field(ge=0, le=LAST_POSITION)]


class CursorInvalid(Rejected):
    """This cursor does not belong to this question. Ask without a cursor to begin at the first page."""

    kind = "invalid"


class Asked(BaseModel):
    """What every question may say: from which position on it wants its answer, and as of which."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: Position = Field(default=0, description="Wait, briefly, until this position can be answered")
    as_of: Position | None = Field(default=None, description="Answer as if nothing later had happened")


class Page(Asked):
    """A page of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before")


def paged(asks: Asking, page: Page) -> int | None:
    """Where the page begins: the position of the last row before it. Raises CursorInvalid."""
    if page.cursor is None:
        return None
    try:
        padded = page.cursor + "=" * (-len(page.cursor) % 4)
        question, _, at = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii").partition(" ")
        position = int(at)
    except (ValueError, binascii.Error):
        raise CursorInvalid from None
    if question != _question(asks) or not 0 <= position <= LAST_POSITION:
        raise CursorInvalid
    return position


def page_answer(asks: Asking, rows: Sequence[Mapping[str, Json]], position: int, *, more: bool) -> Response:
    """The page, and the cursor of the next one if there is more; also as a Link (RFC 8288)."""
    cursor = None
    if more and rows:
        plain = f"{_question(asks)} {rows[-1]['position']}".encode()
        cursor = base64.urlsafe_b64encode(plain).rstrip(b"=").decode()
    answer = answered_at({"items": rows, "next": cursor}, position)
    if cursor is not None:
        query = [(k, v) for k, v in asks.request.query_params.multi_items() if k != "cursor"]
        address = f"{asks.request.url.path}?{urlencode([*query, ('cursor', cursor)])}"
        answer.headers["Link"] = f'<{address}>; rel="next"'
    return answer


def answered_at(value: Mapping[str, Json], position: int) -> Response:
    """An answer, and the position it is the answer at."""
    answer = json_answer(value)
    answer.headers[POSITION] = str(position)
    return answer


async def read(
    asks: Asking, model: ReadModel, asked: Asked, ask: Callable[[View], Awaitable[T]]
) -> tuple[T, int]:
    """What is found, and at which position. Raises ReadingUnavailable, NotThereYet, MalformedHeader."""
    models = asks.app.reading
    if models is None:
        raise ReadingUnavailable(retry_after=1)
    least = max(asked.at_least, _position_header(asks))
    return await models.read(model, asks.claims.tenant, ask, at_least=least, as_of=asked.as_of)


def own_only(caller: Caller) -> str | None:
    """Whose runs alone the caller may look at: its own, or None for all of the tenant's."""
    if caller.may(Deed.READ_EVERYTHING) or caller.may(Deed.STOP_THINGS):
        return None
    caller.must(Deed.READ_OWN_RUNS)
    return caller.principal


def described(gives: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a question: the position in and out, and what is told."""
    number = {"type": "integer", "minimum": 0}
    asked = {
        "name": POSITION,
        "in": "header",
        "required": False,
        "description": "Wait, briefly, until this position can be answered",
        "schema": number,
    }
    told = {POSITION: {"description": "The position it is answered at", "schema": number}}
    fine = {"model": gives, "headers": told, "description": "What was found"}
    return {"responses": {200: fine}, "openapi_extra": {"parameters": [asked]}}


def _question(asks: Asking) -> str:
    """A digest of what the list is of, so that a cursor is not taken for another list's."""
    given = sorted(
        (name, value)
        for name, value in asks.request.query_params.multi_items()
        if name not in {"cursor", "limit", "at_least"}
    )
    whole = orjson.dumps([asks.claims.tenant, asks.request.url.path, given])
    return hashlib.sha256(whole).hexdigest()[:16]


def _position_header(asks: Asking) -> int:
    told = asks.request.headers.get(POSITION)
    if told is None:
        return 0
    if not (told.isascii() and told.isdigit() and len(told) < 19):  # noqa: PLR2004  # digits of 2^62
        raise MalformedHeader(header=POSITION, expected="a log position")
    return int(told)


Given = Query()
