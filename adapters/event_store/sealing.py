"""Personal fields: each is replaced by its ciphertext under its data subject's key before it is stored."""

import base64
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.event_store.envelope import canonical_bytes
from domain.kernel import Json

ERASED = "[erased]"
"""What a sealed value reads as once its subject's key has been destroyed."""

MARK = b'"sealed:v1:'
NONCE = 12
_UUID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_TOKEN = re.compile(rf"sealed:v1:{_UUID}:([A-Za-z0-9_-]+)")
_KEY_IDS = re.compile(rf'"sealed:v1:{_UUID}:'.encode())


@dataclass(frozen=True)
class SubjectKey:
    """A data subject's key; without `key` it has been destroyed. `subject` is a pseudonym."""

    key_id: str
    subject: str
    key: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Place:
    """Where a value stands: a ciphertext that is moved anywhere else no longer opens."""

    stream: str
    version: int
    name: str

    def at(self, pointer: str) -> bytes:
        """The associated data of the value at a pointer."""
        return canonical_bytes([self.stream, self.version, self.name, pointer])


def locked(key: bytes, plain: bytes, about: bytes) -> bytes:
    """Nonce and ciphertext, AES-256-GCM; `about` is authenticated with it."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, about)


def unlocked(key: bytes, sealed: bytes, about: bytes) -> bytes:
    """What was locked. Raises InvalidTag or ValueError if it was not, or is about something else."""
    return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], about)


def seal(body: Json, place: Place, keys: Mapping[str, SubjectKey]) -> None:
    """Replace the values at these pointers (pointer -> key) in place; a pointer to nothing is passed over."""
    for pointer, key in keys.items():
        parent, step = _parent_of(body, pointer)
        if parent is None:
            continue
        assert key.key is not None, "nothing is sealed with a destroyed key"
        ciphertext = locked(key.key, canonical_bytes(parent[step]), place.at(pointer))
        token = base64.urlsafe_b64encode(ciphertext).rstrip(b"=").decode()
        parent[step] = f"sealed:v1:{key.key_id}:{token}"


def key_ids(bodies: Iterable[bytes]) -> set[str]:
    """The keys that are needed to open everything in these bodies."""
    return {found.decode() for body in bodies if MARK in body for found in _KEY_IDS.findall(body)}


def unseal(body: Json, place: Place, keys: Mapping[str, SubjectKey]) -> Json:
    """The body with its sealed values opened.

    A text that only looks sealed, or whose key is not known, stays as it is: anybody may have written it.
    """
    return _opened(body, "", place, keys)


def _opened(value: Json, pointer: str, place: Place, keys: Mapping[str, SubjectKey]) -> Json:
    match value:
        case str():
            return _opened_text(value, pointer, place, keys)
        case dict():
            members = cast("Mapping[str, Json]", value)
            return {
                name: _opened(member, f"{pointer}/{_escaped(name)}", place, keys)
                for name, member in members.items()
            }
        case list():
            elements = cast("Sequence[Json]", value)
            return [_opened(e, f"{pointer}/{index}", place, keys) for index, e in enumerate(elements)]
        case _:
            return value


def _opened_text(text: str, pointer: str, place: Place, keys: Mapping[str, SubjectKey]) -> Json:
    token = _TOKEN.fullmatch(text)
    key = keys.get(token[1]) if token else None
    if token is None or key is None:
        return text
    if key.key is None:
        return ERASED
    try:
        sealed = base64.urlsafe_b64decode(token[2] + "=" * (-len(token[2]) % 4))
        return orjson.loads(unlocked(key.key, sealed, place.at(pointer)))
    except (InvalidTag, ValueError):
        return text


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _parent_of(body: Json, pointer: str) -> tuple[Json, Json]:
    """The object or list that holds what an RFC 6901 pointer names, and its key there; None for nothing."""
    parent: Json = None
    key: Json = None
    found = body
    for step in pointer.split("/")[1:]:
        parent, key = found, _key_in(found, step.replace("~1", "/").replace("~0", "~"))
        if key is None:
            return None, None
        found = parent[key]
    return parent, key


def _key_in(parent: Json, step: str) -> str | int | None:
    if isinstance(parent, dict):
        return step if step in parent else None
    if isinstance(parent, list) and step.isascii() and step.isdecimal():
        return int(step) if int(step) < len(cast("Sequence[Json]", parent)) else None
    return None
