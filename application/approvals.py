"""Settling approvals: a grant that completes the quorum releases the call at once."""

from collections.abc import Callable
from dataclasses import dataclass

from application.access import Caller, Deed
from application.attempts import until_recorded
from application.desk import Desk
from application.handle import Handled, Handler
from application.ports import Answer, Context, IdempotencyKey, StreamId
from application.tool_calls.answers import Decided
from application.tool_calls.release import release
from domain.approvals.approval import Approval, Standing, approvals
from domain.approvals.commands import GrantApproval, RejectApproval
from domain.kernel import Rejected, instant


@dataclass(frozen=True)
class Consented:
    """An approval after a grant, and the call it released, or why it did not."""

    approval: Approval
    version: int
    position: int
    released: Decided | None = None
    hindrance: Rejected | None = None


async def grant(
    desk: Desk,
    handler: Handler,
    caller: Caller,
    approval_id: str,
    saw: str,
    note: str,
    context: Context,
    *,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[Approval]], Answer] | None = None,
) -> Consented:
    """Adds one voice. `saw` is the action digest that was shown to the approver.

    Raises ApprovalUnknown, ApprovalNotWaiting, ApprovalIsExpired, FourEyes, WrongRole, NotWhatWasShown.
    """

    def voice(roles: tuple[str, ...], now: str) -> GrantApproval:
        return GrantApproval(approver=caller.principal, roles=roles, saw=saw, now=now, note=note)

    handled = await _settle(desk, handler, caller, approval_id, voice, context, key, answer)
    if handled.state.standing is not Standing.GRANTED:
        return Consented(handled.state, handled.version, handled.position)
    run_id, call_id = handled.state.run_id, handled.state.call_id
    try:
        released = await release(desk, caller.tenant, run_id, call_id, context)
    except Rejected as no:  # the consent stands; what hinders the release is told beside it
        return Consented(handled.state, handled.version, handled.position, hindrance=no)
    return Consented(handled.state, handled.version, released.position, released=released)


async def reject(
    desk: Desk,
    handler: Handler,
    caller: Caller,
    approval_id: str,
    reason: str,
    context: Context,
    *,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[Approval]], Answer] | None = None,
) -> Consented:
    """One no settles it. Raises as `grant` does."""

    def voice(roles: tuple[str, ...], now: str) -> RejectApproval:
        return RejectApproval(approver=caller.principal, roles=roles, now=now, reason=reason)

    handled = await _settle(desk, handler, caller, approval_id, voice, context, key, answer)
    return Consented(handled.state, handled.version, handled.position)


async def _settle(
    desk: Desk,
    handler: Handler,
    caller: Caller,
    approval_id: str,
    voice: Callable[[tuple[str, ...], str], GrantApproval | RejectApproval],
    context: Context,
    key: IdempotencyKey | None,
    answer: Callable[[Handled[Approval]], Answer] | None,
) -> Handled[Approval]:
    stream = StreamId(caller.tenant, approvals.category, approval_id)

    async def attempt(fresh: bool) -> Handled[Approval]:
        if fresh:
            await desk.law.refresh(caller.tenant)
        law = desk.law.peek(caller.tenant)
        settling = caller.under(law.roles_of(caller.principal))
        settling.must(Deed.SETTLE_APPROVALS)
        roles = tuple(sorted(role.value for role in settling.roles))
        command, seen = voice(roles, instant(desk.clock.now())), law.position
        return await handler.handle(
            approvals, stream, command, context, key=key, answer=answer, law_seen=seen
        )

    return await until_recorded(attempt, catch_up=desk.law.catch_up)
