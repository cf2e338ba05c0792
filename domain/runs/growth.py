"""How a run grows: what is true of it after one more event."""

from dataclasses import replace
from typing import assert_never

from immutables import Map

from domain.facts.records import merged
from domain.kernel import Verdict, changed
from domain.runs.events import (
    ModelCallRecorded,
    ProgressReported,
    RunCancelled,
    RunCompleted,
    RunEscalated,
    RunEvent,
    RunFailed,
    RunPaused,
    RunResumed,
    RunStarted,
    ToolCallConfirmed,
    ToolCallDecided,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallProposed,
    ToolCallReleased,
)
from domain.runs.run import NEVER, Call, Figures, Run, Stage, Standing, Tally


def evolve(run: Run | None, event: RunEvent) -> Run:
    """What is true of the run after one more event."""
    if isinstance(event, RunStarted):
        return Run(
            run_id=event.run_id,
            agent_id=event.agent_id,
            principal=event.principal,
            on_behalf_of=event.on_behalf_of,
            subject=event.subject,
            purpose=event.purpose,
            mode=event.mode,
            started_at=event.started_at,
            salt=event.salt,
        )
    assert run is not None, "a run's first event starts it"
    match event:
        case ToolCallProposed():
            return changed(run, proposal=(event.call_id, event.tool, event.arguments))
        case ToolCallDecided():
            return _decided(run, event)
        case ToolCallReleased():
            return _released(run, event)
        case ToolCallDispatched():
            return _staged(run, event.call_id, Stage.DISPATCHED)
        case ToolCallConfirmed():
            return _confirmed(run, event)
        case ToolCallFailed():
            return _failed(run, event)
        case ToolCallOutcomeUnknown():
            return _lost(run, event)
        case ModelCallRecorded():
            return _used(run, event)
        case ProgressReported():
            return run
        case RunPaused():
            return replace(run, standing=Standing.PAUSED)
        case RunResumed():
            return replace(run, standing=Standing.ACTIVE)
        case RunCompleted():
            return replace(run, standing=Standing.COMPLETED)
        case RunFailed():
            return replace(run, standing=Standing.FAILED)
        case RunCancelled():
            return replace(run, standing=Standing.CANCELLED)
        case RunEscalated():
            return replace(run, standing=Standing.ESCALATED)
        case _:
            assert_never(event)


def model_call_figures(event: ModelCallRecorded) -> Figures:
    """What makes two reports of one model call the same report."""
    tokens = event.input_tokens, event.output_tokens, event.cached_tokens
    return event.model, *tokens, event.cost, event.currency


def _used(run: Run, event: ModelCallRecorded) -> Run:
    calls = run.model_calls.set(event.model_call_id, model_call_figures(event))
    if not event.cost:
        return replace(run, model_calls=calls)
    spent = run.spent.get(event.currency, 0) + event.cost
    return replace(run, model_calls=calls, spent=run.spent.set(event.currency, spent))


def _decided(run: Run, event: ToolCallDecided) -> Run:
    assert run.proposal is not None, "a decision follows its proposal in the same append"
    _, tool, arguments = run.proposal
    stage = {Verdict.DENY: Stage.DENIED, Verdict.ASK: Stage.ASKED, Verdict.ALLOW: Stage.ALLOWED}[
        event.verdict
    ]
    call = Call(
        tool=tool,
        digest=event.action_digest,
        stage=stage,
        verdict=event.verdict,
        determined=event.determined,
        approval_id=event.approval_id,
        expires_at=event.expires_at,
        arguments=None if stage is Stage.DENIED else arguments,
        asked=event.seen if stage is Stage.ASKED else None,
    )
    return changed(run, proposal=None, calls=run.calls.set(event.call_id, call))


def _released(run: Run, event: ToolCallReleased) -> Run:
    call = replace(run.calls[event.call_id], stage=Stage.ALLOWED, expires_at=event.expires_at, asked=None)
    return replace(run, calls=run.calls.set(event.call_id, call))


def _staged(run: Run, call_id: str, stage: Stage) -> Run:
    call = replace(run.calls[call_id], stage=stage)
    return replace(run, calls=run.calls.set(call_id, call))


def _settled(run: Run, call_id: str, stage: Stage) -> Run:
    call = replace(run.calls[call_id], stage=stage, arguments=None)
    return replace(run, calls=run.calls.set(call_id, call))


def _confirmed(run: Run, event: ToolCallConfirmed) -> Run:
    call = run.calls[event.call_id]
    facts = run.facts
    for record in event.facts:
        facts = facts.set((record.kind, record.key), merged(facts.get((record.kind, record.key)), record))
    return changed(
        _settled(run, event.call_id, Stage.CONFIRMED),
        labels=run.labels.union(event.labels),
        tools=_one_more_done(run.tools, call.tool),
        actions=_one_more_done(run.actions, call.digest),
        writes=run.writes + event.writes,
        unresolved=_resolved(run, event.call_id),
        facts=facts,
        sources=run.sources | {event.source.value},
    )


def _failed(run: Run, event: ToolCallFailed) -> Run:
    call = run.calls[event.call_id]
    return changed(
        _settled(run, event.call_id, Stage.FAILED),
        tools=_one_more_failed(run, run.tools, call.tool),
        actions=_one_more_failed(run, run.actions, call.digest),
        unresolved=_resolved(run, event.call_id),
        sources=run.sources | {event.source.value},
    )


def _lost(run: Run, event: ToolCallOutcomeUnknown) -> Run:
    # Its arguments stay: the outcome may still be learned, and its effects with it.
    return replace(
        _staged(run, event.call_id, Stage.UNKNOWN),
        labels=run.labels.union(event.labels),
        unresolved=run.unresolved | {run.calls[event.call_id].digest},
        sources=run.sources | {event.source.value},
    )


def _resolved(run: Run, call_id: str) -> frozenset[str]:
    # The same action may have been sent under two ids: it stays unknown while either of them is.
    digest = run.calls[call_id].digest
    if digest not in run.unresolved:
        return run.unresolved
    others = (call for other, call in run.calls.items() if other != call_id and call.digest == digest)
    if any(call.stage is Stage.UNKNOWN for call in others):
        return run.unresolved
    return run.unresolved - {digest}


def _one_more_done(tallies: Map[str, Tally], key: str) -> Map[str, Tally]:
    tally = tallies.get(key, NEVER)
    return tallies.set(key, replace(tally, done=tally.done + 1))


def _one_more_failed(run: Run, tallies: Map[str, Tally], key: str) -> Map[str, Tally]:
    failures = run.failed(tallies, key) + 1
    return tallies.set(key, Tally(run.done(tallies, key), failures, run.writes))
