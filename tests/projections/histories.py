"""Recorded events to project: one run with every turn it can take, and random ones."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from adapters.event_store.vocabulary import VOCABULARY
from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalGrantedBy,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalWentStale,
    AskedFor,
)
from domain.kernel import Event, Source, Verdict, instant
from domain.record import Context, Recorded, StreamId
from domain.runs.events import (
    Determination,
    RunStarted,
    Seen,
    ToolCallConfirmed,
    ToolCallDecided,
    ToolCallDispatched,
    ToolCallProposed,
    ToolCallReleased,
)

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
DIGEST = "a" * 64


class History:
    """A log that is written down by hand: positions and versions are counted as the log counts them."""

    def __init__(self, tenant: str = "acme") -> None:
        self.tenant = tenant
        self.recorded: list[Recorded] = []
        self._versions: dict[StreamId, int] = {}

    def happened(self, category: str, stream_id: str, *events: Event, tenant: str | None = None) -> Recorded:
        """Append events to a stream; the last of them, as recorded, is returned."""
        stream = StreamId(tenant or self.tenant, category, stream_id)
        for event in events:
            position = len(self.recorded) + 1
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            word = VOCABULARY.by_class[type(event)]
            self.recorded.append(
                Recorded(
                    position=position,
                    tenant_position=position,
                    stream=stream,
                    version=version,
                    event_id=f"event-{position}",
                    name=word.name,
                    schema_version=word.version,
                    event=event,
                    context=Context("support-bot", START + timedelta(seconds=position), "correlation"),
                )
            )
        return self.recorded[-1]

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.recorded)


def started(run_id: str = "run-1", agent: str = "support-bot", principal: str = "support-bot") -> RunStarted:
    return RunStarted(
        agent_id=agent,
        principal=principal,
        on_behalf_of=None,
        subject="cust-7",
        purpose="Answer ticket 7",
        mode="live",
        started_at=instant(START),
        salt="sealed:v1:key:salt",
        run_id=run_id,
    )


def seen(law_position: int = 3, principal: str = "support-bot") -> Seen:
    return Seen(
        run_version=1,
        law_position=law_position,
        policy_set=DIGEST,
        tool_edition=1,
        engine="cedar 4.12",
        now=instant(START),
        principal=principal,
        roles=("agent",),
        claims={},
        on_behalf_of=None,
        labels=(),
        done=0,
        failed=0,
        identical_done=0,
        identical_failed=0,
        evidence={},
    )


def proposed(call_id: str = "call-1", tool: str = "send_mail", to: str = "a@example.org") -> ToolCallProposed:
    return ToolCallProposed(call_id=call_id, tool=tool, arguments={"to": to})


def decided(
    call_id: str = "call-1", verdict: Verdict = Verdict.ALLOW, policies: Iterable[str] = ("mail-is-fine",)
) -> ToolCallDecided:
    effect = {Verdict.ALLOW: "permit", Verdict.ASK: "ask", Verdict.DENY: "forbid"}[verdict]
    return ToolCallDecided(
        call_id=call_id,
        verdict=verdict,  # type: ignore[arg-type]  # throttle is never recorded
        determined=tuple(
            Determination(policy=one, effect=effect, reason=f"Because of {one[:50]}.")  # type: ignore[arg-type]
            for one in policies
        ),
        action_digest=DIGEST,
        approval_id=f"approval-{call_id}" if verdict is Verdict.ASK else None,
        expires_at=instant(START + timedelta(minutes=5)) if verdict is Verdict.ALLOW else None,
        seen=seen(),
    )


def released(call_id: str = "call-1") -> ToolCallReleased:
    return ToolCallReleased(
        call_id=call_id,
        approval_id=f"approval-{call_id}",
        determined=(Determination(policy="big-mails", effect="permit", reason="Approved."),),
        action_digest=DIGEST,
        expires_at=instant(START + timedelta(minutes=5)),
        seen=seen(),
    )


def dispatched(call_id: str = "call-1") -> ToolCallDispatched:
    return ToolCallDispatched(call_id=call_id, at=instant(START), implied=False)


def confirmed(call_id: str = "call-1") -> ToolCallConfirmed:
    return ToolCallConfirmed(
        call_id=call_id, source=Source.TOOL, writes=True, labels=(), facts=(), output_digest=None
    )


def requested(
    run_id: str = "run-1", call_id: str = "call-1", role: str = "approver", to: str = "a@example.org"
) -> ApprovalRequested:
    return ApprovalRequested(
        run_id=run_id,
        call_id=call_id,
        tool="send_mail",
        arguments={"to": to},
        action_digest=DIGEST,
        policy_set=DIGEST,
        asks=(
            AskedFor(
                policy="big-mails",
                role=role,
                quorum=1,
                expires_at=instant(START + timedelta(hours=1)),
                reason="Mails to many need a second pair of eyes.",
            ),
        ),
        agent_id="support-bot",
        requested_by="support-bot",
        barred=("support-bot", "olga"),
    )


def voice(approver: str = "bea") -> ApprovalGrantedBy:
    return ApprovalGrantedBy(approver=approver, roles=("approver",), saw=DIGEST, note="fine")


SETTLED: dict[str, tuple[Event, ...]] = {
    "granted": (voice(), ApprovalGranted()),
    "rejected": (ApprovalRejected(approver="bea", reason="No."),),
    "expired": (ApprovalExpired(at=instant(START)),),
    "stale": (ApprovalWentStale(reason="Nobody asks any more."),),
}


def a_run_with_an_approval() -> History:
    """Asked, granted, released, done: every stream that one call can touch."""
    history = History()
    history.happened(
        "run", "run-1", started(), proposed(), decided(verdict=Verdict.ASK, policies=["big-mails"])
    )
    history.happened("approval", "approval-call-1", requested())
    history.happened("approval", "approval-call-1", *SETTLED["granted"])
    history.happened("run", "run-1", released())
    history.happened("approval", "approval-call-1", ApprovalConsumed(call_id="call-1"))
    history.happened("run", "run-1", dispatched(), confirmed())
    return history
