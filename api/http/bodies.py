"""Reading bodies: bounded in size and depth, JSON only, closed to unknown fields."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.types import Receive, Scope

from api.http.headers import header
from api.http.rejections import (
    BodyTooDeep,
    BodyTooLarge,
    MalformedBody,
    MalformedHeader,
    RequestInvalid,
    WrongContentType,
)
from domain.kernel import Json

DEEPEST = 32
MOST_ERRORS = 50
SMALL = 1_024


class Body(BaseModel):
    """A request's body: strict, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Nothing(Body):
    """An empty object."""


B = TypeVar("B", bound=BaseModel)


async def read_bytes(scope: Scope, receive: Receive, most: int) -> bytes:
    """The JSON body's bytes. Raises WrongContentType, BodyTooLarge, MalformedHeader, MalformedBody."""
    _must_be_json(header(scope, b"content-type"))
    _must_announce_less(header(scope, b"content-length"), most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise MalformedBody(reason="the connection ended within the body")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > most:
                raise BodyTooLarge(limit=most)
        body = b"".join(chunks)
    if len(body) > most:
        raise BodyTooLarge(limit=most)
    return body


def check_depth(body: bytes, value: Callable[[], Json]) -> None:
    """Refuses nesting beyond the bound, and U+0000, which no text column can hold.

    Counting brackets settles nearly every body without looking into it; `value` decodes the others.
    """
    few = body.count(b"{") + body.count(b"[") <= DEEPEST
    if few and b"\\u0000" not in body:
        return
    level: list[Json] = [value()]
    for _ in range(DEEPEST + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise BodyTooDeep(limit=DEEPEST)


def body_of(model: type[B]) -> Callable[[Request], Awaitable[B]]:
    """A dependency that reads and validates a request's body."""

    async def read(request: Request) -> B:
        body = await read_bytes(request.scope, request.receive, request.app.state.settings.max_body_bytes)
        request.state.body = body
        return parse(model, body)

    return read


async def no_body(request: Request) -> None:
    """A dependency for commands that say all in their address: an empty body, or an empty object."""
    if header(request.scope, b"content-length") in (None, b"0") and not await request.body():
        return
    parse(Nothing, await read_bytes(request.scope, request.receive, SMALL))


def parse(model: type[B], body: bytes) -> B:
    """A validated body. Raises MalformedBody, BodyTooDeep, RequestInvalid with a pointer for each error."""
    value = decode(body)  # stricter than pydantic, which takes NaN for JSON
    check_depth(body, lambda: value)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        if any(detail["type"] == "json_invalid" for detail in errors):
            raise MalformedBody(reason=errors[0]["msg"]) from None
        raise RequestInvalid(errors=listed(errors)) from None


def decode(body: bytes) -> Json:
    """Any JSON value. Raises MalformedBody, and BodyTooDeep where not even the parser goes down so far."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "depth limit" in str(error):
            raise BodyTooDeep(limit=DEEPEST) from None
        raise MalformedBody(reason=str(error)) from None


def listed(errors: Iterable[ErrorDetails | Mapping[str, Any]]) -> list[dict[str, str]]:
    """Validation errors as pointers and sentences."""
    return [
        {"pointer": "".join(f"/{_escaped(part)}" for part in detail["loc"]), "message": str(detail["msg"])}
        for detail in list(errors)[:MOST_ERRORS]
    ]


def _inside(value: Json) -> Iterable[Json]:
    if isinstance(value, str):
        if "\0" in value:
            raise RequestInvalid(errors=[{"pointer": "", "message": "Text may not hold U+0000"}])
        return ()
    if isinstance(value, dict):
        inner = cast("dict[str, Json]", value)
        return (*inner.keys(), *inner.values())
    return value if isinstance(value, list) else ()  # pyright: ignore[reportUnknownVariableType]  # Json is Any


def _must_be_json(content_type: bytes | None) -> None:
    if content_type == b"application/json":
        return
    kind = (content_type or b"").split(b";", 1)[0].strip().lower()
    if kind != b"application/json" and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        raise WrongContentType(found=kind.decode("latin-1") or None)


def _must_announce_less(length: bytes | None, most: int) -> None:
    if length is None:
        return
    if not length.isdigit():
        raise MalformedHeader(header="Content-Length")
    if int(length) > most:
        raise BodyTooLarge(limit=most)


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
