"""A call is proposed and decided in one append, once; what was asked for is released once."""

import pytest

from domain.kernel import Verdict
from domain.runs.events import ToolCallDecided
from domain.runs.propose import NOBODY_KNOWS
from domain.runs.rejections import CallIdReused, CallNotAsked, CallUnknown, OutcomeNotKnown
from domain.runs.run import Stage
from tests.domain.run_stories import (
    PERMIT,
    SEEN,
    STARTED,
    UNTIL,
    confirmed,
    decided,
    dispatched,
    failed,
    given,
    lost,
    propose,
    release,
    released,
)

RECORDABLE = [Verdict.DENY, Verdict.ASK, Verdict.ALLOW]


@pytest.mark.parametrize("verdict", RECORDABLE)
def test_a_proposal_and_its_decision_are_one_append(verdict: Verdict) -> None:
    given(STARTED).when(propose("c1", verdict)).then(*decided("c1", verdict))


def test_an_allowance_says_until_when_and_a_question_says_which_approval() -> None:
    calls = (
        given(STARTED, *decided("c1"), *decided("c2", Verdict.ASK), *decided("c3", Verdict.DENY))
        .state()
        .calls
    )
    assert (calls["c1"].stage, calls["c1"].expires_at, calls["c1"].approval_id) == (
        Stage.ALLOWED,
        UNTIL,
        None,
    )
    assert (calls["c2"].stage, calls["c2"].expires_at, calls["c2"].approval_id) == (
        Stage.ASKED,
        None,
        "ask-c2",
    )
    assert (calls["c3"].stage, calls["c3"].expires_at, calls["c3"].approval_id) == (Stage.DENIED, None, None)


def test_a_decision_keeps_what_it_rested_on() -> None:
    _, decision = given(STARTED).when(propose("c1")).decided()
    assert isinstance(decision, ToolCallDecided)
    assert (decision.seen, decision.determined) == (SEEN, PERMIT)


def test_to_throttle_is_an_answer_and_is_not_recorded() -> None:
    with pytest.raises(AssertionError, match="not a decision"):
        given(STARTED).when(propose("c1", Verdict.THROTTLE)).decided()


@pytest.mark.parametrize("first", RECORDABLE)
@pytest.mark.parametrize("then", RECORDABLE)
def test_a_call_id_is_decided_once_whatever_would_be_decided_now(first: Verdict, then: Verdict) -> None:
    given(STARTED, *decided("c1", first)).when(propose("c1", then)).then_nothing()


def test_a_call_id_is_decided_once_also_after_its_outcome() -> None:
    for outcome in (confirmed("c1"), failed("c1"), lost("c1")):
        given(STARTED, *decided("c1"), dispatched("c1"), outcome).when(propose("c1")).then_nothing()


def test_a_call_id_is_not_used_for_another_action() -> None:
    given(STARTED, *decided("c1")).when(propose("c1", digest="d2")).then_rejected(CallIdReused, call_id="c1")


def test_the_same_action_may_be_proposed_under_another_id() -> None:
    given(STARTED, *decided("c1")).when(propose("c2")).then(*decided("c2"))


@pytest.mark.parametrize("verdict", [Verdict.ALLOW, Verdict.ASK])
def test_what_nobody_knows_the_outcome_of_is_not_tried_again_blindly(verdict: Verdict) -> None:
    history = (STARTED, *decided("c1"), dispatched("c1"), lost("c1"))
    _, decision = given(*history).when(propose("c2", verdict)).decided()
    assert isinstance(decision, ToolCallDecided)
    assert (decision.verdict, decision.determined) == (Verdict.DENY, (NOBODY_KNOWS,))
    assert (decision.approval_id, decision.expires_at) == (None, None)


def test_what_policy_denies_is_denied_for_policys_reasons_also_when_the_outcome_is_unknown() -> None:
    history = (STARTED, *decided("c1"), dispatched("c1"), lost("c1"))
    given(*history).when(propose("c2", Verdict.DENY)).then(*decided("c2", Verdict.DENY))


def test_another_action_is_not_blocked_by_an_unknown_outcome() -> None:
    history = (STARTED, *decided("c1"), dispatched("c1"), lost("c1"))
    given(*history).when(propose("c2", digest="d2")).then(*decided("c2", digest="d2"))


def test_once_the_outcome_is_learned_the_action_may_be_tried_again() -> None:
    for learned in (confirmed("c1"), failed("c1")):
        history = (STARTED, *decided("c1"), dispatched("c1"), lost("c1"), learned)
        given(*history).when(propose("c2")).then(*decided("c2"))


def test_an_action_sent_twice_stays_blocked_until_both_outcomes_are_known() -> None:
    sent = (STARTED, *decided("c1"), *decided("c2"), dispatched("c1"), dispatched("c2"))
    both_lost = (*sent, lost("c1"), lost("c2"))
    for learned in (confirmed("c1"), failed("c1")):
        assert given(*both_lost, learned).state().unresolved == {"d1"}
    assert given(*sent, lost("c1"), confirmed("c2")).state().unresolved == {"d1"}
    assert given(*both_lost, confirmed("c1"), failed("c2")).state().unresolved == frozenset()


def test_a_call_that_was_consented_to_is_released_once() -> None:
    asked = decided("c1", Verdict.ASK)
    given(STARTED, *asked).when(release("c1")).then(released("c1"))
    given(STARTED, *asked, released("c1")).when(release("c1")).then_nothing()
    for outcome in (confirmed("c1"), failed("c1"), lost("c1")):
        given(STARTED, *asked, released("c1"), dispatched("c1"), outcome).when(release("c1")).then_nothing()


def test_a_released_call_is_allowed_until_its_allowance_expires() -> None:
    call = given(STARTED, *decided("c1", Verdict.ASK), released("c1")).state().calls["c1"]
    assert (call.stage, call.expires_at, call.approval_id) == (Stage.ALLOWED, UNTIL, "ask-c1")


def test_a_waiting_call_keeps_who_asked_until_it_is_released() -> None:
    asked = (STARTED, *decided("c1", Verdict.ASK))
    assert given(*asked).state().calls["c1"].asked == SEEN
    assert given(*asked, released("c1")).state().calls["c1"].asked is None
    assert given(STARTED, *decided("c1")).state().calls["c1"].asked is None


def test_only_what_waits_for_consent_is_released() -> None:
    given(STARTED).when(release("c1")).then_rejected(CallUnknown, call_id="c1")
    for verdict in (Verdict.ALLOW, Verdict.DENY):
        given(STARTED, *decided("c1", verdict)).when(release("c1")).then_rejected(CallNotAsked, call_id="c1")


def test_a_call_is_released_by_its_own_approval_for_its_own_action() -> None:
    asked = (STARTED, *decided("c1", Verdict.ASK))
    given(*asked).when(release("c1", approval="ask-c2")).then_rejected(CallNotAsked)
    given(*asked).when(release("c1", digest="d2")).then_rejected(CallIdReused)


def test_consent_is_no_leave_to_try_again_blindly() -> None:
    history = (STARTED, *decided("c1", Verdict.ASK), *decided("c2"), dispatched("c2"), lost("c2"))
    given(*history).when(release("c1")).then_rejected(OutcomeNotKnown, call_id="c1")
    given(*history, failed("c2")).when(release("c1")).then(released("c1"))


def test_denied_arguments_are_let_go_and_others_kept_until_the_outcome_is_known() -> None:
    calls = (
        given(STARTED, *decided("c1", Verdict.DENY), *decided("c2", Verdict.ASK), *decided("c3"))
        .state()
        .calls
    )
    assert [calls[call].arguments for call in ("c1", "c2", "c3")] == [None, {"n": "d1"}, {"n": "d1"}]
