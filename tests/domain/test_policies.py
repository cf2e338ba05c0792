"""A tenant's policy sets are named by the digest of their text, and at most one is in force."""

import pytest
from pydantic import ValidationError

from domain.policies.commands import ActivatePolicySet, DraftPolicySet
from domain.policies.events import (
    PolicySetActivated,
    PolicySetDrafted,
    PolicySetSuperseded,
    PolicySetValidated,
)
from domain.policies.policy_set import PolicySets, policies
from domain.policies.rejections import PolicySetUnknown
from tests.spec import Spec

given = Spec(policies)

A, B = "a" * 64, "b" * 64
DRAFT = DraftPolicySet(digest=A, text="permit(principal, action, resource);", engine="cedar-4", note="first")
DRAFTED = PolicySetDrafted(digest=A, text="permit(principal, action, resource);", note="first")
DRAFTED_B = PolicySetDrafted(digest=B, text="forbid(principal, action, resource);", note="")
VALIDATED, VALIDATED_B = (PolicySetValidated(digest=digest, engine="cedar-4") for digest in (A, B))
ACTIVATED = PolicySetActivated(digest=A)


def test_a_draft_is_kept_with_who_validated_it() -> None:
    given().when(DRAFT).then(DRAFTED, VALIDATED)


def test_the_same_text_is_kept_once() -> None:
    given(DRAFTED, VALIDATED).when(DRAFT.model_copy(update={"note": "again"})).then_nothing()


def test_drafting_puts_nothing_in_force() -> None:
    sets = given(DRAFTED, VALIDATED).state()
    assert (sets.active, sets.text) == (None, None)
    assert PolicySets().text is None


def test_activation_validates_anew_and_puts_in_force() -> None:
    given(DRAFTED, VALIDATED).when(ActivatePolicySet(digest=A, engine="cedar-4")).then(VALIDATED, ACTIVATED)
    assert given(DRAFTED, VALIDATED, ACTIVATED).state().text == DRAFTED.text


def test_the_set_in_force_gives_way_in_the_same_append() -> None:
    history = (DRAFTED, VALIDATED, ACTIVATED, DRAFTED_B, VALIDATED_B)
    superseded, activated = PolicySetSuperseded(digest=A, by=B), PolicySetActivated(digest=B)
    given(*history).when(ActivatePolicySet(digest=B, engine="cedar-4")).then(
        VALIDATED_B, superseded, activated
    )
    assert given(*history, superseded, activated).state().active == B


def test_activating_twice_activates_once() -> None:
    given(DRAFTED, VALIDATED, ACTIVATED).when(ActivatePolicySet(digest=A, engine="cedar-5")).then_nothing()


def test_a_superseded_set_can_come_back() -> None:
    history = (
        DRAFTED,
        DRAFTED_B,
        ACTIVATED,
        PolicySetSuperseded(digest=A, by=B),
        PolicySetActivated(digest=B),
    )
    given(*history).when(ActivatePolicySet(digest=A, engine="cedar-4")).then(
        VALIDATED, PolicySetSuperseded(digest=B, by=A), ACTIVATED
    )


def test_what_was_never_drafted_is_not_activated() -> None:
    given().when(ActivatePolicySet(digest=A, engine="cedar-4")).then_rejected(PolicySetUnknown, digest=A)
    given(DRAFTED).when(ActivatePolicySet(digest=B, engine="cedar-4")).then_rejected(PolicySetUnknown)


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_a_digest_is_64_hex_digits(digest: str) -> None:
    with pytest.raises(ValidationError):
        ActivatePolicySet(digest=digest, engine="cedar-4")
