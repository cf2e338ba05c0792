"""The audit trail over HTTP: every decision with its grounds, and what came of it."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from adapters.read_models.decision_list import DecisionsAsked, list_decisions
from adapters.read_models.reading import Row
from api.http.commands import Asks
from api.http.describing import Told
from api.http.queries.pages import Given, Page, described, own_only, page_answer, paged, read
from api.http.queries.runs import Verdict
from api.http.run_answers import Reason
from domain.kernel import Id, Json, Name, Text, instant
from projections.decisions import decisions

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])

FIRST_STAGE = {"allow": "allowed", "ask": "asked", "deny": "denied"}


class DecisionsQuery(Page):
    """Which decisions; `from` is the first instant, `to` the one after the last."""

    run_id: Id | None = None
    call_id: Id | None = None
    agent_id: Id | None = None
    tool: Name | None = None
    verdict: Verdict | None = None
    policy: Text | None = Field(default=None, description="Settled by this policy")
    since: AwareDatetime | None = Field(default=None, alias="from")
    until: AwareDatetime | None = Field(default=None, alias="to")


class Stage(Told):
    """A step of the call after its decision."""

    stage: str
    at: str
    position: int
    actor: str
    detail: dict[str, Any]


class DecisionListed(Told):
    """A decision and its grounds. `stages` is what came after it, `stage` the last of them."""

    run_id: str
    call_id: str
    agent_id: str
    tool: str
    verdict: str
    stage: str
    reasons: list[Reason]
    policy_set: str | None
    law_position: int
    principal: str
    roles: list[str]
    on_behalf_of: str | None
    approval_id: str | None
    action_digest: str
    engine: str
    expires_at: str | None
    at: str
    stages: list[Stage]
    position: int


class DecisionsTold(Told):
    items: list[DecisionListed]
    next: str | None


@router.get("", **described(DecisionsTold))
async def list_all(asks: Asks, query: Annotated[DecisionsQuery, Given]) -> Response:
    """Decisions, newest first: the tenant's, or those of your own runs."""
    own = await asks.look(own_only)
    filters = query.model_dump(exclude={"limit", "cursor", "at_least", "as_of"})
    asked = DecisionsAsked(limit=query.limit + 1, before=paged(asks, query), own=own, **filters)
    found, position = await read(asks, decisions, query, lambda view: list_decisions(view, asked))
    told = [_decision(row) for row in found[: query.limit]]
    return page_answer(asks, told, position, more=len(found) > query.limit)


def _decision(row: Row) -> dict[str, Json]:
    computed = {"stage", "reasons", "expires_at", "at", "position"}
    plain = {name: row[name] for name in DecisionListed.model_fields if name not in computed}
    stages = row["stages"]
    return {
        **plain,
        "stage": stages[-1]["stage"] if stages else FIRST_STAGE[row["verdict"]],
        "reasons": row["determined"],
        "expires_at": instant(row["expires_at"]) if row["expires_at"] else None,
        "at": instant(row["at"]),
        "position": row["valid_from"],
    }
