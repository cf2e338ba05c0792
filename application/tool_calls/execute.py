"""Carrying out what was allowed: dispatch, and the outcome with what the run learned from it."""

from collections.abc import Sequence

from application.access import Caller
from application.attempts import until_recorded
from application.desk import Desk
from application.law import TenantLaw
from application.ports import Append, Context, Known, StreamId
from application.tool_calls.answers import Settled, call_of, driven
from application.tool_calls.outcomes import Outcome, settlement
from application.tool_calls.ruling import forbidden_by_law, tool_of
from domain.kernel import Rejected, fold, instant
from domain.runs.commands import DispatchToolCall
from domain.runs.decider import runs
from domain.runs.events import RunEvent
from domain.runs.run import Call, Run


class NoLongerLawful(Rejected):
    """The call was allowed, but the law has changed since and forbids it now."""

    kind = "forbidden"


async def dispatch(desk: Desk, caller: Caller, run_id: str, call_id: str, context: Context) -> Settled:
    """Says that an allowed call is on its way; refused once its agent or tool is suspended.

    Raises CallUnknown, CallNotAllowed, AllowanceExpired, NoLongerLawful.
    """
    stream = StreamId(caller.tenant, runs.category, run_id)

    async def attempt(fresh: bool) -> Settled:
        if fresh:
            await desk.law.refresh(caller.tenant)
        law = desk.law.peek(caller.tenant)
        known = await desk.log.recall(runs, stream, fresh=fresh)
        run = driven(known, caller.under(law.roles_of(caller.principal)))
        _must_be_lawful(run, call_of(run, call_id), law)
        events = runs.decide(DispatchToolCall(call_id=call_id, now=instant(desk.clock.now())), run)
        if not events and known.cached:  # nothing is appended that would catch staleness: look again
            return await attempt(True)
        return await _recorded(desk, stream, known, events, call_id, context, law.position)

    async with desk.lines.at(stream):
        return await until_recorded(attempt, catch_up=desk.law.catch_up)


async def settle(
    desk: Desk, caller: Caller, run_id: str, call_id: str, outcome: Outcome, context: Context
) -> Settled:
    """Records what became of a call, and the labels and facts that the run learned from it.

    Raises CallUnknown, CallNotAllowed, AllowanceExpired, OutcomeRecorded, SourceNotYours.
    """
    stream = StreamId(caller.tenant, runs.category, run_id)

    async def attempt(fresh: bool) -> Settled:
        if fresh:
            await desk.law.refresh(caller.tenant)
        law = desk.law.peek(caller.tenant)
        known = await desk.log.recall(runs, stream, fresh=fresh)
        reporting = caller.under(law.roles_of(caller.principal))
        run = driven(known, reporting)
        call = call_of(run, call_id)
        tool, _ = tool_of(law, call.tool)
        now = instant(desk.clock.now())
        command = settlement(reporting, run, call_id, call, tool.registration, outcome, now, desk.digests)
        events = runs.decide(command, run)
        if not events and known.cached:
            return await attempt(True)
        # Fenced as well: labels and facts follow the newest registration, whichever process hears of it.
        return await _recorded(desk, stream, known, events, call_id, context, law.position)

    async with desk.lines.at(stream):
        return await until_recorded(attempt, catch_up=desk.law.catch_up)


async def _recorded(
    desk: Desk,
    stream: StreamId,
    known: Known[Run],
    events: Sequence[RunEvent],
    call_id: str,
    context: Context,
    law_seen: int,
) -> Settled:
    after = fold(runs, events, known.state)
    assert after is not None
    position = known.position
    if events:
        append = Append(stream, known.version, events, becomes=after, law_seen=law_seen)
        position = await desk.log.record([append], context)
    return Settled(call_id, after.calls[call_id].stage, position)


def _must_be_lawful(run: Run, call: Call, law: TenantLaw) -> None:
    tool, _ = tool_of(law, call.tool)
    forbidden = forbidden_by_law(run, tool, call.tool, law)
    if forbidden is not None:
        raise NoLongerLawful(policy=forbidden.policy, reason=forbidden.reason)
