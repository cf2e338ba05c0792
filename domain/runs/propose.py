"""Proposing a tool call: proposal and decision are one append."""

from collections.abc import Sequence
from typing import Literal

from domain.kernel import Verdict
from domain.runs.commands import ProposeToolCall
from domain.runs.events import Determination, ToolCallDecided, ToolCallProposed
from domain.runs.lifecycle import must_not_have_ended
from domain.runs.rejections import CallIdReused, RunIsPaused
from domain.runs.run import Run, Standing

NOBODY_KNOWS = Determination(
    policy="outcome-unknown",
    effect="forbid",
    reason="The same action was sent before and nobody knows what became of it: find out, then try again.",
)


def propose(command: ProposeToolCall, run: Run) -> Sequence[ToolCallProposed | ToolCallDecided]:
    """A call id is decided once; asked again it answers the same, with another action it is refused."""
    known = run.calls.get(command.call_id)
    if known is not None:
        if known.digest == command.action_digest:
            return []
        raise CallIdReused(call_id=command.call_id)
    must_not_have_ended(run)
    if run.standing is Standing.PAUSED:
        raise RunIsPaused
    return [_proposed(command), _decided(command, run)]


def _proposed(command: ProposeToolCall) -> ToolCallProposed:
    return ToolCallProposed(
        call_id=command.call_id, tool=command.tool, arguments=command.arguments, marks=command.marks
    )


def _decided(command: ProposeToolCall, run: Run) -> ToolCallDecided:
    verdict, determined = _recordable(command.verdict), command.determined
    if verdict is not Verdict.DENY and command.action_digest in run.unresolved:
        verdict, determined = Verdict.DENY, (NOBODY_KNOWS,)
    allowed, asked = verdict is Verdict.ALLOW, verdict is Verdict.ASK
    return ToolCallDecided(
        call_id=command.call_id,
        verdict=verdict,
        determined=determined,
        action_digest=command.action_digest,
        approval_id=command.approval_id if asked else None,
        expires_at=command.usable_until if allowed else None,
        seen=command.seen,
    )


def _recordable(verdict: Verdict) -> Literal[Verdict.DENY, Verdict.ASK, Verdict.ALLOW]:
    assert verdict is not Verdict.THROTTLE, "to throttle is an answer, not a decision"
    return verdict
