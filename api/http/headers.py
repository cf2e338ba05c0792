"""The names of our own headers, and what is read from a request's."""

import re

from starlette.types import Scope

from application.ports import Clock

POSITION = "Magistrate-Position"
"""The log position at which an answer can be read; on a query: do not answer from before it."""
IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
REQUEST_ID = "X-Request-Id"

_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,127}")
_KEPT = "magistrate.correlation_id"


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of this (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def correlation_id(scope: Scope, clock: Clock) -> str:
    """What ties this request to others: the caller's trace or request id if well formed, else ours."""
    kept = scope.get(_KEPT)
    if kept is None:
        kept = scope[_KEPT] = _given(scope) or clock.new_id()
    return str(kept)


def _given(scope: Scope) -> str | None:
    asked = None
    for key, value in scope["headers"]:
        if key == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            return match[1].decode()
        if key == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            asked = value.decode()
    return asked
