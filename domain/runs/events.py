"""What can happen in a run."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from domain.facts.records import FactRecord
from domain.kernel import Event, Id, Instant, Json, Message, Money, Name, Personal, Source, Text, Verdict

Count = Annotated[int, Field(ge=0, le=2**53)]


class Determination(Message):
    """One policy that settled a decision, and what it did: permit, forbid, ask, default or error."""

    policy: Text
    effect: Literal["permit", "forbid", "ask", "default", "error"]
    reason: Text


class Seen(Message):
    """What a decision rested on: enough to decide again from the log alone and compare."""

    run_version: Count
    law_position: Count
    policy_set: str | None
    tool_edition: Count
    engine: Text
    now: Instant
    principal: Id
    roles: tuple[Name, ...]
    claims: Mapping[str, Json]
    on_behalf_of: Id | None
    labels: tuple[Name, ...]
    done: Count
    failed: Count
    identical_done: Count
    identical_failed: Count
    evidence: Mapping[str, Json]
    """The derived facts that were computed, by name."""
    lease_before: Money | None = None
    lease_after: Money | None = None
    limiter: Mapping[str, Json] | None = None


class RunStarted(Event):
    """`salt` makes the run's action digests unguessable; it belongs to the run and is stored sealed."""

    agent_id: Id
    principal: Id
    on_behalf_of: Id | None
    subject: Id | None
    purpose: Text
    mode: Literal["live", "recorded"]
    started_at: Instant
    salt: str
    run_id: Id

    def personal(self) -> Iterable[Personal]:
        return (Personal("/salt", f"run:{self.run_id}"),)


class ProgressReported(Event):
    note: Text
    percent: int | None = Field(default=None, ge=0, le=100)


class ModelCallRecorded(Event):
    """What a call of a model used. `cost` is in micro-units of `currency`; None when nobody knows it."""

    model_call_id: Id
    model: Text
    input_tokens: Count
    output_tokens: Count
    cached_tokens: Count
    cost: Money | None
    currency: str
    source: Source


class ToolCallProposed(Event):
    call_id: Id
    tool: Name
    arguments: Mapping[str, Json]
    marks: tuple[Personal, ...] = Field(default=(), exclude=True, repr=False)

    def personal(self) -> Iterable[Personal]:
        return self.marks


class ToolCallDecided(Event):
    call_id: Id
    verdict: Literal[Verdict.DENY, Verdict.ASK, Verdict.ALLOW]
    determined: tuple[Determination, ...]
    action_digest: str
    approval_id: Id | None
    expires_at: Instant | None
    seen: Seen


class ToolCallReleased(Event):
    """Decided again after consent, and allowed: now it may be dispatched."""

    call_id: Id
    approval_id: Id
    determined: tuple[Determination, ...]
    action_digest: str
    expires_at: Instant
    seen: Seen


class ToolCallDispatched(Event):
    """On its way to the tool; `implied` when only its outcome told us."""

    call_id: Id
    at: Instant
    implied: bool


class ToolCallConfirmed(Event):
    """It was done. `facts` are what its output and its effects taught the run."""

    call_id: Id
    source: Source
    writes: bool
    labels: tuple[Name, ...]
    facts: tuple[FactRecord, ...]
    output_digest: str | None
    output: Json = None
    marks: tuple[Personal, ...] = Field(default=(), exclude=True, repr=False)

    def personal(self) -> Iterable[Personal]:
        return self.marks


class ToolCallFailed(Event):
    """It was not done, and the tool said so. The error text may quote data and is kept sealed."""

    call_id: Id
    source: Source
    error: str
    subject: str = Field(exclude=True, default="")

    def personal(self) -> Iterable[Personal]:
        return (Personal("/error", self.subject),) if self.subject else ()


class ToolCallOutcomeUnknown(Event):
    """Nobody knows whether it was done: the same action is not tried again blindly.

    The note may quote data, as an error may, and is kept sealed.
    """

    call_id: Id
    source: Source
    labels: tuple[Name, ...]
    note: str
    subject: str = Field(exclude=True, default="")

    def personal(self) -> Iterable[Personal]:
        return (Personal("/note", self.subject),) if self.subject else ()


class RunPaused(Event):
    reason: Text


class RunResumed(Event):
    reason: Text


class RunCompleted(Event):
    result: Text


class RunFailed(Event):
    reason: Text


class RunCancelled(Event):
    reason: Text


class RunEscalated(Event):
    reason: Text


RunEvent: TypeAlias = (
    RunStarted
    | ProgressReported
    | ModelCallRecorded
    | ToolCallProposed
    | ToolCallDecided
    | ToolCallReleased
    | ToolCallDispatched
    | ToolCallConfirmed
    | ToolCallFailed
    | ToolCallOutcomeUnknown
    | RunPaused
    | RunResumed
    | RunCompleted
    | RunFailed
    | RunCancelled
    | RunEscalated
)
