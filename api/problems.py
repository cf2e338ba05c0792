"""Refusals as problem documents (RFC 9457): the only place that knows HTTP statuses."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import orjson

from domain.kernel import Json, Rejected

MEDIA_TYPE = "application/problem+json"

STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "malformed": 400,
        "unauthenticated": 401,
        "forbidden": 403,
        "not-found": 404,
        "wrong-method": 405,
        "conflict": 409,
        "expired": 410,
        "precondition": 412,
        "too-large": 413,
        "wrong-media-type": 415,
        "invalid": 422,
        "precondition-required": 428,
        "fault": 500,
        "unavailable": 503,
    }
)
"""What each kind of refusal is in HTTP."""

RESERVED = frozenset({"type", "title", "status", "detail", "instance", "correlation_id"})

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class Problem:
    """A refusal as it goes over the wire."""

    status: int
    document: Mapping[str, Json]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def body(self) -> bytes:
        """The document as JSON; evidence that JSON does not know is written as text."""
        return orjson.dumps(self.document, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def slug(rejection: type[Rejected]) -> str:
    """A rejection's name in its type: RunEnded is `run-ended`."""
    return "-".join(_CAPITAL.split(rejection.__name__)).lower()


def title(rejection: type[Rejected]) -> str:
    """A rejection's name in words: RunEnded is `Run ended`."""
    return slug(rejection).replace("-", " ").capitalize()


def status_of(rejection: type[Rejected]) -> int:
    """The HTTP status of a rejection; KeyError for a kind that has none yet."""
    return STATUSES[rejection.kind]


def problem(no: Rejected, *, instance: str | None = None, correlation_id: str | None = None) -> Problem:
    """The problem document of a refusal, with its evidence as extension members."""
    rejection, status = type(no), status_of(type(no))
    document: dict[str, Json] = {
        "type": f"/problems/{slug(rejection)}",
        "title": title(rejection),
        "status": status,
        "detail": message(rejection),
    }
    if instance is not None:
        document["instance"] = instance
    if correlation_id is not None:
        document["correlation_id"] = correlation_id
    for name, value in no.evidence.items():
        document[f"{name}_" if name in RESERVED else name] = value
    return Problem(status, document, _headers(no, status))


def message(rejection: type[Rejected]) -> str:
    """What the caller is told: the docstring, on one line."""
    return " ".join((rejection.__doc__ or title(rejection)).split())


def rejections(root: type[Rejected] = Rejected) -> list[type[Rejected]]:
    """Every rejection of the modules imported so far that can be answered, by name."""
    found: dict[str, type[Rejected]] = {}
    _gather(root.__subclasses__(), found)
    return [found[name] for name in sorted(found)]


def _gather(classes: Iterable[type[Rejected]], found: dict[str, type[Rejected]]) -> None:
    for rejection in classes:
        if not rejection.__module__.startswith("tests"):
            found[slug(rejection)] = rejection
        _gather(rejection.__subclasses__(), found)


def _headers(no: Rejected, status: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    if status == STATUSES["unauthenticated"]:
        expired = "expired" in slug(type(no))
        told = "The token has expired" if expired else "The token is missing or invalid"
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{told}"'
    if status == STATUSES["unavailable"]:
        pause = no.evidence.get("retry_after", 1)
        headers["Retry-After"] = str(max(1, math.ceil(pause))) if isinstance(pause, int | float) else "1"
    if isinstance(allow := no.evidence.get("allow"), list):
        headers["Allow"] = ", ".join(cast("list[str]", allow))
    return headers


def _plain(value: object) -> Json:
    if isinstance(value, set | frozenset):
        return sorted(map(str, cast("set[object]", value)))
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, Json]", value))
    return str(value)
