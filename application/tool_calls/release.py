"""Releasing a call that people consented to: it is decided again, and the consent is used up."""

from dataclasses import dataclass
from datetime import datetime

from application.access import Caller, Deed
from application.attempts import until_recorded
from application.desk import Desk
from application.law import TenantLaw
from application.ports import Append, Context, Known, StreamId
from application.tool_calls.answers import Decided, call_of, decided, run_of
from application.tool_calls.ruling import Proposed, Ruled, rule_on
from domain.approvals.approval import Approval, Standing, approvals
from domain.approvals.commands import ConsumeApproval, RetireApproval
from domain.approvals.rejections import ApprovalIsStale, ApprovalNotGranted, ApprovalUnknown
from domain.kernel import Role, Verdict, fold, instant, later, moment
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
        known = await desk.log.recall(runs, stream, fresh=True)
        call = call_of(run_of(known), call_id)
        if call.stage is not Stage.ASKED:
            return decided(call_id, call, known.position)
        consent = await consent_to(desk, tenant, call)
        if consent.standing is Standing.STALE:
            raise ApprovalIsStale(approval_id=call.approval_id)
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
    """Decides the call again for whoever proposed it, with present facts and law.

    `known` is freshly read, for a retirement appends nothing to the run that would catch staleness.
    Release and consumption are one append. Where the law says anything but `ask` now, asks for more than
    was consented to, or the policy set is another, the approval goes stale instead.
    """
    run, now = run_of(known), desk.clock.now()
    call = call_of(run, call_id)
    ruled = _ruled_again(desk, stream.tenant, known, call, law, now)
    if not _is_what_was_consented_to(ruled, consent.approval):
        await _retire(desk, consent, f"The law now says {ruled.verdict.value}.", law, context)
        raise ApprovalIsStale(verdict=ruled.verdict.value)
    consume = ConsumeApproval(
        call_id=call_id,
        action_digest=call.digest,
        policy_set=consent.approval.policy_set,
        now=instant(now),
    )
    assert call.approval_id is not None
    let_go = ReleaseToolCall(
        call_id=call_id,
        approval_id=call.approval_id,
        action_digest=call.digest,
        determined=ruled.determined,
        usable_until=later(instant(now), law.tools[call.tool].registration.allow_for),
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


def _ruled_again(
    desk: Desk, tenant: str, known: Known[Run], call: Call, law: TenantLaw, now: datetime
) -> Ruled:
    assert call.arguments is not None
    assert call.asked is not None, "a call that waits for consent knows who asked"
    run, asked = run_of(known), call.asked
    roles = frozenset(Role(role) for role in asked.roles) & law.roles_of(asked.principal)
    driver = Caller(tenant, asked.principal, roles, asked.claims, asked.on_behalf_of)
    driver.must(Deed.DRIVE_RUNS)
    proposed = Proposed(call.tool, call.arguments, call.digest)
    then = moment(asked.now) if run.mode == "recorded" else now
    return rule_on(proposed, run, known.version, driver, law, desk.policy, then)


def _is_what_was_consented_to(ruled: Ruled, approval: Approval) -> bool:
    return (
        ruled.verdict is Verdict.ASK
        and ruled.seen.policy_set == approval.policy_set
        and approval.covers((ask.role, ask.quorum) for ask in ruled.asks)
    )


async def _retire(desk: Desk, consent: Consent, reason: str, law: TenantLaw, context: Context) -> None:
    events = approvals.decide(RetireApproval(reason=reason), consent.approval)
    await desk.log.record([Append(consent.stream, consent.version, events, law_seen=law.position)], context)
