"""What can be asked of a run."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from domain.facts.records import FactRecord
from domain.kernel import Command, Id, Instant, Json, Money, Name, Personal, Source, Text, Verdict
from domain.runs.events import Count, Determination, Seen


class StartRun(Command):
    run_id: Id
    agent_id: Id
    principal: Id
    on_behalf_of: Id | None
    subject: Id | None
    purpose: Text
    mode: Literal["live", "recorded"]
    started_at: Instant
    salt: str


class ReportProgress(Command):
    note: Text
    percent: int | None = Field(default=None, ge=0, le=100)


class RecordModelCall(Command):
    model_call_id: Id
    model: Text
    input_tokens: Count
    output_tokens: Count
    cached_tokens: Count
    cost: Money | None
    currency: str
    source: Source


class ProposeToolCall(Command):
    """A proposal together with the ruling that policy and law gave on it, seen at one version of the run.

    `usable_until` is told by our clock, also for a recorded run, whose `seen.now` is long past.
    """

    call_id: Id
    tool: Name
    arguments: Mapping[str, Json]
    action_digest: str
    verdict: Verdict
    determined: tuple[Determination, ...]
    approval_id: Id | None
    usable_until: Instant
    seen: Seen
    marks: tuple[Personal, ...] = Field(default=(), repr=False)


class ReleaseToolCall(Command):
    """A second ruling on an asked call, after consent."""

    call_id: Id
    approval_id: Id
    action_digest: str
    determined: tuple[Determination, ...]
    usable_until: Instant
    seen: Seen


class DispatchToolCall(Command):
    call_id: Id
    now: Instant


class ConfirmToolCall(Command):
    """`now` is when we heard of it: an allowance that ran out before cannot be confirmed."""

    call_id: Id
    source: Source
    writes: bool
    labels: tuple[Name, ...]
    facts: tuple[FactRecord, ...]
    output_digest: str | None
    output: Json
    now: Instant
    marks: tuple[Personal, ...] = Field(default=(), repr=False)


class FailToolCall(Command):
    call_id: Id
    source: Source
    error: str
    now: Instant
    subject: str


class LoseToolCall(Command):
    """Nobody knows what became of it."""

    call_id: Id
    source: Source
    labels: tuple[Name, ...]
    note: Text
    now: Instant
    subject: str = ""


class PauseRun(Command):
    reason: Text


class ResumeRun(Command):
    reason: Text


class CompleteRun(Command):
    result: Text


class FailRun(Command):
    reason: Text


class CancelRun(Command):
    reason: Text


class EscalateRun(Command):
    reason: Text


RunCommand: TypeAlias = (
    StartRun
    | ReportProgress
    | RecordModelCall
    | ProposeToolCall
    | ReleaseToolCall
    | DispatchToolCall
    | ConfirmToolCall
    | FailToolCall
    | LoseToolCall
    | PauseRun
    | ResumeRun
    | CompleteRun
    | FailRun
    | CancelRun
    | EscalateRun
)
