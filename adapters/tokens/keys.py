"""The public keys of outside issuers: a JSON Web Key Set in a file or at an address."""

import asyncio
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from jwt import PyJWK, PyJWKClient, PyJWKSet
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError, PyJWKSetError

from adapters.tokens.claims import KeysUnavailable

FETCH_SECONDS = 5.0


class PublicKeys(Protocol):
    """Where public keys come from."""

    async def named(self, kid: str | None) -> PyJWK | None:
        """The key of this id, or None; without an id the only key there is. Raises KeysUnavailable."""
        ...


def public_keys(source: str) -> PublicKeys:
    """The keys behind a file path or an http(s) address; raises ValueError for a file that holds none."""
    if urlsplit(source).scheme in {"http", "https"}:
        return KeysAtAddress(source)
    return KeysInFile(Path(source))


class KeysInFile:
    """A key set in a file, read again when the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = 0
        self._set = self._read()

    async def named(self, kid: str | None) -> PyJWK | None:
        """The key of this id; a file that was replaced is read again for an id that is not known yet."""
        found = _pick(self._set, kid)
        if found is None and self._is_newer():
            self._set = self._read()
            found = _pick(self._set, kid)
        return found

    def _is_newer(self) -> bool:
        try:
            return self._path.stat().st_mtime_ns != self._changed
        except OSError:
            return False

    def _read(self) -> PyJWKSet:
        try:
            self._changed = self._path.stat().st_mtime_ns
            return PyJWKSet.from_json(self._path.read_text())
        except (OSError, ValueError, PyJWKSetError) as error:
            raise ValueError(f"{self._path} holds no JSON Web Key Set with a usable key: {error}") from error


class KeysAtAddress:
    """A key set at an address, fetched in a thread; an unknown id fetches it anew, at most every 30 s."""

    def __init__(self, address: str) -> None:
        self._client = PyJWKClient(address, timeout=FETCH_SECONDS)
        self._fetching = asyncio.Lock()

    async def named(self, kid: str | None) -> PyJWK | None:
        """The key of this id."""
        if kid is None:
            return None
        async with self._fetching:
            try:
                return await asyncio.to_thread(self._client.get_signing_key, kid)
            except PyJWKClientConnectionError:
                raise KeysUnavailable(retry_after=5) from None
            except (PyJWKClientError, PyJWKSetError):
                return None


def _pick(keys: PyJWKSet, kid: str | None) -> PyJWK | None:
    if kid is None:
        return keys.keys[0] if len(keys.keys) == 1 else None
    return next((key for key in keys.keys if key.key_id == kid), None)
