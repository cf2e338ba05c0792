"""Settling approvals: a grant that completes the quorum releases the call at once."""

from collections.abc import Callable
from dataclasses import dataclass

from application.access import Caller, Deed
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
    caller.must(Deed.SETTLE_APPROVALS)
    command = GrantApproval(
        approver=caller.principal,
        roles=tuple(sorted(role.value for role in caller.roles)),
        saw=saw,
        now=instant(desk.clock.now()),
        note=note,
    )
    stream = StreamId(caller.tenant, approvals.category, approval_id)
    handled = await handler.handle(approvals, stream, command, context, key=key, answer=answer)
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
    caller.must(Deed.SETTLE_APPROVALS)
    command = RejectApproval(
        approver=caller.principal,
        roles=tuple(sorted(role.value for role in caller.roles)),
        now=instant(desk.clock.now()),
        reason=reason,
    )
    stream = StreamId(caller.tenant, approvals.category, approval_id)
    handled = await handler.handle(approvals, stream, command, context, key=key, answer=answer)
    return Consented(handled.state, handled.version, handled.position)
