"""Talking to a running Magistrate over HTTP, as any client would."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from api.importing.values import is_record
from domain.kernel import Json

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
PATIENCE = 30.0
"""Seconds for which a busy or restarting server is asked again, once it was reached at all."""

BUSY = frozenset({429, 503})


class Unreachable(Exception):
    """Nobody answers at the address."""


class Refused(Exception):
    """The server said no, with a problem in the sense of RFC 9457."""

    def __init__(self, status: int, problem: Mapping[str, Json]) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        self.status, self.problem = status, problem

    @property
    def slug(self) -> str:
        """The last part of the problem's type: `run-unknown`."""
        return str(self.problem.get("type") or f"http-{self.status}").rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Answered:
    """What a request came back with; `position` is where in the log it can be read."""

    status: int
    body: Json
    position: int | None
    etag: str | None


class Client:
    """A connection to one server as one principal. Safe to share between tasks.

    All that it sends may be sent twice: commands carry ids of their own.
    """

    def __init__(
        self, address: str, token: Callable[[], str], *, callers: int = 1, patience: float = PATIENCE
    ) -> None:
        limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
        self._http = httpx.AsyncClient(base_url=address, timeout=TIMEOUT, limits=limits, trust_env=False)
        self._address, self._token, self._patience = address, token, patience
        self._reached = False

    @property
    def principal(self) -> str:
        """Who we are, as our own token says; whether it is to be believed is for the server to find out."""
        _, _, rest = self._token().partition(".")
        body, _, _ = rest.partition(".")
        try:
            return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"])
        except (ValueError, KeyError, TypeError):
            return "unknown"

    async def get(self, path: str, **query: str | int | None) -> Answered:
        """Asks; raises Refused and Unreachable."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._send("GET", path, None, given, {})

    async def post(self, path: str, body: Json = None, headers: Mapping[str, str] | None = None) -> Answered:
        """Commands; raises Refused and Unreachable."""
        return await self._send("POST", path, body, {}, headers or {})

    async def put(self, path: str, body: Json = None, headers: Mapping[str, str] | None = None) -> Answered:
        """Puts in place; raises Refused and Unreachable."""
        return await self._send("PUT", path, body, {}, headers or {})

    async def _send(
        self, method: str, path: str, body: Json, query: Mapping[str, str | int], headers: Mapping[str, str]
    ) -> Answered:
        loop = asyncio.get_running_loop()
        began, pause = loop.time(), 0.1
        while True:
            try:
                response = await self._http.request(
                    method,
                    path,
                    json=body,
                    params=dict(query),
                    headers={**headers, "Authorization": f"Bearer {self._token()}"},
                )
            except httpx.TransportError as error:
                if not self._reached or loop.time() + pause > began + self._patience:
                    raise Unreachable(f"{self._address} does not answer ({type(error).__name__})") from None
            else:
                self._reached = True
                if response.status_code not in BUSY or loop.time() + pause > began + self._patience:
                    return _answered(response)
                pause = max(pause, _retry_after(response))
            await asyncio.sleep(min(pause, 5.0))
            pause = min(pause * 2, 2.0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()


def items_of(answered: Answered) -> Sequence[Mapping[str, Any]]:
    """The page's entries."""
    body: Mapping[str, Any] = answered.body
    return list(body["items"])


def _answered(response: httpx.Response) -> Answered:
    body = _json(response)
    if response.is_error:
        raise Refused(response.status_code, body if is_record(body) else {})
    position = response.headers.get("Magistrate-Position")
    return Answered(
        response.status_code, body, int(position) if position else None, response.headers.get("ETag")
    )


def _json(response: httpx.Response) -> Json:
    try:
        return response.json() if response.content else None
    except ValueError:
        return None


def _retry_after(response: httpx.Response) -> float:
    stated = response.headers.get("Retry-After", "")
    return float(stated) if stated.isdigit() else 0.0
