"""What callers are told of a run and of one of its calls: never an argument, an output or the salt."""

from collections import Counter
from collections.abc import Mapping

from pydantic import Field

from api.http.describing import Fact, Told
from application.handle import Handled
from domain.kernel import Json
from domain.runs.run import Call, Run


class RunTold(Fact):
    """A run: who it is for, where it has got to, and how many of its calls are at which stage."""

    run_id: str
    agent_id: str
    principal: str
    on_behalf_of: str | None
    subject: str | None
    purpose: str
    mode: str
    started_at: str
    standing: str
    labels: list[str]
    calls: dict[str, int]
    model_calls: int
    spent: dict[str, int] = Field(description="Millionths of a unit, by currency")


class Reason(Told):
    """A policy that settled a decision."""

    policy: str
    effect: str
    reason: str


class ApprovalAsked(Told):
    """The consent a call waits for."""

    id: str
    standing: str | None
    url: str


class DecisionTold(Told):
    """The verdict on a call: `allow`, `ask`, `deny` or `throttle`, and its grounds."""

    call_id: str
    verdict: str
    stage: str
    reasons: list[Reason]
    approval: ApprovalAsked | None
    expires_at: str | None
    action_digest: str
    position: int


class SettledTold(Told):
    """Where a call has got to."""

    call_id: str
    stage: str
    position: int


class CallTold(Fact):
    """One call of a run, as it stands."""

    run_id: str
    call_id: str
    tool: str
    stage: str
    verdict: str
    reasons: list[Reason]
    approval: ApprovalAsked | None
    expires_at: str | None
    action_digest: str


def run_told(handled: Handled[Run]) -> Mapping[str, Json]:
    """A run after a command."""
    return run_as_told(handled.state)


def run_as_told(run: Run) -> Mapping[str, Json]:
    """A run's particulars and progress."""
    return {
        "run_id": run.run_id,
        "agent_id": run.agent_id,
        "principal": run.principal,
        "on_behalf_of": run.on_behalf_of,
        "subject": run.subject,
        "purpose": run.purpose,
        "mode": run.mode,
        "started_at": run.started_at,
        "standing": run.standing.value,
        "labels": sorted(run.labels),
        "calls": dict(Counter(call.stage.value for call in run.calls.values())),
        "model_calls": len(run.model_calls),
        "spent": dict(run.spent),
    }


def call_as_told(run: Run, call_id: str, call: Call) -> Mapping[str, Json]:
    """A call's standing and grounds."""
    waits = {"id": call.approval_id, "standing": None, "url": f"/v1/approvals/{call.approval_id}"}
    return {
        "run_id": run.run_id,
        "call_id": call_id,
        "tool": call.tool,
        "stage": call.stage.value,
        "verdict": call.verdict.value,
        "reasons": [
            {"policy": it.policy, "effect": it.effect, "reason": it.reason} for it in call.determined
        ],
        "approval": waits if call.approval_id else None,
        "expires_at": call.expires_at,
        "action_digest": call.digest,
    }
