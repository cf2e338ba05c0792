"""Projections: a recorded event in, row changes out."""

from typing import get_args

import pytest

from adapters.event_store.vocabulary import VOCABULARY
from domain.approvals.events import ApprovalEvent
from domain.kernel import Source, Verdict
from domain.runs.events import (
    ModelCallRecorded,
    ProgressReported,
    RunCompleted,
    RunEvent,
    RunPaused,
    RunResumed,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
)
from projections.approvals import approvals
from projections.changes import Add, Change, Delete, Put, ReadModel
from projections.decisions import decisions
from projections.runs import runs
from tests.projections.histories import (
    SETTLED,
    History,
    a_run_with_an_approval,
    decided,
    proposed,
    requested,
    started,
)

MODELS = (runs, decisions, approvals)


def changes(model: ReadModel, history: History) -> list[Change]:
    return [change for recorded in history for change in model.project(recorded)]


def rows(model: ReadModel, history: History, table: str) -> list[dict[str, object]]:
    return [
        dict(change.row)
        for change in changes(model, history)
        if change.table == table and not isinstance(change, Delete)
    ]


def story(history: History) -> list[object]:
    return [row["what"] for row in rows(runs, history, "run_timeline")]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_follows_only_events_that_exist(model: ReadModel) -> None:
    assert set(model.follows) <= VOCABULARY.by_name.keys()


def test_the_timeline_tells_every_event_of_runs_and_approvals() -> None:
    words = (*get_args(RunEvent), *get_args(ApprovalEvent))
    assert set(runs.follows) == {VOCABULARY.by_class[event].name for event in words}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_changes_touch_only_the_models_own_tables_in_their_own_way(model: ReadModel) -> None:
    tables = {table.name: table for table in model.tables}
    for change in changes(model, a_run_with_an_approval()):
        table = tables[change.table]
        assert isinstance(change, Add) is (table.key == ())
        if isinstance(change, Put):
            assert change.key == tuple(change.row[column] for column in table.key)


def test_a_run_has_a_new_standing_only_when_it_got_somewhere_else() -> None:
    history = History()
    history.happened("run", "run-1", started(), ProgressReported(note="Reading", percent=10))
    history.happened("run", "run-1", RunPaused(reason="Lunch"), RunResumed(reason="Back"))
    history.happened("run", "run-1", proposed(), decided(), RunCompleted(result="Answered"))
    standings = [(row["standing"], row["reason"]) for row in rows(runs, history, "run_standings")]
    assert standings == [
        ("active", None),
        ("paused", "Lunch"),
        ("active", "Back"),
        ("completed", "Answered"),
    ]


def test_the_timeline_reads_as_a_story() -> None:
    assert story(a_run_with_an_approval()) == [
        "support-bot started: Answer ticket 7",
        "Proposed send_mail",
        "Asked for approval: Because of big-mails.",
        "Approval wanted from 1 x approver by 2026-03-01T10:00:00.000000Z",
        "bea said yes: fine",
        "Approved",
        "Released after consent",
        "The approval was used",
        "Sent to the tool",
        "Done, says the tool",
    ]


def test_a_denial_says_which_reason_stood_against_it() -> None:
    history = History()
    history.happened(
        "run", "run-1", started(), proposed(), decided(verdict=Verdict.DENY, policies=["no-mail"])
    )
    assert story(history)[-1] == "Denied: Because of no-mail."


def test_failures_unknown_outcomes_and_model_calls_are_told_too() -> None:
    history = History()
    history.happened(
        "run", "run-1", started(), ToolCallFailed(call_id="c", source=Source.TOOL, error="sealed")
    )
    unknown = ToolCallOutcomeUnknown(call_id="c", source=Source.AGENT, labels=(), note="Timed out")
    used = ModelCallRecorded(
        model_call_id="m",
        model="claude",
        input_tokens=10,
        output_tokens=5,
        cached_tokens=0,
        cost=42,
        currency="USD",
        source=Source.AGENT,
    )
    history.happened("run", "run-1", unknown, used)
    assert story(history)[1:] == [
        "Not done, says the tool",
        "Nobody knows whether it was done",
        "Called the model claude: 15 tokens",
    ]
    assert rows(runs, history, "run_timeline")[-1]["cost"] == 42


def test_the_salt_of_a_run_is_in_no_read_model() -> None:
    history = a_run_with_an_approval()
    assert not any("salt" in str(change) for model in MODELS for change in changes(model, history))


def test_personal_places_stand_in_the_detail_where_they_stand_in_the_event() -> None:
    history = History()
    history.happened("run", "run-1", started(), proposed(to="sealed:v1:key:token"))
    detail = rows(runs, history, "run_timeline")[1]["detail"]
    assert detail == {"tool": "send_mail", "arguments": {"to": "sealed:v1:key:token"}}


def test_only_the_request_names_the_run_of_an_approval() -> None:
    lines = rows(runs, a_run_with_an_approval(), "run_timeline")
    of_approval = [(line["run_id"], line["name"]) for line in lines if line["approval_id"]]
    assert of_approval == [
        ("run-1", "approval.requested"),
        (None, "approval.granted-by"),
        (None, "approval.granted"),
        (None, "approval.consumed"),
    ]


def test_a_decision_carries_its_grounds_and_the_law_it_saw() -> None:
    history = History()
    history.happened(
        "run", "run-1", started(), proposed(), decided(verdict=Verdict.DENY, policies=["a", "b"])
    )
    [row] = rows(decisions, history, "decisions")
    assert row["verdict"] == "deny"
    assert row["law_position"] == 3
    assert row["determined"] == [
        {"policy": "a", "effect": "forbid", "reason": "Because of a."},
        {"policy": "b", "effect": "forbid", "reason": "Because of b."},
    ]
    assert [row["policy"] for row in rows(decisions, history, "decision_policies")] == ["a", "b"]


def test_every_stage_of_a_call_is_kept() -> None:
    stages = rows(decisions, a_run_with_an_approval(), "decision_stages")
    assert [stage["stage"] for stage in stages] == ["released", "dispatched", "confirmed"]


@pytest.mark.parametrize("settled", SETTLED)
def test_a_settled_approval_leaves_the_waiting_ones(settled: str) -> None:
    history = History()
    history.happened("approval", "approval-1", requested())
    history.happened("approval", "approval-1", *SETTLED[settled])
    made = changes(approvals, history)
    assert isinstance(made[0], Put)
    assert Delete("approvals_waiting", ("approval-1",)) in made
    assert rows(approvals, history, "approval_steps")[-1]["step"] == settled


def test_one_voice_of_several_leaves_the_approval_waiting() -> None:
    history = History()
    history.happened("approval", "approval-1", requested(), SETTLED["granted"][0])
    assert not any(isinstance(change, Delete) for change in changes(approvals, history))
