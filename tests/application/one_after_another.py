"""What may stand in the log if everything happened one after another: a model that reads it in order."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from application.ports import Recorded
from domain.agents import events as agent
from domain.approvals import events as approval
from domain.kernel import Event, Verdict
from domain.policies import events as policy
from domain.runs import events as run
from domain.tenants import events as tenant
from domain.tools import events as tool

Action: TypeAlias = tuple[str, int]
"""A tool and the only argument that stories give it."""


@dataclass
class CallModel:
    """One call as the log tells of it."""

    action: Action
    stage: str
    first: Verdict
    approval: str | None


@dataclass
class RunModel:
    """One run as the log tells of it."""

    standing: str = "active"
    proposed: tuple[str, Action] | None = None
    calls: dict[str, CallModel] = field(default_factory=dict[str, CallModel])
    done: Counter[Action] = field(default_factory=Counter[Action])

    def unknown(self, action: Action) -> bool:
        return any(call.stage == "unknown" and call.action == action for call in self.calls.values())


@dataclass
class Model:
    """The whole log, read in order. `apply` fails on what could not have happened one after another."""

    text: str = ""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    stopped: set[str] = field(default_factory=set[str])
    """Suspended agents and tools."""
    operators: set[str] = field(default_factory=set[str])
    runs: dict[str, RunModel] = field(default_factory=dict[str, RunModel])
    approvals: dict[str, str] = field(default_factory=dict[str, str])
    law: int = 0
    position: int = 0
    """The log's head before the story begins, then that of the event read last."""
    tenant_position: int = 0
    versions: Counter[str] = field(default_factory=Counter[str])
    owed: type[Event] | None = None
    """The event that must follow at once, because it belongs to the same append."""

    def apply(self, recorded: Recorded) -> None:
        stream, event = recorded.stream, recorded.event
        assert recorded.position == self.position + 1, "positions are contiguous"
        assert recorded.tenant_position == self.tenant_position + 1, "a tenant's own positions too"
        assert recorded.version == self.versions[str(stream)] + 1, "versions are contiguous"
        assert self.owed is None or isinstance(event, self.owed), "what is one append stands side by side"
        self.position, self.tenant_position = recorded.position, recorded.tenant_position
        self.owed = None
        self.versions[str(stream)] += 1
        match stream.category:
            case "run":
                self._run(self.runs.setdefault(stream.id, RunModel()), event)
            case "approval":
                self._approval(stream.id, event)
            case _:
                self.law = recorded.position
                self._law(stream.id, event)

    def verdict(self, known: RunModel, action: Action) -> Verdict:
        """What the law at this point of the log says of an action."""
        if self.stopped & {"a1", action[0]} or not self.text:
            return Verdict.DENY
        return {
            "allow": Verdict.ALLOW,
            "deny": Verdict.DENY,
            "ask": Verdict.ASK,
            "once": Verdict.DENY if known.done[action] else Verdict.ALLOW,
        }[self.text]

    def _law(self, name: str, event: Event) -> None:
        match event:
            case policy.PolicySetDrafted():
                self.texts[event.digest] = event.text
            case policy.PolicySetActivated():
                self.text = self.texts[event.digest]
            case agent.AgentSuspended() | tool.ToolSuspended():
                self.stopped.add(name)
            case agent.AgentReinstated() | tool.ToolReinstated():
                self.stopped.discard(name)
            case tenant.RoleGranted() if event.role == "operator":
                self.operators.add(event.principal)
            case tenant.RoleWithdrawn() if event.role == "operator":
                self.operators.discard(event.principal)
            case _:
                pass

    def _approval(self, name: str, event: Event) -> None:
        match event:
            case approval.ApprovalRequested():
                self.approvals[name] = "waiting"
            case approval.ApprovalGranted():
                assert self.approvals[name] == "waiting"
                self.approvals[name] = "granted"
            case approval.ApprovalConsumed():
                assert self.approvals[name] == "granted", "consent is used once"
                self.approvals[name] = "consumed"
            case approval.ApprovalWentStale():
                assert self.approvals[name] == "granted"
                self.approvals[name] = "stale"
            case _:
                assert isinstance(event, approval.ApprovalGrantedBy)

    def _run(self, known: RunModel, event: Event) -> None:
        match event:
            case run.RunStarted():
                assert not known.calls
            case run.RunPaused():
                known.standing = "paused"
            case run.RunResumed():
                known.standing = "active"
            case run.RunCompleted():
                known.standing = "completed"
            case run.ToolCallProposed():
                assert event.call_id not in known.calls, "a call id is decided once"
                known.proposed = event.call_id, (event.tool, event.arguments["n"])
                self.owed = run.ToolCallDecided
            case run.ToolCallDecided():
                self._decided(known, event)
            case run.ToolCallReleased():
                self._released(known, event)
            case _:
                self._carried_out(known, event)

    def _decided(self, known: RunModel, event: run.ToolCallDecided) -> None:
        assert known.proposed is not None
        call, action = known.proposed
        expected = self.verdict(known, action)
        if known.unknown(action):
            expected = Verdict.DENY
        assert (event.call_id, event.verdict) == (call, expected), (
            "decided on what stands before it in the log"
        )
        assert known.standing == "active"
        assert event.seen.principal in self.operators
        assert event.seen.law_position == self.law
        stages = {Verdict.ALLOW: "allowed", Verdict.ASK: "asked", Verdict.DENY: "denied"}
        known.calls[call] = CallModel(action, stages[expected], expected, event.approval_id)
        self.owed = approval.ApprovalRequested if expected is Verdict.ASK else None

    def _released(self, known: RunModel, event: run.ToolCallReleased) -> None:
        call = known.calls[event.call_id]
        assert (call.stage, known.standing) == ("asked", "active"), "released once, while the run goes on"
        assert self.verdict(known, call.action) is Verdict.ASK
        assert not known.unknown(call.action)
        assert self.approvals[event.approval_id] == "granted"
        assert event.seen.principal in self.operators
        assert event.seen.law_position == self.law
        call.stage = "allowed"
        self.owed = approval.ApprovalConsumed

    def _carried_out(self, known: RunModel, event: Event) -> None:
        match event:
            case run.ToolCallDispatched():
                call = known.calls[event.call_id]
                assert call.stage == "allowed"
                if not event.implied:
                    assert known.standing == "active"
                    assert not self.stopped & {"a1", call.action[0]}, "nothing is sent after a suspension"
                    assert not known.unknown(call.action)
                call.stage = "dispatched"
            case run.ToolCallConfirmed():
                call = known.calls[event.call_id]
                assert call.stage in {"dispatched", "unknown"}
                call.stage = "confirmed"
                known.done[call.action] += 1
            case run.ToolCallOutcomeUnknown():
                call = known.calls[event.call_id]
                assert call.stage == "dispatched"
                call.stage = "unknown"
            case _:
                raise AssertionError(event)
