"""What an outcome teaches a run: labels, facts with their source, and how much of the output is kept."""

from dataclasses import dataclass
from enum import StrEnum

from application.access import Caller
from application.personal import outcome_marks, run_subject
from application.ports import Digests
from domain.facts.extract import effected, learn
from domain.kernel import Json, Rejected, Role, Source
from domain.runs.commands import ConfirmToolCall, FailToolCall, LoseToolCall
from domain.runs.run import Call, Run
from domain.tools.registration import Outputs, Registration


class Status(StrEnum):
    """What became of a dispatched call."""

    CONFIRMED = "confirmed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class SourceNotYours(Rejected):
    """An agent vouches only for itself: its reports carry the source `agent`."""

    kind = "forbidden"


@dataclass(frozen=True)
class Outcome:
    """What is reported: the output of a confirmed call, or a few words on what went wrong."""

    status: Status
    output: Json = None
    note: str = ""
    source: Source | None = None


def settlement(
    caller: Caller,
    run: Run,
    call_id: str,
    call: Call,
    registration: Registration,
    outcome: Outcome,
    now: str,
    digests: Digests,
) -> ConfirmToolCall | FailToolCall | LoseToolCall:
    """The command that records an outcome; raises SourceNotYours."""
    source = vouched_by(caller, outcome.source)
    labels = tuple(sorted(registration.reads))
    match outcome.status:
        case Status.UNKNOWN:
            return LoseToolCall(
                call_id=call_id,
                source=source,
                labels=labels,
                note=outcome.note,
                now=now,
                subject=run_subject(run),
            )
        case Status.FAILED:
            return FailToolCall(
                call_id=call_id, source=source, error=outcome.note, now=now, subject=run_subject(run)
            )
        case Status.CONFIRMED:
            return _confirmation(
                run, call_id, call, registration, outcome.output, source, labels, now, digests
            )


def _confirmation(
    run: Run,
    call_id: str,
    call: Call,
    registration: Registration,
    output: Json,
    source: Source,
    labels: tuple[str, ...],
    now: str,
    digests: Digests,
) -> ConfirmToolCall:
    arguments = call.arguments or {}
    learned = learn(registration.facts, arguments, output, source)
    changed = effected(registration.facts, arguments, run.facts, source)
    facts = (*learned, *changed)
    kept = output if registration.outputs is Outputs.ENCRYPTED else None
    digested = registration.outputs is not Outputs.NONE and output is not None
    return ConfirmToolCall(
        call_id=call_id,
        source=source,
        writes=registration.writes,
        labels=labels,
        facts=facts,
        output_digest=_digest(run, output, digests) if digested else None,
        output=kept,
        now=now,
        marks=outcome_marks(registration, arguments, facts, kept, run),
    )


def _digest(run: Run, output: Json, digests: Digests) -> str | None:
    # What was done was done, also where a tool answers what has no canonical form.
    try:
        return digests.content([run.salt, output])
    except Rejected:
        return None


def vouched_by(caller: Caller, claimed: Source | None) -> Source:
    """Who stands behind a report; raises SourceNotYours."""
    if Role.OPERATOR in caller.roles:
        return claimed or Source.GATEWAY
    if claimed not in (None, Source.AGENT):
        raise SourceNotYours(claimed=claimed.value)
    return Source.AGENT
