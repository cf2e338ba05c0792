"""Starting runs and driving their course: who may, and for which agent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from application.access import Caller, Deed, Forbidden
from application.attempts import until_recorded
from application.desk import Desk
from application.handle import Handled, Handler
from application.law import TenantLaw
from application.ports import Answer, Context, IdempotencyKey, Known, StreamId
from application.tool_calls.answers import driven, run_of
from application.tool_calls.propose import TimeNotYours
from application.tool_calls.ruling import AgentNotRegistered
from domain.agents.agent import Standing
from domain.agents.rejections import AgentIsRetired
from domain.kernel import Rejected, Role, instant
from domain.runs.commands import CancelRun, PauseRun, ResumeRun, RunCommand, StartRun
from domain.runs.decider import runs
from domain.runs.run import Run


class AgentIsSuspended(Rejected):
    """The agent is suspended, so it starts no run until it is reinstated."""

    kind = "forbidden"


@dataclass(frozen=True)
class Beginning:
    """What a run is to be. Without an agent it is the caller's own; `started_at` is for recorded runs."""

    run_id: str
    agent_id: str | None = None
    purpose: str = ""
    subject: str | None = None
    on_behalf_of: str | None = None
    mode: Literal["live", "recorded"] = "live"
    started_at: datetime | None = None


async def start_run(
    desk: Desk,
    handler: Handler,
    caller: Caller,
    beginning: Beginning,
    context: Context,
    *,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[Run]], Answer] | None = None,
) -> Handled[Run]:
    """Starts a run under the law as it stands; a suspension before it in the log stops it.

    Raises Forbidden, AgentNotRegistered, AgentIsSuspended, AgentIsRetired, TimeNotYours, RunExists.
    """
    desk.law.of(caller.tenant)  # fails closed when the law in memory is too old
    stream = StreamId(caller.tenant, runs.category, beginning.run_id)

    async def attempt(fresh: bool) -> Handled[Run]:
        if fresh:
            await desk.law.refresh(caller.tenant)
        law = desk.law.peek(caller.tenant)
        command = _command(desk, caller.under(law.roles_of(caller.principal)), beginning)
        _must_be_active(command.agent_id, law)
        return await handler.handle(
            runs, stream, command, context, key=key, answer=answer, law_seen=law.position, begins=not fresh
        )

    return await until_recorded(attempt, catch_up=desk.law.catch_up)


async def drive_run(
    desk: Desk,
    handler: Handler,
    caller: Caller,
    run_id: str,
    command: RunCommand,
    context: Context,
    *,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[Run]], Answer] | None = None,
) -> Handled[Run]:
    """Carries out a command on a run, for whoever may: its driver, or one who may stop things.

    Raises Forbidden, and what the rules of runs raise.
    """
    stream = StreamId(caller.tenant, runs.category, run_id)

    async def attempt(fresh: bool) -> Handled[Run]:
        if fresh:
            await desk.law.refresh(caller.tenant)
        law = desk.law.peek(caller.tenant)
        known = await desk.log.recall(runs, stream, fresh=fresh)
        _must_be_driven(command, known, caller.under(law.roles_of(caller.principal)))
        return await handler.handle(
            runs, stream, command, context, key=key, answer=answer, law_seen=law.position
        )

    return await until_recorded(attempt, catch_up=desk.law.catch_up)


def _must_be_driven(command: RunCommand, known: Known[Run], caller: Caller) -> None:
    match command:
        case ResumeRun():  # whoever was stopped does not let itself go
            run_of(known)
            caller.must(Deed.STOP_THINGS)
        case PauseRun() | CancelRun() if caller.may(Deed.STOP_THINGS):
            run_of(known)
        case _:
            driven(known, caller)


def _command(desk: Desk, caller: Caller, beginning: Beginning) -> StartRun:
    caller.must(Deed.DRIVE_RUNS)
    operator = Role.OPERATOR in caller.roles
    agent_id = beginning.agent_id or caller.principal
    behalf = beginning.on_behalf_of or caller.on_behalf_of
    if not operator and agent_id != caller.principal:
        raise Forbidden(to="start a run for another agent", agent=agent_id)
    if not operator and behalf != caller.on_behalf_of:
        raise Forbidden(to="say on whose behalf you act: your token says so", on_behalf_of=behalf)
    if beginning.started_at is not None and beginning.mode != "recorded":
        raise TimeNotYours
    if beginning.mode == "recorded" and not operator:
        raise Forbidden(to="bring in recorded runs", needs=[Role.OPERATOR.value])
    return StartRun(
        run_id=beginning.run_id,
        agent_id=agent_id,
        principal=caller.principal,
        on_behalf_of=behalf,
        subject=beginning.subject,
        purpose=beginning.purpose,
        mode=beginning.mode,
        started_at=instant(beginning.started_at or desk.clock.now()),
        salt=desk.clock.salt(),
    )


def _must_be_active(agent_id: str, law: TenantLaw) -> None:
    agent = law.agents.get(agent_id)
    if agent is None:
        raise AgentNotRegistered(agent=agent_id)
    if agent.standing is Standing.RETIRED:
        raise AgentIsRetired
    if agent.standing is Standing.SUSPENDED:
        raise AgentIsSuspended(agent=agent_id, reason=agent.reason)


def readable(known: Known[Run], caller: Caller) -> Run:
    """The run, for whoever may read it: its own people, who may stop it, and who reads everything.

    Raises RunUnknown, Forbidden.
    """
    run = run_of(known)
    own = caller.principal in (run.principal, run.agent_id) and caller.may(Deed.READ_OWN_RUNS)
    if own or caller.may(Deed.STOP_THINGS) or caller.may(Deed.READ_EVERYTHING):
        return run
    raise Forbidden(to="read somebody else's run", run=run.run_id)
