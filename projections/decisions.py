"""The audit trail: what was decided about every tool call, on what grounds, and what came of it."""

from collections.abc import Iterable, Sequence

from domain.kernel import Json, instant
from domain.record import Recorded
from domain.runs.events import (
    Determination,
    RunStarted,
    ToolCallConfirmed,
    ToolCallDecided,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallProposed,
    ToolCallReleased,
)
from projections.changes import Add, Change, ReadModel, Table

FOLLOWS = (
    "run.started",
    "run.tool-call-proposed",
    "run.tool-call-decided",
    "run.tool-call-released",
    "run.tool-call-dispatched",
    "run.tool-call-confirmed",
    "run.tool-call-failed",
    "run.tool-call-outcome-unknown",
)

INDEXED = 400


def project(recorded: Recorded) -> Iterable[Change]:
    """One event's share of the audit trail."""
    run_id, event = recorded.stream.id, recorded.event
    match event:
        case ToolCallProposed():
            yield Add("decision_proposals", {"run_id": run_id, "call_id": event.call_id, "tool": event.tool})
        case ToolCallDecided():
            yield from _decided(run_id, event)
        case ToolCallReleased():
            grounds = {
                "determined": determinations(event.determined),
                "policy_set": event.seen.policy_set,
                "law_position": event.seen.law_position,
                "expires_at": event.expires_at,
            }
            yield _stage(recorded, event.call_id, "released", grounds)
        case ToolCallDispatched():
            yield _stage(recorded, event.call_id, "dispatched", {"implied": event.implied})
        case ToolCallConfirmed():
            yield _stage(recorded, event.call_id, "confirmed", {"source": event.source.value})
        case ToolCallFailed():
            yield _stage(recorded, event.call_id, "failed", {"source": event.source.value})
        case ToolCallOutcomeUnknown():
            yield _stage(recorded, event.call_id, "unknown", {"source": event.source.value})
        case RunStarted():
            yield Add(
                "decision_runs",
                {
                    "run_id": run_id,
                    "agent_id": event.agent_id,
                    "principal": event.principal,
                    "on_behalf_of": event.on_behalf_of,
                },
            )
        case _:
            return


def determinations(determined: Sequence[Determination]) -> Json:
    """The policies that settled it, with what each did and why."""
    return [{"policy": one.policy, "effect": one.effect, "reason": one.reason} for one in determined]


def indexed(policy: str) -> str:
    """A policy's name as it is looked up: an index takes no text of unbounded length."""
    return policy[:INDEXED]


def _decided(run_id: str, event: ToolCallDecided) -> Iterable[Change]:
    seen = event.seen
    yield Add(
        "decisions",
        {
            "run_id": run_id,
            "call_id": event.call_id,
            "verdict": event.verdict.value,
            "determined": determinations(event.determined),
            "action_digest": event.action_digest,
            "approval_id": event.approval_id,
            "expires_at": event.expires_at,
            "policy_set": seen.policy_set,
            "law_position": seen.law_position,
            "principal": seen.principal,
            "roles": seen.roles,
            "on_behalf_of": seen.on_behalf_of,
            "engine": seen.engine,
            "at": seen.now,
        },
    )
    for policy in dict.fromkeys(indexed(one.policy) for one in event.determined):
        yield Add("decision_policies", {"policy": policy, "run_id": run_id, "call_id": event.call_id})


def _stage(recorded: Recorded, call_id: str, stage: str, detail: Json) -> Change:
    return Add(
        "decision_stages",
        {
            "run_id": recorded.stream.id,
            "call_id": call_id,
            "stage": stage,
            "at": instant(recorded.context.at),
            "actor": recorded.context.actor,
            "detail": detail,
        },
    )


decisions = ReadModel(
    name="decisions",
    version=1,
    follows=FOLLOWS,
    tables=(
        Table("decision_runs"),
        Table("decision_proposals"),
        Table("decisions"),
        Table("decision_policies"),
        Table("decision_stages"),
    ),
    project=project,
)
