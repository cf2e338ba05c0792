"""Every event the log can hold: its name on disk, its version, its class, and whether it is law.

Names and versions are for ever. To change the shape of an event raise its version here, add an upcast
below, and a golden file under tests/golden/events.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from domain.agents import events as agents
from domain.approvals import events as approvals
from domain.kernel import Event, Json
from domain.policies import events as policies
from domain.runs import events as runs
from domain.tenants import events as tenants
from domain.tools import events as tools

Upcast = Callable[[dict[str, Json]], dict[str, Json]]
"""Turns the body of one version into the body of the next."""


@dataclass(frozen=True)
class Word:
    """One event as it is known on disk. Events that decisions rest on are `law`."""

    name: str
    version: int
    event: type[Event]
    law: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """A closed set of words, with the upcasts that lead to their newest versions."""

    words: tuple[Word, ...]
    upcasts: Mapping[tuple[str, int], Upcast] = field(default_factory=dict[tuple[str, int], Upcast])
    """By name and the version they lead to."""

    @cached_property
    def by_name(self) -> dict[str, Word]:
        return {word.name: word for word in self.words}

    @cached_property
    def by_class(self) -> dict[type[Event], Word]:
        return {word.event: word for word in self.words}

    @cached_property
    def law_names(self) -> tuple[str, ...]:
        """The names of all law events."""
        return tuple(word.name for word in self.words if word.law)


VOCABULARY = Vocabulary(
    words=(
        Word("tenant.founded", 1, tenants.TenantFounded, law=True),
        Word("tenant.left-founding", 1, tenants.FoundingLeft, law=True),
        Word("tenant.team-created", 1, tenants.TeamCreated, law=True),
        Word("tenant.member-added", 1, tenants.MemberAdded, law=True),
        Word("tenant.member-removed", 1, tenants.MemberRemoved, law=True),
        Word("tenant.role-granted", 1, tenants.RoleGranted, law=True),
        Word("tenant.role-withdrawn", 1, tenants.RoleWithdrawn, law=True),
        Word("agent.registered", 1, agents.AgentRegistered, law=True),
        Word("agent.updated", 1, agents.AgentUpdated, law=True),
        Word("agent.suspended", 1, agents.AgentSuspended, law=True),
        Word("agent.reinstated", 1, agents.AgentReinstated, law=True),
        Word("agent.retired", 1, agents.AgentRetired, law=True),
        Word("tool.registered", 1, tools.ToolRegistered, law=True),
        Word("tool.reclassified", 1, tools.ToolReclassified, law=True),
        Word("tool.suspended", 1, tools.ToolSuspended, law=True),
        Word("tool.reinstated", 1, tools.ToolReinstated, law=True),
        Word("tool.retired", 1, tools.ToolRetired, law=True),
        Word("policy-set.drafted", 1, policies.PolicySetDrafted, law=True),
        Word("policy-set.validated", 1, policies.PolicySetValidated, law=True),
        Word("policy-set.activated", 1, policies.PolicySetActivated, law=True),
        Word("policy-set.superseded", 1, policies.PolicySetSuperseded, law=True),
        Word("run.started", 1, runs.RunStarted),
        Word("run.progress-reported", 1, runs.ProgressReported),
        Word("run.model-call-recorded", 1, runs.ModelCallRecorded),
        Word("run.tool-call-proposed", 1, runs.ToolCallProposed),
        Word("run.tool-call-decided", 1, runs.ToolCallDecided),
        Word("run.tool-call-released", 1, runs.ToolCallReleased),
        Word("run.tool-call-dispatched", 1, runs.ToolCallDispatched),
        Word("run.tool-call-confirmed", 1, runs.ToolCallConfirmed),
        Word("run.tool-call-failed", 1, runs.ToolCallFailed),
        Word("run.tool-call-outcome-unknown", 1, runs.ToolCallOutcomeUnknown),
        Word("run.paused", 1, runs.RunPaused),
        Word("run.resumed", 1, runs.RunResumed),
        Word("run.completed", 1, runs.RunCompleted),
        Word("run.failed", 1, runs.RunFailed),
        Word("run.cancelled", 1, runs.RunCancelled),
        Word("run.escalated", 1, runs.RunEscalated),
        Word("approval.requested", 1, approvals.ApprovalRequested),
        Word("approval.granted-by", 1, approvals.ApprovalGrantedBy),
        Word("approval.granted", 1, approvals.ApprovalGranted),
        Word("approval.rejected", 1, approvals.ApprovalRejected),
        Word("approval.expired", 1, approvals.ApprovalExpired),
        Word("approval.consumed", 1, approvals.ApprovalConsumed),
        Word("approval.went-stale", 1, approvals.ApprovalWentStale),
    ),
)
