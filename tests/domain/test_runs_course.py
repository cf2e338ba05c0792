"""A run starts once, may pause, ends once, and tells of itself on the way."""

import pytest
from pydantic import ValidationError

from domain.kernel import Personal, Source, Verdict
from domain.runs.commands import (
    CancelRun,
    CompleteRun,
    EscalateRun,
    FailRun,
    PauseRun,
    RecordModelCall,
    ReportProgress,
    ResumeRun,
    RunCommand,
)
from domain.runs.events import (
    ModelCallRecorded,
    ProgressReported,
    RunCancelled,
    RunCompleted,
    RunEscalated,
    RunEvent,
    RunFailed,
    RunPaused,
    RunResumed,
)
from domain.runs.rejections import ModelCallIdReused, RunEnded, RunExists, RunIsPaused, RunUnknown
from tests.domain.run_stories import (
    START,
    STARTED,
    confirm,
    decided,
    dispatch,
    dispatched,
    fail,
    given,
    lose,
    propose,
    release,
)

MODEL_CALL = RecordModelCall(
    model_call_id="m1",
    model="m-1",
    input_tokens=100,
    output_tokens=20,
    cached_tokens=0,
    cost=1_500,
    currency="EUR",
    source=Source.AGENT,
)
MODEL_CALLED = ModelCallRecorded(**dict(MODEL_CALL))
ENDS: list[tuple[RunCommand, RunEvent]] = [
    (CompleteRun(result="done"), RunCompleted(result="done")),
    (FailRun(reason="lost"), RunFailed(reason="lost")),
    (CancelRun(reason="enough"), RunCancelled(reason="enough")),
    (EscalateRun(reason="a person, please"), RunEscalated(reason="a person, please")),
]
ASKED = decided("c1", Verdict.ASK)


def test_a_run_is_started_once() -> None:
    given().when(START).then(STARTED)
    given(STARTED).when(START).then_nothing()


def test_a_start_that_is_tried_again_may_have_drawn_other_salt_at_another_time() -> None:
    again = START.model_copy(update={"salt": "0e11", "started_at": "2026-01-01T11:00:00.000000Z"})
    given(STARTED).when(again).then_nothing()


@pytest.mark.parametrize(
    "other",
    [
        {"agent_id": "a2"},
        {"principal": "eve"},
        {"on_behalf_of": "ada"},
        {"subject": "ada"},
        {"purpose": "mess up"},
        {"mode": "recorded"},
    ],
)
def test_a_run_id_is_started_with_one_set_of_particulars(other: dict[str, str]) -> None:
    given(STARTED).when(START.model_copy(update=other)).then_rejected(RunExists, run_id="r1")


def test_the_salt_is_sealed_with_the_runs_own_key() -> None:
    assert list(STARTED.personal()) == [Personal("/salt", "run:r1")]


@pytest.mark.parametrize(
    "command",
    [
        propose("c1"),
        release("c1"),
        dispatch("c1"),
        confirm("c1"),
        fail("c1"),
        lose("c1"),
        MODEL_CALL,
        ReportProgress(note=""),
        PauseRun(reason=""),
        ResumeRun(reason=""),
        CompleteRun(result=""),
        FailRun(reason=""),
        CancelRun(reason=""),
        EscalateRun(reason=""),
    ],
)
def test_nothing_is_asked_of_a_run_that_never_started(command: RunCommand) -> None:
    given().when(command).then_rejected(RunUnknown)


def test_a_run_pauses_and_resumes_once_each() -> None:
    paused, resumed = RunPaused(reason="look"), RunResumed(reason="fine")
    given(STARTED).when(PauseRun(reason="look")).then(paused)
    given(STARTED, paused).when(PauseRun(reason="again")).then_nothing()
    given(STARTED, paused).when(ResumeRun(reason="fine")).then(resumed)
    given(STARTED, paused, resumed).when(ResumeRun(reason="")).then_nothing()
    given(STARTED).when(ResumeRun(reason="")).then_nothing()


def test_a_paused_run_proposes_releases_and_dispatches_nothing() -> None:
    paused = RunPaused(reason="look")
    given(STARTED, paused).when(propose("c1")).then_rejected(RunIsPaused)
    given(STARTED, *ASKED, paused).when(release("c1")).then_rejected(RunIsPaused)
    given(STARTED, *decided("c1"), paused).when(dispatch("c1")).then_rejected(RunIsPaused)


def test_a_paused_run_still_hears_of_what_it_set_in_motion() -> None:
    history = (STARTED, *decided("c1"), dispatched("c1"), RunPaused(reason="look"))
    assert given(*history).when(confirm("c1")).decided()


@pytest.mark.parametrize(("command", "event"), ENDS)
def test_a_run_ends_once_also_when_it_is_paused(command: RunCommand, event: RunEvent) -> None:
    given(STARTED).when(command).then(event)
    given(STARTED, RunPaused(reason="look")).when(command).then(event)
    given(STARTED, event).when(command).then_nothing()


@pytest.mark.parametrize(("command", "event"), ENDS)
def test_an_ended_run_ends_in_no_other_way(command: RunCommand, event: RunEvent) -> None:
    for _, ended in ENDS:
        if ended != event:
            given(STARTED, ended).when(command).then_rejected(RunEnded)


@pytest.mark.parametrize("ended", [event for _, event in ENDS])
def test_nothing_more_happens_in_an_ended_run(ended: RunEvent) -> None:
    standing = given(STARTED, ended).state().standing.value
    for command in (propose("c1"), ReportProgress(note=""), PauseRun(reason=""), ResumeRun(reason="")):
        given(STARTED, ended).when(command).then_rejected(RunEnded, standing=standing)
    given(STARTED, *ASKED, ended).when(release("c1")).then_rejected(RunEnded)
    given(STARTED, *decided("c1"), ended).when(dispatch("c1")).then_rejected(RunEnded)


def test_an_ended_run_still_hears_of_what_it_set_in_motion() -> None:
    history = (STARTED, *decided("c1"), dispatched("c1"), RunCancelled(reason="enough"))
    assert given(*history).when(confirm("c1")).decided()


def test_every_report_of_progress_stands() -> None:
    report, reported = ReportProgress(note="half", percent=50), ProgressReported(note="half", percent=50)
    given(STARTED).when(report).then(reported)
    given(STARTED, reported).when(report).then(reported)


@pytest.mark.parametrize("percent", [-1, 101])
def test_progress_is_told_in_percent(percent: int) -> None:
    with pytest.raises(ValidationError):
        ReportProgress(note="", percent=percent)


def test_a_model_call_is_recorded_once() -> None:
    given(STARTED).when(MODEL_CALL).then(MODEL_CALLED)
    given(STARTED, MODEL_CALLED).when(MODEL_CALL).then_nothing()


def test_a_model_call_that_another_vouches_for_too_is_the_same_call() -> None:
    vouched = MODEL_CALL.model_copy(update={"source": Source.GATEWAY})
    given(STARTED, MODEL_CALLED).when(vouched).then_nothing()


@pytest.mark.parametrize(
    "other",
    [
        {"model": "m-2"},
        {"input_tokens": 101},
        {"output_tokens": 21},
        {"cached_tokens": 1},
        {"cost": 1_501},
        {"cost": None},
        {"currency": "USD"},
    ],
)
def test_a_model_call_is_recorded_with_one_set_of_figures(other: dict[str, object]) -> None:
    given(STARTED, MODEL_CALLED).when(MODEL_CALL.model_copy(update=other)).then_rejected(
        ModelCallIdReused, model_call_id="m1"
    )


def test_what_was_used_was_used_also_after_the_end() -> None:
    given(STARTED, RunCompleted(result="")).when(MODEL_CALL).then(MODEL_CALLED)


def test_what_model_calls_cost_adds_up_by_currency() -> None:
    calls = [
        MODEL_CALLED,
        MODEL_CALLED.model_copy(update={"model_call_id": "m2", "cost": 500}),
        MODEL_CALLED.model_copy(update={"model_call_id": "m3", "currency": "USD", "cost": 7}),
        MODEL_CALLED.model_copy(update={"model_call_id": "m4", "cost": None}),
    ]
    assert dict(given(STARTED, *calls).state().spent) == {"EUR": 2_000, "USD": 7}
