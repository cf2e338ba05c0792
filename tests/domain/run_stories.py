"""The pieces that stories of runs are told with."""

from domain.facts.records import FactRecord
from domain.kernel import Source, Verdict
from domain.runs.commands import (
    ConfirmToolCall,
    DispatchToolCall,
    FailToolCall,
    LoseToolCall,
    ProposeToolCall,
    ReleaseToolCall,
    StartRun,
)
from domain.runs.decider import runs
from domain.runs.events import (
    Determination,
    RunEvent,
    RunStarted,
    Seen,
    ToolCallConfirmed,
    ToolCallDecided,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallProposed,
    ToolCallReleased,
)
from tests.spec import Spec

given = Spec(runs)

NOW, SOON, UNTIL, AFTER = (f"2026-01-01T10:{minute}:00.000000Z" for minute in ("00", "01", "05", "06"))
"""A call is decided NOW and usable UNTIL then."""

START = StartRun(
    run_id="r1",
    agent_id="a1",
    principal="gate",
    on_behalf_of=None,
    subject=None,
    purpose="tidy up",
    mode="live",
    started_at=NOW,
    salt="5a17",
)
STARTED = RunStarted(**dict(START))
PERMIT = (Determination(policy="all", effect="permit", reason="All is well."),)
SEEN = Seen(
    run_version=1,
    law_position=7,
    policy_set="p" * 64,
    tool_edition=1,
    engine="cedar-4",
    now=NOW,
    principal="gate",
    roles=("operator",),
    claims={},
    on_behalf_of=None,
    labels=(),
    done=0,
    failed=0,
    identical_done=0,
    identical_failed=0,
    evidence={},
)


def propose(
    call: str, verdict: Verdict = Verdict.ALLOW, *, tool: str = "mail", digest: str = "d1"
) -> ProposeToolCall:
    return ProposeToolCall(
        call_id=call,
        tool=tool,
        arguments={"n": digest},
        action_digest=digest,
        verdict=verdict,
        determined=PERMIT,
        approval_id=f"ask-{call}",
        usable_until=UNTIL,
        seen=SEEN,
    )


def decided(
    call: str, verdict: Verdict = Verdict.ALLOW, *, tool: str = "mail", digest: str = "d1"
) -> tuple[RunEvent, RunEvent]:
    """The two events of a proposal."""
    assert verdict is not Verdict.THROTTLE
    return (
        ToolCallProposed(call_id=call, tool=tool, arguments={"n": digest}),
        ToolCallDecided(
            call_id=call,
            verdict=verdict,
            determined=PERMIT,
            action_digest=digest,
            approval_id=f"ask-{call}" if verdict is Verdict.ASK else None,
            expires_at=UNTIL if verdict is Verdict.ALLOW else None,
            seen=SEEN,
        ),
    )


def release(call: str, *, digest: str = "d1", approval: str | None = None) -> ReleaseToolCall:
    return ReleaseToolCall(
        call_id=call,
        approval_id=approval or f"ask-{call}",
        action_digest=digest,
        determined=PERMIT,
        usable_until=UNTIL,
        seen=SEEN,
    )


def released(call: str, *, digest: str = "d1") -> ToolCallReleased:
    return ToolCallReleased(
        call_id=call,
        approval_id=f"ask-{call}",
        determined=PERMIT,
        action_digest=digest,
        expires_at=UNTIL,
        seen=SEEN,
    )


def dispatch(call: str, now: str = SOON) -> DispatchToolCall:
    return DispatchToolCall(call_id=call, now=now)


def dispatched(call: str, *, implied: bool = False) -> ToolCallDispatched:
    return ToolCallDispatched(call_id=call, at=SOON, implied=implied)


def fact(
    kind: str = "booking", key: str = "b1", source: Source = Source.TOOL, **fields: object
) -> FactRecord:
    return FactRecord(kind=kind, key=key, fields=fields, source=source)


def confirm(
    call: str,
    *,
    writes: bool = False,
    labels: tuple[str, ...] = (),
    facts: tuple[FactRecord, ...] = (),
    source: Source = Source.TOOL,
    now: str = SOON,
) -> ConfirmToolCall:
    return ConfirmToolCall(
        call_id=call,
        source=source,
        writes=writes,
        labels=labels,
        facts=facts,
        output_digest=None,
        output=None,
        now=now,
    )


def confirmed(
    call: str,
    *,
    writes: bool = False,
    labels: tuple[str, ...] = (),
    facts: tuple[FactRecord, ...] = (),
    source: Source = Source.TOOL,
) -> ToolCallConfirmed:
    return ToolCallConfirmed(
        call_id=call, source=source, writes=writes, labels=labels, facts=facts, output_digest=None
    )


def fail(call: str, now: str = SOON) -> FailToolCall:
    return FailToolCall(call_id=call, source=Source.AGENT, error="full", now=now, subject="run:r1")


def failed(call: str) -> ToolCallFailed:
    return ToolCallFailed(call_id=call, source=Source.AGENT, error="full", subject="run:r1")


def lose(call: str, *, labels: tuple[str, ...] = (), now: str = SOON) -> LoseToolCall:
    return LoseToolCall(call_id=call, source=Source.GATEWAY, labels=labels, note="timeout", now=now)


def lost(call: str, *, labels: tuple[str, ...] = ()) -> ToolCallOutcomeUnknown:
    return ToolCallOutcomeUnknown(call_id=call, source=Source.GATEWAY, labels=labels, note="timeout")
