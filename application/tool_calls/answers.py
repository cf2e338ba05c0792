"""What callers are told about a tool call, and who may drive it."""

from dataclasses import dataclass

from application.access import Caller, Deed, Forbidden
from application.ports import Known
from domain.kernel import Role, Verdict
from domain.runs.events import Determination
from domain.runs.rejections import CallUnknown, RunUnknown
from domain.runs.run import Call, Run, Stage


@dataclass(frozen=True)
class Decided:
    """The answer to a proposal. `approval` says where the approval has got to, if there is one."""

    call_id: str
    verdict: Verdict
    stage: Stage
    determined: tuple[Determination, ...]
    action_digest: str
    approval_id: str | None
    approval: str | None
    expires_at: str | None
    position: int


@dataclass(frozen=True)
class Settled:
    """Where a call has got to, and the log position at which that can be read."""

    call_id: str
    stage: Stage
    position: int


def decided(call_id: str, call: Call, position: int, approval: str | None = None) -> Decided:
    """The answer for a call as it stands in its run."""
    return Decided(
        call_id=call_id,
        verdict=Verdict.ALLOW if call.stage not in (Stage.DENIED, Stage.ASKED) else call.verdict,
        stage=call.stage,
        determined=call.determined,
        action_digest=call.digest,
        approval_id=call.approval_id,
        approval=approval,
        expires_at=call.expires_at,
        position=position,
    )


def run_of(known: Known[Run]) -> Run:
    """The run, or RunUnknown."""
    if known.state is None:
        raise RunUnknown
    return known.state


def driven(known: Known[Run], caller: Caller) -> Run:
    """The run, for whoever may drive it: its principal, its agent, or an operator."""
    caller.must(Deed.DRIVE_RUNS)
    run = run_of(known)
    if caller.principal in (run.principal, run.agent_id) or Role.OPERATOR in caller.roles:
        return run
    raise Forbidden(to="drive somebody else's run", run=run.run_id)


def call_of(run: Run, call_id: str) -> Call:
    """The call, or CallUnknown."""
    call = run.calls.get(call_id)
    if call is None:
        raise CallUnknown(call_id=call_id)
    return call
