"""Runs, newest first, and what happened in one."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from adapters.read_models.reading import Row, View
from adapters.read_models.run_list import RunsAsked, list_runs, timeline_of
from api.http.commands import Asks
from api.http.describing import IdInPath, Told
from api.http.queries.pages import Given, Page, described, own_only, page_answer, paged, read
from api.http.queries.personal import may_open, shown
from application.access import Caller
from application.ports import Excerpt, StreamId
from domain.kernel import Id, Json, instant
from domain.runs.rejections import RunUnknown
from projections.runs import runs

router = APIRouter(prefix="/v1/runs", tags=["runs"])

Standing = Literal["active", "paused", "completed", "failed", "cancelled", "escalated"]
Verdict = Literal["allow", "ask", "deny"]


class RunsQuery(Page):
    """Which runs."""

    agent_id: Id | None = None
    principal: Id | None = None
    standing: Standing | None = None
    verdict: Verdict | None = Field(default=None, description="Runs with at least one such decision")


class RunListed(Told):
    """A run in a list, with how many of its calls were decided how."""

    run_id: str
    agent_id: str
    principal: str
    on_behalf_of: str | None
    subject: str | None
    purpose: str
    mode: str
    started_at: str
    standing: str
    reason: str | None
    since: str
    allowed: int
    asked: int
    denied: int
    model_calls: int
    spent: int = Field(description="Millionths of a currency unit")
    position: int


class RunsTold(Told):
    items: list[RunListed]
    next: str | None


class Line(Told):
    """One event of a run or of its approvals, in words and in detail."""

    position: int
    at: str
    actor: str
    name: str
    what: str
    call_id: str | None
    approval_id: str | None
    verdict: str | None
    cost: int | None
    detail: dict[str, Any]


class TimelineTold(Told):
    items: list[Line]
    next: str | None


@router.get("", **described(RunsTold))
async def list_all(asks: Asks, query: Annotated[RunsQuery, Given]) -> Response:
    """Runs, newest first: the tenant's, or your own."""
    own = await asks.look(own_only)
    asked = RunsAsked(
        limit=query.limit + 1,
        before=paged(asks, query),
        own=own,
        **query.model_dump(include={"agent_id", "principal", "standing", "verdict"}),
    )
    found, position = await read(asks, runs, query, lambda view: list_runs(view, asked))
    told = [_run(row) for row in found[: query.limit]]
    return page_answer(asks, told, position, more=len(found) > query.limit)


@router.get("/{run_id}/timeline", **described(TimelineTold))
async def timeline(asks: Asks, run_id: IdInPath, query: Annotated[Page, Given]) -> Response:
    """What happened in a run and in its approvals, oldest first, in words that a person understands."""
    caller = await asks.look(_reader)
    after = paged(asks, query) or 0

    async def look(view: View) -> tuple[Row, list[Row]]:
        known = await list_runs(view, RunsAsked(limit=1, run_id=run_id, own=own_only(caller)))
        if not known:
            raise RunUnknown
        return known[0], list(await timeline_of(view, run_id, after=after, limit=query.limit + 1))

    (run, found), position = await read(asks, runs, query, look)
    page = found[: query.limit]
    may = may_open(caller, run["principal"], run["agent_id"])
    excerpts = [_excerpt(caller.tenant, run_id, row) for row in page]
    details = await shown(asks.app.desk.log, caller, excerpts, [may] * len(page))
    told = [_line(row, detail) for row, detail in zip(page, details, strict=True)]
    return page_answer(asks, told, position, more=len(found) > query.limit)


def _reader(caller: Caller) -> Caller:
    own_only(caller)
    return caller


def _excerpt(tenant: str, run_id: str, row: Row) -> Excerpt:
    approval = row["approval_id"]
    stream = StreamId(tenant, "approval", approval) if approval else StreamId(tenant, "run", run_id)
    return Excerpt(stream, row["version"], row["name"], row["detail"])


def _run(row: Row) -> dict[str, Json]:
    plain = {name: row[name] for name in RunListed.model_fields if name != "position"}
    times = {"started_at": instant(row["started_at"]), "since": instant(row["since"])}
    return {**plain, **times, "position": row["valid_from"]}


def _line(row: Row, detail: Json) -> dict[str, Json]:
    plain = {name: row[name] for name in Line.model_fields if name not in {"position", "at", "detail"}}
    return {**plain, "position": row["valid_from"], "at": instant(row["at"]), "detail": detail}
