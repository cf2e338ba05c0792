"""An approval is people's consent to one exact action; it is used once or not at all."""

import pytest
from pydantic import ValidationError

from domain.approvals.approval import Approval, Standing, approvals
from domain.approvals.commands import (
    ConsumeApproval,
    GrantApproval,
    RejectApproval,
    RequestApproval,
    RetireApproval,
)
from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalGrantedBy,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalWentStale,
    AskedFor,
)
from domain.approvals.rejections import (
    ApprovalIsExpired,
    ApprovalIsStale,
    ApprovalNotGranted,
    ApprovalNotWaiting,
    ApprovalUnknown,
    FourEyes,
    NotWhatWasShown,
    WrongRole,
)
from domain.kernel import Personal
from tests.spec import Spec

given = Spec(approvals)

EARLY, LATE, LATER = (f"2026-01-01T{hour}:00:00.000000Z" for hour in ("10", "12", "14"))
ONE = AskedFor(policy="mail", role="approver", quorum=1, expires_at=LATE, reason="Mail leaves the house.")
TWO = AskedFor(policy="money", role="approver", quorum=2, expires_at=LATER, reason="It is much money.")
ADMIN = AskedFor(policy="rule", role="admin", quorum=1, expires_at=LATER, reason="It is a rule.")


def request(*asks: AskedFor) -> RequestApproval:
    return RequestApproval(
        run_id="r1",
        call_id="c1",
        tool="mail",
        arguments={"to": "x@example.org"},
        action_digest="d1",
        policy_set="p1",
        asks=asks,
        agent_id="a1",
        requested_by="gate",
        barred=("a1", "gate", "owen"),
        marks=(Personal("/arguments/to", "run:r1"),),
    )


def requested(*asks: AskedFor) -> ApprovalRequested:
    return ApprovalRequested(**dict(request(*asks)))


def grant(
    who: str, *, now: str = EARLY, saw: str = "d1", roles: tuple[str, ...] = ("approver",)
) -> GrantApproval:
    return GrantApproval(approver=who, roles=roles, saw=saw, now=now)


def granted_by(who: str, *roles: str) -> ApprovalGrantedBy:
    return ApprovalGrantedBy(approver=who, roles=roles or ("approver",), saw="d1", note="")


def reject(who: str, *, now: str = EARLY, roles: tuple[str, ...] = ("approver",)) -> RejectApproval:
    return RejectApproval(approver=who, roles=roles, now=now, reason="no")


def consume(
    *, call_id: str = "c1", digest: str = "d1", policy_set: str = "p1", now: str = EARLY
) -> ConsumeApproval:
    return ConsumeApproval(call_id=call_id, action_digest=digest, policy_set=policy_set, now=now)


GRANTED = (requested(ONE), granted_by("bob"), ApprovalGranted())
REJECTED = ApprovalRejected(approver="bob", reason="no")
STALE = ApprovalWentStale(reason="other law")
CONSUMED = ApprovalConsumed(call_id="c1")


def test_an_approval_is_requested_once() -> None:
    given().when(request(ONE)).then(requested(ONE))
    given(requested(ONE)).when(request(ONE)).then_nothing()


def test_an_approval_that_nobody_need_give_is_none() -> None:
    with pytest.raises(ValidationError):
        request()
    with pytest.raises(ValidationError):
        AskedFor(policy="mail", role="approver", quorum=0, expires_at=LATE, reason="")


def test_what_is_personal_in_the_arguments_is_sealed_and_its_place_is_not_stored() -> None:
    event = requested(ONE)
    assert list(event.personal()) == [Personal("/arguments/to", "run:r1")]
    assert "marks" not in event.model_dump()


def test_nothing_is_asked_of_an_approval_that_was_never_requested() -> None:
    for command in (grant("bob"), reject("bob"), consume(), RetireApproval(reason="")):
        given().when(command).then_rejected(ApprovalUnknown)


def test_one_voice_grants_where_one_is_enough() -> None:
    given(requested(ONE)).when(grant("bob")).then(granted_by("bob"), ApprovalGranted())


def test_a_quorum_of_two_takes_two_people() -> None:
    given(requested(TWO)).when(grant("bob")).then(granted_by("bob"))
    given(requested(TWO), granted_by("bob")).when(grant("cyd")).then(granted_by("cyd"), ApprovalGranted())


def test_one_person_has_one_voice() -> None:
    given(requested(TWO), granted_by("bob")).when(grant("bob")).then_nothing()
    given(*GRANTED).when(grant("bob")).then_nothing()


def test_several_conditions_must_all_be_met() -> None:
    both = requested(ONE, ADMIN)
    given(both).when(grant("bob")).then(granted_by("bob"))
    given(both, granted_by("bob")).when(grant("ada", roles=("admin",))).then(
        granted_by("ada", "admin"), ApprovalGranted()
    )


def test_one_person_may_count_for_several_conditions() -> None:
    given(requested(ONE, ADMIN)).when(grant("ada", roles=("admin", "approver"))).then(
        granted_by("ada", "admin", "approver"), ApprovalGranted()
    )


@pytest.mark.parametrize("who", ["a1", "gate", "owen"])
def test_nobody_approves_or_rejects_what_they_or_their_own_agent_asked_for(who: str) -> None:
    given(requested(ONE)).when(grant(who)).then_rejected(FourEyes, approver=who)
    given(requested(ONE)).when(reject(who)).then_rejected(FourEyes, approver=who)


def test_only_the_roles_that_are_asked_for_count() -> None:
    given(requested(ONE)).when(grant("bob", roles=("auditor",))).then_rejected(
        WrongRole, wanted=["approver"], yours=["auditor"]
    )
    given(requested(ONE)).when(reject("bob", roles=())).then_rejected(WrongRole)


def test_consent_is_to_the_action_that_was_shown() -> None:
    given(requested(ONE)).when(grant("bob", saw="d2")).then_rejected(
        NotWhatWasShown, shown="d2", waiting="d1"
    )


def test_consent_comes_before_the_earliest_deadline() -> None:
    both = requested(TWO, ONE)
    given(both).when(grant("bob", now=EARLY)).then(granted_by("bob"))
    given(both).when(grant("bob", now=LATE)).then_rejected(ApprovalIsExpired, deadline=LATE)
    given(both).when(reject("bob", now=LATE)).then_rejected(ApprovalIsExpired, deadline=LATE)


def test_one_no_from_somebody_entitled_settles_it() -> None:
    given(requested(TWO), granted_by("cyd")).when(reject("bob")).then(REJECTED)
    given(requested(TWO), granted_by("cyd")).when(reject("cyd")).then(
        ApprovalRejected(approver="cyd", reason="no")
    )


def test_rejecting_twice_rejects_once() -> None:
    given(requested(ONE), REJECTED).when(reject("bob")).then_nothing()
    given(requested(ONE), REJECTED).when(reject("cyd")).then_rejected(ApprovalNotWaiting, standing="rejected")


@pytest.mark.parametrize(
    "history",
    [
        GRANTED,
        (*GRANTED, CONSUMED),
        (requested(ONE), REJECTED),
        (requested(ONE), STALE),
        (requested(ONE), ApprovalExpired(at=LATE)),
    ],
)
def test_what_is_settled_hears_no_more_voices(history: tuple[ApprovalRequested, ...]) -> None:
    standing = given(*history).state().standing.value
    given(*history).when(grant("cyd")).then_rejected(ApprovalNotWaiting, standing=standing)
    given(*history).when(reject("cyd")).then_rejected(ApprovalNotWaiting, standing=standing)


def test_a_granted_approval_is_consumed_once() -> None:
    given(*GRANTED).when(consume()).then(CONSUMED)
    given(*GRANTED, CONSUMED).when(consume()).then_rejected(ApprovalNotGranted, standing="consumed")


def test_what_was_not_granted_is_not_consumed() -> None:
    given(requested(ONE)).when(consume()).then_rejected(ApprovalNotGranted, standing="waiting")
    given(requested(ONE), REJECTED).when(consume()).then_rejected(ApprovalNotGranted, standing="rejected")
    given(requested(TWO), granted_by("bob")).when(consume()).then_rejected(ApprovalNotGranted)


def test_consent_is_used_for_the_very_action_it_was_given_to() -> None:
    given(*GRANTED).when(consume(digest="d2")).then_rejected(NotWhatWasShown, asked="d2", approved="d1")
    given(*GRANTED).when(consume(call_id="c2")).then_rejected(NotWhatWasShown)


def test_consent_is_used_under_the_policy_set_it_was_given_under() -> None:
    given(*GRANTED).when(consume(policy_set="p2")).then_rejected(ApprovalIsStale, policy_set="p1")


def test_consent_is_used_before_its_deadline() -> None:
    given(*GRANTED).when(consume(now=LATE)).then_rejected(ApprovalIsExpired, deadline=LATE)


def test_what_the_law_no_longer_asks_for_goes_stale_once() -> None:
    retire = RetireApproval(reason="other law")
    given(requested(ONE)).when(retire).then(STALE)
    given(*GRANTED).when(retire).then(STALE)
    given(*GRANTED, STALE).when(retire).then_nothing()
    given(*GRANTED, STALE).when(consume()).then_rejected(ApprovalIsStale)


def test_what_is_over_does_not_go_stale() -> None:
    retire = RetireApproval(reason="other law")
    given(requested(ONE), REJECTED).when(retire).then_nothing()
    given(*GRANTED, CONSUMED).when(retire).then_nothing()


def test_consent_covers_what_is_asked_for_now_only_as_far_as_voices_were_heard() -> None:
    known: Approval = given(requested(ONE), granted_by("bob"), granted_by("ada", "admin")).state()
    assert known.covers([("approver", 1), ("admin", 1)])
    assert not known.covers([("approver", 2)])
    assert not known.covers([("auditor", 1)])
    assert known.standing is Standing.WAITING
