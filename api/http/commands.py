"""A command over HTTP: who asks, under which conditions, and one answer however often it is asked."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias, TypeVar

import orjson
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from adapters.tokens.claims import Claims
from api.bootstrap import Application
from api.http.callers import heard, verified
from api.http.headers import IDEMPOTENCY_KEY, POSITION, REPLAYED, correlation_id, header
from api.http.rejections import IfMatchMissing, MalformedHeader
from application.access import Caller, Deed
from application.entitled import carry_out
from application.handle import Handled
from application.ports import AlreadyAnswered, Answer, Context, IdempotencyKey
from domain.kernel import C, Decider, E, Json, S

T = TypeVar("T")

Told: TypeAlias = Callable[[Handled[S]], Mapping[str, Json]]
"""What a caller is told of a state: never a personal field, for it is kept with the idempotency key."""

Answering: TypeAlias = Callable[[Handled[S]], Answer]
"""What is kept beside an idempotency key."""

Act: TypeAlias = Callable[[Caller, IdempotencyKey | None, Answering[S]], Awaitable[Handled[S]]]

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ETAG = re.compile(r'"(\d{1,18})"')


@dataclass(frozen=True)
class Asking:
    """A request of a known principal."""

    app: Application
    claims: Claims
    request: Request
    context: Context
    key_text: str | None

    @property
    def if_match(self) -> int | None:
        """The version the caller read, or None where it does not say. Raises MalformedHeader."""
        told = self.request.headers.get("if-match")
        if told is None or told.strip() == "*":
            return None
        match = _ETAG.fullmatch(told.strip())
        if match is None:
            raise MalformedHeader(header="If-Match", expected='one strong ETag, as in "3"')
        return int(match[1])

    @property
    def version_read(self) -> int:
        """The version the caller read. Raises IfMatchMissing, MalformedHeader."""
        version = self.if_match
        if version is None:
            raise IfMatchMissing
        return version

    def key(self, tenant: str | None = None) -> IdempotencyKey | None:
        """The caller's idempotency key, bound to this request; kept with `tenant` or its own."""
        if self.key_text is None:
            return None
        url, body = self.request.url, getattr(self.request.state, "body", b"")
        head = f"{self.request.method} {url.path}?{url.query}\n".encode()
        digest = hashlib.sha256(head + body).digest()
        return IdempotencyKey(tenant or self.claims.tenant, self.claims.principal, self.key_text, digest)

    async def heard(self, act: Callable[[Caller], Awaitable[T]]) -> T:
        """Acts with the caller's present roles."""
        return await heard(self.app.desk.law, self.claims, act)

    async def look(self, at: Callable[[Caller], T]) -> T:
        """Looks with the caller's present roles."""

        async def act(caller: Caller) -> T:
            return at(caller)

        return await self.heard(act)

    async def command(
        self, act: Act[S], told: Told[S], *, creates: bool = False, tenant: str | None = None
    ) -> Response:
        """Carries out a command once: asked again under the same key, the first answer is given again.

        Raises IdempotencyKeyReused for another request under a known key, and what `act` raises.
        """
        key = self.key(tenant)

        def answer(handled: Handled[S]) -> Answer:
            status = 201 if creates and handled.changed else 200
            return Answer(status, orjson.dumps({**told(handled), "version": handled.version}))

        if (before := await self._before(key)) is not None:
            return before
        try:
            handled = await self.heard(lambda caller: act(caller, key, answer))
        except AlreadyAnswered as known:
            return replayed(known.answer, known.position)
        return answered(answer(handled), handled.position)

    async def carry_out(
        self,
        deed: Deed,
        decider: Decider[C, S, E],
        stream_id: str,
        command: C,
        told: Told[S],
        *,
        if_version: int | None = None,
        creates: bool = False,
    ) -> Response:
        """A command on one stream of the caller's tenant, for whoever is entitled to the deed."""
        desk, handler = self.app.desk, self.app.handler
        return await self.command(
            lambda caller, key, answer: carry_out(
                desk,
                handler,
                caller,
                deed,
                decider,
                stream_id,
                command,
                self.context,
                if_version=if_version,
                key=key,
                answer=answer,
            ),
            told,
            creates=creates,
        )

    async def _before(self, key: IdempotencyKey | None) -> Response | None:
        known = await self.app.desk.log.answered(key) if key is not None else None
        return None if known is None else replayed(*known)


async def asking(request: Request) -> Asking:
    """A dependency: the request's principal and circumstances. Raises TokenInvalid and its like."""
    app: Application = request.app.state.application
    claims = await verified(app.verifier, header(request.scope, b"authorization"))
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise MalformedHeader(header=IDEMPOTENCY_KEY, expected="1 to 255 printable ASCII characters")
    context = Context(
        actor=claims.principal,
        at=app.desk.clock.now(),
        correlation_id=correlation_id(request.scope, app.desk.clock),
        on_behalf_of=claims.behalf,
        idempotency_key=key,
    )
    return Asking(app, claims, request, context, key)


Asks = Annotated[Asking, Depends(asking)]


def answered(answer: Answer, position: int) -> Response:
    """An answer with the position it can be read at, and the version it left behind as ETag."""
    response = Response(answer.body, answer.status, media_type="application/json")
    if position:
        response.headers[POSITION] = str(position)
    version = orjson.loads(answer.body).get("version")
    if version is not None:
        response.headers["ETag"] = f'"{version}"'
    return response


def replayed(answer: Answer, position: int) -> Response:
    """The first answer once more, and a header that says so."""
    response = answered(answer, position)
    response.headers[REPLAYED] = "true"
    return response


def told(value: Mapping[str, Json], *, position: int = 0, version: int | None = None) -> Response:
    """A plain answer to a question."""
    body = dict(value) if version is None else {**value, "version": version}
    return answered(Answer(200, orjson.dumps(body)), position)
