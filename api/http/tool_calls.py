"""Proposing tool calls: the hot path, one call or a batch; an answer leaves once it is on disk."""

import time
from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

from adapters.tokens.claims import Claims
from api.bootstrap import Application
from api.http.answers import decision, problem_answer, sent
from api.http.bodies import read_bytes
from api.http.callers import heard, verified
from api.http.headers import correlation_id, header
from api.http.proposals import read_many, read_one
from api.problems import problem
from application.access import Caller, Forbidden
from application.ports import Context
from application.tool_calls.answers import Decided
from application.tool_calls.propose import Proposal, propose, propose_many
from domain.kernel import Json, Rejected

BEFORE_RUN, AFTER_RUN = "/v1/runs/", "/tool-calls"
BATCH = "/v1/tool-calls:batch"


def is_proposal(path: str) -> bool:
    """Whether this is the address of a run's tool calls."""
    return path.endswith(AFTER_RUN) and path.startswith(BEFORE_RUN) and "/" not in run_of(path)


def run_of(path: str) -> str:
    """The run in that address."""
    return path[len(BEFORE_RUN) : -len(AFTER_RUN)]


class ToolCalls:
    """The two endpoints that decide, as plain ASGI: nothing stands between them and the server."""

    def __init__(self, app: Application) -> None:
        self._app, self._desk, self._most = app, app.desk, app.settings.max_body_bytes

    async def one(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /v1/runs/{run_id}/tool-calls`: a denial is an answer, not an error."""
        started = time.perf_counter()
        try:
            claims, body = await self._request(scope, receive)
            proposal = read_one(body, run_of(scope["path"]), self._desk.clock)
            context = self._context(scope, claims)

            async def act(caller: Caller) -> Decided:
                return await propose(self._desk, caller, proposal, context)

            answer = await heard(self._desk.law, claims, act)
        except Rejected as no:
            await problem_answer(self._app, scope, no)(scope, receive, send)
            return
        self._app.metrics.decided(answer.verdict.value, time.perf_counter() - started)
        await sent(send, decision(answer), answer.position)

    async def many(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /v1/tool-calls:batch`: for each proposal its decision, or its problem, in their order."""
        started = time.perf_counter()
        try:
            claims, body = await self._request(scope, receive)
            proposals = read_many(body, self._desk.clock)
            answers = await self._all(claims, proposals, self._context(scope, claims))
        except Rejected as no:
            await problem_answer(self._app, scope, no)(scope, receive, send)
            return
        seconds = time.perf_counter() - started
        results = [self._result(*pair, seconds) for pair in zip(proposals, answers, strict=True)]
        position = max((each.position for each in answers if isinstance(each, Decided)), default=0)
        await sent(send, {"results": results}, position)

    async def _request(self, scope: Scope, receive: Receive) -> tuple[Claims, bytes]:
        claims = await verified(self._app.verifier, header(scope, b"authorization"))
        return claims, await read_bytes(scope, receive, self._most)

    def _context(self, scope: Scope, claims: Claims) -> Context:
        clock = self._desk.clock
        return Context(claims.principal, clock.now(), correlation_id(scope, clock), claims.behalf)

    async def _all(
        self, claims: Claims, proposals: Sequence[Proposal], context: Context
    ) -> list[Decided | Rejected]:
        answers: list[Decided | Rejected] = []

        async def act(caller: Caller) -> None:
            answers[:] = await propose_many(self._desk, caller, proposals, context)
            if any(isinstance(answer, Forbidden) for answer in answers):
                raise Forbidden

        try:
            await heard(self._desk.law, claims, act)
        except Forbidden:
            return answers
        return answers

    def _result(self, proposal: Proposal, answer: Decided | Rejected, seconds: float) -> dict[str, Json]:
        named = {"run_id": proposal.run_id, "call_id": proposal.call_id}
        if isinstance(answer, Rejected):
            return {**named, "problem": problem(answer).document}
        self._app.metrics.decided(answer.verdict.value, seconds)
        return {**named, "decision": decision(answer)}
