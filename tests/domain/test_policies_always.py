"""What is true of every tenant's policy sets, whatever is asked of them."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from pydantic import TypeAdapter

from domain.policies.commands import ActivatePolicySet, DraftPolicySet, PolicyCommand
from domain.policies.events import (
    PolicyEvent,
    PolicySetActivated,
    PolicySetDrafted,
    PolicySetSuperseded,
    PolicySetValidated,
)
from domain.policies.policy_set import PolicySets, policies
from tests.domain.always import QUICK, Always

digests = st.sampled_from([letter * 64 for letter in "abc"])


class AnyPolicySets(Always[PolicyCommand, PolicySets, PolicyEvent]):
    decider = policies
    snapshots = TypeAdapter(PolicySets)

    @rule(digest=digests)
    def draft(self, digest: str) -> None:
        self.ask(DraftPolicySet(digest=digest, text=f"// {digest}", engine="cedar-4"))

    @rule(digest=digests)
    def activate(self, digest: str) -> None:
        self.ask(ActivatePolicySet(digest=digest, engine="cedar-4"))

    @invariant()
    def what_is_in_force_was_activated_last(self) -> None:
        activated = [event.digest for event in self.history if isinstance(event, PolicySetActivated)]
        if self.state is not None:
            assert self.state.active == (activated[-1] if activated else None)
            assert self.state.text == (f"// {activated[-1]}" if activated else None)

    @invariant()
    def one_set_at_a_time(self) -> None:
        in_force: set[str] = set()
        for event in self.history:
            if isinstance(event, PolicySetSuperseded):
                in_force.remove(event.digest)
            elif isinstance(event, PolicySetActivated):
                in_force.add(event.digest)
            assert len(in_force) <= 1

    @invariant()
    def nothing_is_activated_that_was_not_validated_in_the_same_append(self) -> None:
        for index, event in enumerate(self.history):
            if isinstance(event, PolicySetActivated):
                before = self.history[index - 2 : index]
                assert any(
                    isinstance(each, PolicySetValidated) and each.digest == event.digest for each in before
                )

    @invariant()
    def each_text_is_kept_once(self) -> None:
        drafted = [event.digest for event in self.history if isinstance(event, PolicySetDrafted)]
        assert len(set(drafted)) == len(drafted)


TestAnyPolicySets = AnyPolicySets.TestCase
TestAnyPolicySets.settings = QUICK
