"""Which places of a call belong to a data subject, and to whom."""

from collections.abc import Iterable, Mapping, Sequence

from domain.facts.pointers import places, value_at
from domain.facts.records import FactRecord
from domain.kernel import Json, Personal
from domain.runs.run import Run
from domain.tools.registration import PersonalPlace, Registration


def argument_marks(
    registration: Registration, arguments: Mapping[str, Json], run: Run
) -> tuple[Personal, ...]:
    """The personal places of a proposal's arguments, as pointers into the event's body."""
    return tuple(
        Personal(f"/arguments{pointer}", subject_of(place, arguments, run))
        for place in registration.personal
        if place.within == "arguments"
        for pointer in places(place.pointer, arguments)
    )


def outcome_marks(
    registration: Registration,
    arguments: Mapping[str, Json],
    facts: Sequence[FactRecord],
    output: Json,
    run: Run,
) -> tuple[Personal, ...]:
    """The personal places of an outcome: of its facts, and the whole output where that is kept."""
    kept = [Personal("/output", run_subject(run))] if output is not None else []
    return (*kept, *_fact_marks(registration, arguments, facts, run))


def run_subject(run: Run) -> str:
    """Whose data a run handles where nobody says better: whom it declared, else itself."""
    return run.subject or f"run:{run.run_id}"


def subject_of(place: PersonalPlace, arguments: Mapping[str, Json], run: Run) -> str:
    """The subject that a personal place names; the run's where the argument is absent or no text."""
    if place.subject.startswith("arg:"):
        named = value_at(place.subject.removeprefix("arg:"), arguments)
        if isinstance(named, str) and named:
            return named
    return run_subject(run)


def _fact_marks(
    registration: Registration, arguments: Mapping[str, Json], facts: Sequence[FactRecord], run: Run
) -> Iterable[Personal]:
    for place in registration.personal:
        if place.within != "facts":
            continue
        kind, slash, rest = place.pointer.removeprefix("/").partition("/")
        for index, record in enumerate(facts):
            if record.kind != kind:
                continue
            for pointer in places(slash + rest, dict(record.fields)):
                yield Personal(f"/facts/{index}/fields{pointer}", subject_of(place, arguments, run))
