"""Proposing tool calls: each is decided and recorded in one append, before the answer leaves."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from application.access import Caller
from application.attempts import until_recorded
from application.desk import Desk
from application.law import TenantLaw
from application.personal import argument_marks
from application.ports import Append, Context, Known, StreamId
from application.tool_calls.answers import Decided, call_of, decided, driven, run_of
from application.tool_calls.release import consent_to, release_granted
from application.tool_calls.ruling import Proposed, Ruled, rule_on, tool_of
from domain.approvals.approval import Standing as ApprovalStanding
from domain.approvals.approval import approvals
from domain.approvals.commands import RequestApproval
from domain.approvals.events import AskedFor
from domain.approvals.rejections import ApprovalIsStale
from domain.kernel import Json, Rejected, fold, instant, later
from domain.runs.commands import ProposeToolCall
from domain.runs.decider import runs
from domain.runs.rejections import CallIdReused
from domain.runs.run import Run, Stage


class TimeNotYours(Rejected):
    """Only a recorded run says at what time its calls were made; a live run's time is ours."""

    kind = "invalid"


@dataclass(frozen=True)
class Proposal:
    """What an agent asks to do. `at` is for recorded runs: when it was asked."""

    run_id: str
    call_id: str
    tool: str
    arguments: Mapping[str, Json]
    at: datetime | None = None


async def propose(desk: Desk, caller: Caller, proposal: Proposal, context: Context) -> Decided:
    """Decides a call and records proposal and decision in one append.

    A call id that was decided before gets the same answer; one whose approval was granted since is decided
    again and released. Raises RunUnknown, ToolNotRegistered, ArgumentsInvalid, RunEnded, RunIsPaused,
    CallIdReused, ApprovalIsStale, LawBehind, and what the log raises.
    """
    desk.law.of(caller.tenant)  # fails closed when the law in memory is too old
    stream = StreamId(caller.tenant, runs.category, proposal.run_id)
    approval_id = desk.clock.new_id()

    async def attempt(fresh: bool) -> Decided:
        if fresh:
            await desk.law.refresh(caller.tenant)
        law = desk.law.peek(caller.tenant)
        known = await desk.log.recall(runs, stream, fresh=fresh)
        asking = caller.under(law.roles_of(caller.principal))
        run = driven(known, asking)
        if proposal.call_id in run.calls:
            return await _again(desk, stream, known, proposal, law, context)
        now = desk.clock.now()
        call = _identified(desk, run, caller.tenant, proposal, law)
        ruled = rule_on(call, run, known.version, asking, law, desk.policy, _asked_at(run, proposal, now))
        command = _command(proposal.call_id, call, ruled, approval_id, law, run, instant(now))
        events = runs.decide(command, run)
        after = fold(runs, events, run)
        assert after is not None
        appends = [Append(stream, known.version, events, becomes=after, law_seen=law.position)]
        if after.calls[proposal.call_id].stage is Stage.ASKED:
            appends.append(_asking(caller.tenant, run, call, ruled, command, law, instant(now)))
        position = await desk.log.record(appends, context)
        waiting = ApprovalStanding.WAITING.value if len(appends) > 1 else None
        return decided(proposal.call_id, after.calls[proposal.call_id], position, waiting)

    async with desk.lines.at(stream):
        return await until_recorded(attempt, catch_up=desk.law.catch_up)


async def propose_many(
    desk: Desk, caller: Caller, proposals: Sequence[Proposal], context: Context
) -> list[Decided | Rejected]:
    """Each proposal is decided on its own; one that is refused does not hinder the others."""

    async def one(proposal: Proposal) -> Decided | Rejected:
        try:
            return await propose(desk, caller, proposal, context)
        except Rejected as no:
            return no

    return list(await asyncio.gather(*map(one, proposals)))


def _identified(desk: Desk, run: Run, tenant: str, proposal: Proposal, law: TenantLaw) -> Proposed:
    _, view = tool_of(law, proposal.tool)
    desk.policy.validate_arguments(view, proposal.arguments)
    digest = desk.digests.action(run.salt, tenant, run.agent_id, proposal.tool, proposal.arguments)
    return Proposed(proposal.tool, proposal.arguments, digest)


def _asked_at(run: Run, proposal: Proposal, now: datetime) -> datetime:
    if proposal.at is None:
        return now
    if run.mode != "recorded":
        raise TimeNotYours
    return proposal.at


async def _again(
    desk: Desk,
    stream: StreamId,
    known: Known[Run],
    proposal: Proposal,
    law: TenantLaw,
    context: Context,
) -> Decided:
    run, call_id = run_of(known), proposal.call_id
    # Today's registration may refuse these arguments; what was decided on them stands all the same.
    digest = desk.digests.action(run.salt, stream.tenant, run.agent_id, proposal.tool, proposal.arguments)
    if digest != run.calls[call_id].digest:
        raise CallIdReused(call_id=call_id)
    if run.calls[call_id].stage is Stage.ASKED and known.cached:  # it may have been released elsewhere
        known = await desk.log.recall(runs, stream, fresh=True)
    call = call_of(run_of(known), call_id)
    if call.stage is not Stage.ASKED:
        return decided(call_id, call, known.position)
    consent = await consent_to(desk, stream.tenant, call)
    match consent.standing:
        case ApprovalStanding.GRANTED:
            return await release_granted(desk, stream, known, call_id, consent, law, context)
        case ApprovalStanding.STALE:
            raise ApprovalIsStale(approval_id=call.approval_id)
        case _:
            return decided(call_id, call, known.position, consent.standing.value)


def _command(
    call_id: str, call: Proposed, ruled: Ruled, approval_id: str, law: TenantLaw, run: Run, now: str
) -> ProposeToolCall:
    registration = law.tools[call.tool].registration
    return ProposeToolCall(
        call_id=call_id,
        tool=call.tool,
        arguments=call.arguments,
        action_digest=call.digest,
        verdict=ruled.verdict,
        determined=ruled.determined,
        approval_id=approval_id,
        usable_until=later(now, registration.allow_for),
        seen=ruled.seen,
        marks=argument_marks(registration, call.arguments, run),
    )


def _asking(
    tenant: str, run: Run, call: Proposed, ruled: Ruled, command: ProposeToolCall, law: TenantLaw, now: str
) -> Append:
    assert command.approval_id is not None
    assert ruled.seen.policy_set is not None
    asks = tuple(
        AskedFor(
            policy=ask.policy,
            role=ask.role,
            quorum=ask.quorum,
            expires_at=later(now, ask.expires_in),
            reason=ask.reason,
        )
        for ask in ruled.asks
    )
    theirs = {run.agent_id, law.agents[run.agent_id].owner, run.principal, run.on_behalf_of}
    barred = theirs | {ruled.seen.principal, ruled.seen.on_behalf_of}
    request = RequestApproval(
        run_id=run.run_id,
        call_id=command.call_id,
        tool=call.tool,
        arguments=call.arguments,
        action_digest=call.digest,
        policy_set=ruled.seen.policy_set,
        asks=asks,
        agent_id=run.agent_id,
        requested_by=ruled.seen.principal,
        barred=tuple(sorted(who for who in barred if who)),
        marks=command.marks,
    )
    approval = StreamId(tenant, approvals.category, command.approval_id)
    return Append(approval, 0, approvals.decide(request, None))
