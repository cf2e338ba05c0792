"""Releasing a call that people consented to: it is decided again, and the consent is used up."""

from dataclasses import dataclass

from application.access import Caller
from application.attempts import until_recorded
from application.desk import Desk
from application.law import TenantLaw
from application.ports import Append, Context, Known, StreamId
from application.tool_calls.answers import Decided, call_of, decided, run_of
from application.tool_calls.ruling import Proposed, rule_on
from domain.approvals.approval import Approval, Standing, approvals
from domain.approvals.commands import ConsumeApproval, RetireApproval
from domain.approvals.rejections import ApprovalIsStale, ApprovalNotGranted, ApprovalUnknown
from domain.kernel import Verdict, fold, instant
from domain.runs.commands import ReleaseToolCall
from domain.runs.decider import runs
from domain.runs.run import Call, Run, Stage


@dataclass(frozen=True)
class Consent:
    """An approval as it stands now; waiting past its deadline counts as expired."""

    stream: StreamId
    approval: Approval
    version: int
    standing: Standing


async def consent_to(desk: Desk, tenant: str, call: Call) -> Consent:
    """The approval that a call waits for."""
    assert call.approval_id is not None, "an asked call has an approval"
    stream = StreamId(tenant, approvals.category, call.approval_id)
    known = await desk.log.recall(approvals, stream, fresh=True)
    if known.state is None:
        raise ApprovalUnknown
    waiting = known.state.standing in (Standing.WAITING, Standing.GRANTED)
    too_late = waiting and instant(desk.clock.now()) >= known.state.deadline
    return Consent(stream, known.state, known.version, Standing.EXPIRED if too_late else known.state.standing)


async def release(desk: Desk, tenant: str, run_id: str, call_id: str, context: Context) -> Decided:
    """Releases an asked call whose approval was granted; a released call answers as it stands.

    Raises ApprovalNotGranted, and ApprovalIsStale when the law would no longer ask.
    """
    stream = StreamId(tenant, runs.category, run_id)

    async def attempt(fresh: bool) -> Decided:
        if fresh:
            await desk.law.refresh(tenant)
        law = desk.law.peek(tenant)
        known = await desk.log.recall(runs, stream, fresh=fresh)
        call = call_of(run_of(known), call_id)
        if call.stage is not Stage.ASKED:
            return decided(call_id, call, known.position)
        consent = await consent_to(desk, tenant, call)
        if consent.standing is not Standing.GRANTED:
            raise ApprovalNotGranted(approval_id=call.approval_id, standing=consent.standing.value)
        return await release_granted(desk, stream, known, call_id, consent, law, context)

    async with desk.lines.at(stream):
        return await until_recorded(attempt, catch_up=desk.law.catch_up)


async def release_granted(
    desk: Desk,
    stream: StreamId,
    known: Known[Run],
    call_id: str,
    consent: Consent,
    law: TenantLaw,
    context: Context,
) -> Decided:
    """Decides the call again for the run's own principal, with present facts and law.

    Release and consumption are one append. Where the law says anything but `ask` now, or the policy set
    is another, the approval goes stale instead.
    """
    run = run_of(known)
    call = call_of(run, call_id)
    assert call.arguments is not None
    assert call.approval_id is not None
    driver = Caller(stream.tenant, run.principal, law.roles_of(run.principal), on_behalf_of=run.on_behalf_of)
    proposed = Proposed(call.tool, call.arguments, call.digest)
    ruled = rule_on(proposed, run, known.version, driver, law, desk.policy, desk.clock.now())
    if ruled.verdict is not Verdict.ASK or ruled.seen.policy_set != consent.approval.policy_set:
        await _retire(desk, consent, f"The law now says {ruled.verdict.value}.", law, context)
        raise ApprovalIsStale(verdict=ruled.verdict.value)
    consume = ConsumeApproval(
        call_id=call_id,
        action_digest=call.digest,
        policy_set=consent.approval.policy_set,
        now=ruled.seen.now,
    )
    let_go = ReleaseToolCall(
        call_id=call_id,
        approval_id=call.approval_id,
        action_digest=call.digest,
        determined=ruled.determined,
        allow_for=law.tools[call.tool].registration.allow_for,
        seen=ruled.seen,
    )
    consumed, released = approvals.decide(consume, consent.approval), runs.decide(let_go, run)
    after = fold(runs, released, run)
    assert after is not None
    position = await desk.log.record(
        [
            Append(stream, known.version, released, becomes=after, law_seen=law.position),
            Append(consent.stream, consent.version, consumed),
        ],
        context,
    )
    return decided(call_id, after.calls[call_id], position, Standing.CONSUMED.value)


async def _retire(desk: Desk, consent: Consent, reason: str, law: TenantLaw, context: Context) -> None:
    events = approvals.decide(RetireApproval(reason=reason), consent.approval)
    await desk.log.record([Append(consent.stream, consent.version, events, law_seen=law.position)], context)
