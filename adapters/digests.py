"""Canonical digests of JSON values: SHA-256 over their RFC 8785 form."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

import orjson
import rfc8785

from domain.kernel import Json, Rejected

SAFE_INTEGER = 2**53 - 1


class NotCanonical(Rejected):
    """The value has no canonical JSON form: an integer beyond 2^53, a number that is none, or broken text."""

    kind = "invalid"


class JsonDigests:
    """The Digests port."""

    def action(self, salt: str, tenant: str, agent: str, tool: str, arguments: Mapping[str, Json]) -> str:
        what = {"agent": agent, "arguments": arguments, "tenant": tenant, "tool": tool}
        return hashlib.sha256(salt.encode() + canonical(what)).hexdigest()

    def content(self, value: Json) -> str:
        return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: Json) -> bytes:
    """The RFC 8785 form of a JSON value. Raises NotCanonical."""
    try:
        if _is_simple(value):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(_plain(value))
    except (ValueError, TypeError, RecursionError):
        # Their errors quote the value, so they are not passed on.
        raise NotCanonical from None


def _plain(value: Json) -> Json:
    """The same value with every mapping a dict and every sequence a list, which the encoders ask for."""
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in cast("Mapping[Json, Json]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(element) for element in cast("Sequence[Json]", value)]
    return value


def _is_simple(value: Json) -> bool:
    """Whether orjson provably writes the canonical form: 25 times faster than the general way.

    It differs in floats, in integers beyond 2^53, and in the order of keys outside the Basic
    Multilingual Plane (bytes instead of UTF-16 units); broken text is left to the strict encoder too.
    """
    kind = type(cast("object", value))
    if kind is str:
        return bool(value.isascii()) or _is_encodable(value)
    if kind is int:
        return bool(-SAFE_INTEGER <= value <= SAFE_INTEGER)
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_simple(member) for key, member in value.items())
    if kind is list:
        return all(map(_is_simple, value))
    return value is None or kind is bool


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
