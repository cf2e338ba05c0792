"""Approvals that wait, oldest first: for the caller, of its own runs, or all of the tenant's."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from adapters.read_models.approval_list import ApprovalsAsked, list_waiting
from adapters.read_models.reading import Row
from api.http.approvals import AskTold
from api.http.commands import Asks
from api.http.describing import Told
from api.http.queries.pages import Given, Page, described, page_answer, paged, read
from api.http.queries.personal import may_open, shown
from application.access import Caller, Deed
from application.ports import Excerpt, StreamId
from domain.kernel import Id, Json, instant
from projections.approvals import approvals

router = APIRouter(prefix="/v1/approvals", tags=["approvals"])


class ApprovalsQuery(Page):
    """Which approvals."""

    run_id: Id | None = None
    for_me: bool = Field(default=False, description="Only those that wait for your own voice")


class Step(Told):
    """Who did what about it, and when."""

    step: str
    at: str
    position: int
    who: str
    note: str


class ApprovalListed(Told):
    """What is to be approved, by whom and by when. `waits_for_you` if your voice would count."""

    approval_id: str
    run_id: str
    call_id: str
    tool: str
    arguments: dict[str, Any]
    action_digest: str
    policy_set: str
    asks: list[AskTold]
    roles: list[str]
    deadline: str
    agent_id: str
    requested_by: str
    requested_at: str
    steps: list[Step]
    waits_for_you: bool
    position: int


class ApprovalsTold(Told):
    items: list[ApprovalListed]
    next: str | None


@router.get("", **described(ApprovalsTold))
async def list_all(asks: Asks, query: Annotated[ApprovalsQuery, Given]) -> Response:
    """Approvals that wait, oldest first; as of an earlier position, those that waited then."""
    caller = await asks.look(_reader)
    asked = ApprovalsAsked(
        limit=query.limit + 1,
        me=caller.principal,
        roles=_roles(caller),
        after=paged(asks, query),
        run_id=query.run_id,
        for_me=query.for_me,
        all_of_tenant=caller.may(Deed.READ_EVERYTHING) or caller.may(Deed.STOP_THINGS),
        now=asks.context.at,
    )
    found, position = await read(asks, approvals, query, lambda view: list_waiting(view, asked))
    page = found[: query.limit]
    # Whoever is asked for consent must see what to.
    may = [may_open(caller, row["agent_id"], row["requested_by"]) or _waits_for(caller, row) for row in page]
    excerpts = [_excerpt(caller.tenant, row) for row in page]
    bodies = await shown(asks.app.desk.log, caller, excerpts, may)
    told = [_approval(row, body["arguments"], caller) for row, body in zip(page, bodies, strict=True)]
    return page_answer(asks, told, position, more=len(found) > query.limit)


def _reader(caller: Caller) -> Caller:
    caller.must(Deed.READ_OWN_RUNS)
    return caller


def _roles(caller: Caller) -> list[str]:
    """The roles whose consent the caller may give."""
    return sorted(role.value for role in caller.roles) if caller.may(Deed.SETTLE_APPROVALS) else []


def _waits_for(caller: Caller, row: Row) -> bool:
    said = any(step["step"] == "granted-by" and step["who"] == caller.principal for step in row["steps"])
    asked = not set(_roles(caller)).isdisjoint(row["roles"])
    return asked and not said and caller.principal not in row["barred"]


def _excerpt(tenant: str, row: Row) -> Excerpt:
    stream = StreamId(tenant, "approval", row["approval_id"])
    return Excerpt(stream, 1, "approval.requested", {"arguments": row["arguments"]})


def _approval(row: Row, arguments: Json, caller: Caller) -> dict[str, Json]:
    computed = {"arguments", "deadline", "requested_at", "waits_for_you", "position"}
    plain = {name: row[name] for name in ApprovalListed.model_fields if name not in computed}
    return {
        **plain,
        "arguments": arguments,
        "deadline": instant(row["deadline"]),
        "requested_at": instant(row["requested_at"]),
        "waits_for_you": _waits_for(caller, row),
        "position": row["valid_from"],
    }
