"""What was allowed is dispatched in time; its outcome teaches the run labels, facts and counts."""

import pytest

from domain.kernel import Personal, Source, Verdict
from domain.runs.commands import RunCommand
from domain.runs.events import RunEvent, ToolCallDispatched
from domain.runs.rejections import (
    AllowanceExpired,
    CallNotAllowed,
    CallUnknown,
    OutcomeNotKnown,
    OutcomeRecorded,
)
from domain.runs.run import Run, Stage
from tests.domain.run_stories import (
    AFTER,
    STARTED,
    UNTIL,
    confirm,
    confirmed,
    decided,
    dispatch,
    dispatched,
    fact,
    fail,
    failed,
    given,
    lose,
    lost,
    released,
)

ALLOWED = (STARTED, *decided("c1"))
SENT = (*ALLOWED, dispatched("c1"))
OUTCOMES: list[tuple[RunCommand, RunEvent]] = [
    (confirm("c1"), confirmed("c1")),
    (fail("c1"), failed("c1")),
    (lose("c1"), lost("c1")),
]


def written(call: str, digest: str) -> tuple[RunEvent, ...]:
    """A whole write, from proposal to success."""
    return (*decided(call, digest=digest, tool="write"), dispatched(call), confirmed(call, writes=True))


def broken(call: str, digest: str = "d1", tool: str = "mail") -> tuple[RunEvent, ...]:
    """A whole call that failed."""
    return (*decided(call, digest=digest, tool=tool), dispatched(call), failed(call))


def test_an_allowed_call_is_dispatched_once() -> None:
    given(*ALLOWED).when(dispatch("c1")).then(dispatched("c1"))
    given(*SENT).when(dispatch("c1")).then_nothing()
    given(*SENT).when(dispatch("c1", now=AFTER)).then_nothing()


def test_a_released_call_is_dispatched() -> None:
    given(STARTED, *decided("c1", Verdict.ASK), released("c1")).when(dispatch("c1")).then(dispatched("c1"))


def test_a_recorded_outcome_is_never_too_late() -> None:
    recorded = STARTED.model_copy(update={"mode": "recorded"})
    sent = ToolCallDispatched(call_id="c1", at=AFTER, implied=True)
    given(recorded, *decided("c1")).when(confirm("c1", now=AFTER)).then(sent, confirmed("c1"))


def test_an_allowance_is_used_before_it_expires() -> None:
    for now in (UNTIL, AFTER):
        given(*ALLOWED).when(dispatch("c1", now=now)).then_rejected(
            AllowanceExpired, call_id="c1", expired_at=UNTIL
        )


@pytest.mark.parametrize("verdict", [Verdict.DENY, Verdict.ASK])
def test_what_was_not_allowed_has_no_dispatch_and_no_outcome(verdict: Verdict) -> None:
    stage = {Verdict.DENY: "denied", Verdict.ASK: "asked"}[verdict]
    for command in (dispatch("c1"), confirm("c1"), fail("c1"), lose("c1")):
        given(STARTED, *decided("c1", verdict)).when(command).then_rejected(
            CallNotAllowed, call_id="c1", stage=stage
        )


def test_what_was_never_proposed_has_no_dispatch_and_no_outcome() -> None:
    for command in (dispatch("c1"), confirm("c1"), fail("c1"), lose("c1")):
        given(STARTED).when(command).then_rejected(CallUnknown, call_id="c1")


def test_the_same_action_is_not_dispatched_while_its_outcome_is_unknown() -> None:
    history = (*SENT, *decided("c2"), lost("c1"))
    given(*history).when(dispatch("c2")).then_rejected(OutcomeNotKnown, call_id="c2")
    given(*history, confirmed("c1")).when(dispatch("c2")).then(dispatched("c2"))


@pytest.mark.parametrize(("command", "event"), OUTCOMES)
def test_an_outcome_is_recorded_once(command: RunCommand, event: RunEvent) -> None:
    given(*SENT).when(command).then(event)
    given(*SENT, event).when(command).then_nothing()


@pytest.mark.parametrize(("command", "event"), OUTCOMES)
def test_an_outcome_tells_of_a_dispatch_that_nobody_told_of(command: RunCommand, event: RunEvent) -> None:
    given(*ALLOWED).when(command).then(dispatched("c1", implied=True), event)


@pytest.mark.parametrize("command", [confirm("c1", now=UNTIL), fail("c1", now=UNTIL), lose("c1", now=UNTIL)])
def test_an_outcome_without_dispatch_is_heard_only_while_the_allowance_lasts(command: RunCommand) -> None:
    given(*ALLOWED).when(command).then_rejected(AllowanceExpired)
    assert given(*SENT).when(command).decided()


def test_history_is_not_changed_by_another_outcome() -> None:
    given(*SENT, confirmed("c1")).when(fail("c1")).then_rejected(OutcomeRecorded, outcome="confirmed")
    given(*SENT, confirmed("c1")).when(lose("c1")).then_rejected(OutcomeRecorded, outcome="confirmed")
    given(*SENT, failed("c1")).when(confirm("c1")).then_rejected(OutcomeRecorded, outcome="failed")
    given(*SENT, failed("c1")).when(lose("c1")).then_rejected(OutcomeRecorded, outcome="failed")


def test_an_unknown_outcome_may_be_learned_later() -> None:
    given(*SENT, lost("c1")).when(confirm("c1")).then(confirmed("c1"))
    given(*SENT, lost("c1")).when(fail("c1")).then(failed("c1"))


def test_arguments_are_kept_while_the_outcome_may_still_be_learned() -> None:
    assert given(*SENT, lost("c1")).state().calls["c1"].arguments == {"n": "d1"}
    assert given(*SENT, lost("c1"), failed("c1")).state().calls["c1"].arguments is None
    assert given(*SENT, confirmed("c1")).state().calls["c1"].arguments is None


def test_outputs_put_their_labels_on_the_run_also_when_nobody_knows_the_outcome() -> None:
    assert given(*SENT, confirmed("c1", labels=("personal",))).state().labels == {"personal"}
    assert given(*SENT, lost("c1", labels=("personal",))).state().labels == {"personal"}
    assert given(*SENT, failed("c1")).state().labels == frozenset()


def test_labels_stay_on_the_run() -> None:
    more = (*decided("c2", digest="d2"), dispatched("c2"), confirmed("c2", labels=("secret",)))
    assert given(*SENT, confirmed("c1", labels=("personal",)), *more).state().labels == {"personal", "secret"}


def test_facts_are_merged_field_by_field() -> None:
    first = confirmed("c1", facts=(fact(cabin="basic", paid=True), fact(key="b2", cabin="business")))
    news = (*decided("c2", digest="d2"), dispatched("c2"), confirmed("c2", facts=(fact(cabin="economy"),)))
    facts = given(*SENT, first, *news).state().facts
    assert facts["booking", "b1"] == fact(cabin="economy", paid=True)
    assert facts["booking", "b2"] == fact(key="b2", cabin="business")


def test_later_records_of_one_outcome_win_over_earlier_ones() -> None:
    twice = confirmed("c1", facts=(fact(cabin="basic", paid=True), fact(cabin="economy", paid=None)))
    assert given(*SENT, twice).state().facts["booking", "b1"] == fact(cabin="economy")


def test_what_an_agent_claimed_does_not_become_the_tools_word() -> None:
    claimed = confirmed("c1", facts=(fact(source=Source.AGENT, paid=True),))
    news = (*decided("c2", digest="d2"), dispatched("c2"), confirmed("c2", facts=(fact(cabin="basic"),)))
    assert given(*SENT, claimed, *news).state().facts["booking", "b1"].source is Source.AGENT


def test_who_vouched_for_outcomes_is_remembered_whatever_the_outcome() -> None:
    assert given(*SENT, confirmed("c1", source=Source.TOOL)).state().sources == {"tool"}
    assert given(*SENT, failed("c1")).state().sources == {"agent"}
    assert given(*SENT, lost("c1")).state().sources == {"gateway"}


def counts(run: Run, digest: str = "d1", tool: str = "mail") -> tuple[int, int, int, int]:
    """Done and failed, per tool and per identical call."""
    return (
        run.done(run.tools, tool),
        run.failed(run.tools, tool),
        run.done(run.actions, digest),
        run.failed(run.actions, digest),
    )


def test_done_and_failed_are_counted_apart_per_tool_and_per_identical_call() -> None:
    other = (*decided("c9", digest="d2"), dispatched("c9"), confirmed("c9"))
    run = given(STARTED, *broken("c1"), *broken("c2"), *other).state()
    assert counts(run) == (1, 2, 0, 2)
    assert counts(run, "d2") == (1, 2, 1, 0)
    assert counts(run, "d3", "never") == (0, 0, 0, 0)


def test_a_denied_or_unsent_or_unknown_call_counts_neither_way() -> None:
    denied, waiting = decided("c2", Verdict.DENY), decided("c3", Verdict.ASK)
    assert counts(given(*SENT, lost("c1"), *denied, *waiting, *decided("c4")).state()) == (0, 0, 0, 0)


def test_an_unknown_outcome_counts_once_it_is_learned() -> None:
    assert counts(given(*SENT, lost("c1"), confirmed("c1")).state()) == (1, 0, 1, 0)
    assert counts(given(*SENT, lost("c1"), failed("c1")).state()) == (0, 1, 0, 1)


def test_a_successful_write_forgives_earlier_failures_of_every_call() -> None:
    run = given(STARTED, *broken("c1"), *broken("c2", tool="read", digest="d2"), *written("c3", "d3")).state()
    assert counts(run) == (0, 0, 0, 0)
    assert counts(run, "d2", "read") == (0, 0, 0, 0)


def test_failures_after_the_write_count_anew() -> None:
    run = given(STARTED, *broken("c1"), *written("c2", "d2"), *broken("c3")).state()
    assert counts(run) == (0, 1, 0, 1)


def test_reading_and_failing_to_write_forgive_nothing() -> None:
    read = (*decided("c2", digest="d2", tool="read"), dispatched("c2"), confirmed("c2"))
    run = given(STARTED, *broken("c1"), *read, *broken("c3", digest="d3", tool="write")).state()
    assert counts(run) == (0, 1, 0, 1)


def test_what_was_done_is_not_forgotten_by_forgiveness() -> None:
    done = (*decided("c1"), dispatched("c1"), confirmed("c1"))
    run = given(STARTED, *done, *broken("c2"), *written("c3", "d3"), *broken("c4")).state()
    assert counts(run) == (1, 1, 1, 1)


def test_an_error_text_is_sealed_and_its_subject_is_not_stored() -> None:
    assert list(failed("c1").personal()) == [Personal("/error", "run:r1")]
    assert "subject" not in failed("c1").model_dump()


def test_an_outcomes_marks_are_not_stored() -> None:
    mark = Personal("/facts/0/fields/name", "ada")
    event = confirmed("c1").model_copy(update={"marks": (mark,)})
    assert list(event.personal()) == [mark]
    assert "marks" not in event.model_dump()


def test_every_stage_is_reached_by_the_event_of_its_name() -> None:
    stages = [
        given(*history).state().calls["c1"].stage
        for history in (ALLOWED, SENT, (*SENT, confirmed("c1")), (*SENT, failed("c1")), (*SENT, lost("c1")))
    ]
    assert stages == [Stage.ALLOWED, Stage.DISPATCHED, Stage.CONFIRMED, Stage.FAILED, Stage.UNKNOWN]
