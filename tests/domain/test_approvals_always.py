"""What is true of every approval, whatever is asked of it."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from pydantic import TypeAdapter

from domain.approvals.approval import Approval, Standing, approvals
from domain.approvals.commands import (
    ApprovalCommand,
    ConsumeApproval,
    GrantApproval,
    RejectApproval,
    RequestApproval,
    RetireApproval,
)
from domain.approvals.events import (
    ApprovalConsumed,
    ApprovalEvent,
    ApprovalGranted,
    ApprovalGrantedBy,
    ApprovalRejected,
    ApprovalWentStale,
    AskedFor,
)
from tests.domain.always import QUICK, Always

people = st.sampled_from(["ada", "bob", "cyd", "gate"])
roles = st.sampled_from([(), ("admin",), ("approver",), ("admin", "approver")])
digests = st.sampled_from(["d1", "d1", "d2"])
instants = st.sampled_from([f"2026-01-01T{hour:02}:00:00.000000Z" for hour in range(10, 14)])
asks = st.lists(
    st.builds(
        AskedFor,
        policy=st.just("mail"),
        role=st.sampled_from(["admin", "approver"]),
        quorum=st.integers(1, 2),
        expires_at=instants,
        reason=st.just("why"),
    ),
    min_size=1,
    max_size=3,
)


class AnyApproval(Always[ApprovalCommand, Approval, ApprovalEvent]):
    decider = approvals
    snapshots = TypeAdapter(Approval)

    @initialize(wanted=asks)
    def request(self, wanted: list[AskedFor]) -> None:
        self.ask(
            RequestApproval(
                run_id="r1",
                call_id="c1",
                tool="mail",
                arguments={"to": "x"},
                action_digest="d1",
                policy_set="p1",
                asks=tuple(wanted),
                agent_id="a1",
                requested_by="gate",
                barred=("a1", "gate"),
            )
        )

    @rule(who=people, as_=roles, saw=digests, now=instants)
    def grant(self, who: str, as_: tuple[str, ...], saw: str, now: str) -> None:
        self.ask(GrantApproval(approver=who, roles=as_, saw=saw, now=now))

    @rule(who=people, as_=roles, now=instants)
    def reject(self, who: str, as_: tuple[str, ...], now: str) -> None:
        self.ask(RejectApproval(approver=who, roles=as_, now=now))

    @rule(digest=digests, policy_set=st.sampled_from(["p1", "p1", "p2"]), now=instants)
    def consume(self, digest: str, policy_set: str, now: str) -> None:
        before = self.state
        command = ConsumeApproval(call_id="c1", action_digest=digest, policy_set=policy_set, now=now)
        if self.ask(command, once=True):
            assert before is not None
            assert before.standing is Standing.GRANTED
            assert (digest, policy_set) == (before.action_digest, before.policy_set)
            assert now < before.deadline

    @rule()
    def retire(self) -> None:
        self.ask(RetireApproval(reason="other law"))

    @invariant()
    def nobody_barred_is_heard(self) -> None:
        if self.state is not None:
            assert self.state.barred.isdisjoint(self.state.voices)

    @invariant()
    def nobody_is_heard_twice(self) -> None:
        heard = [event.approver for event in self.history if isinstance(event, ApprovalGrantedBy)]
        assert len(set(heard)) == len(heard)

    @invariant()
    def granted_when_and_only_when_every_quorum_is_met(self) -> None:
        if self.state is not None:
            granted = any(isinstance(event, ApprovalGranted) for event in self.history)
            assert self.state.satisfied_by(self.state.voices) == granted

    @invariant()
    def consumed_at_most_once_and_after_that_nothing_happens(self) -> None:
        ends = (ApprovalConsumed, ApprovalRejected, ApprovalWentStale)
        assert not any(isinstance(event, ends) for event in self.history[:-1])


TestAnyApproval = AnyApproval.TestCase
TestAnyApproval.settings = QUICK
