"""What is true of every tenant, whatever is asked of it."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from pydantic import TypeAdapter

from domain.kernel import Role
from domain.tenants.commands import (
    AddMember,
    CreateTeam,
    FoundTenant,
    GrantRole,
    LeaveFounding,
    RemoveMember,
    TenantCommand,
    WithdrawRole,
)
from domain.tenants.events import FoundingLeft, RoleGranted, TenantEvent
from domain.tenants.tenant import Tenant, tenants
from tests.domain.always import QUICK, Always

people = st.sampled_from(["ada", "bob", "cyd"])
teams = st.sampled_from(["core", "edge"])
roles = st.sampled_from(list(Role))


class AnyTenant(Always[TenantCommand, Tenant, TenantEvent]):
    decider = tenants
    snapshots = TypeAdapter(Tenant)

    @initialize(who=people)
    def found(self, who: str) -> None:
        self.ask(FoundTenant(name="Acme", zone="UTC", founder=who, founder_name=who.title()))

    @rule()
    def leave_founding(self) -> None:
        self.ask(LeaveFounding())

    @rule(team=teams)
    def create_team(self, team: str) -> None:
        self.ask(CreateTeam(team=team))

    @rule(who=people, team=st.none() | teams)
    def add_member(self, who: str, team: str | None) -> None:
        self.ask(AddMember(principal=who, display_name=who.title(), team=team))

    @rule(who=people)
    def remove_member(self, who: str) -> None:
        self.ask(RemoveMember(principal=who))

    @rule(who=people, role=roles)
    def grant_role(self, who: str, role: Role) -> None:
        self.ask(GrantRole(principal=who, role=role))

    @rule(who=people, role=roles)
    def withdraw_role(self, who: str, role: Role) -> None:
        self.ask(WithdrawRole(principal=who, role=role))

    @invariant()
    def somebody_is_always_admin(self) -> None:
        assert self.state is None or self.state.admins

    @invariant()
    def no_person_is_an_agent(self) -> None:
        if self.state is not None:
            assert all(Role.AGENT not in member.roles for member in self.state.members.values())

    @invariant()
    def every_team_of_a_member_exists(self) -> None:
        if self.state is not None:
            named = {member.team for member in self.state.members.values()} - {None}
            assert named <= self.state.teams

    @invariant()
    def no_role_is_granted_after_founding(self) -> None:
        left = [index for index, event in enumerate(self.history) if isinstance(event, FoundingLeft)]
        assert len(left) <= 1
        after = self.history[left[0] :] if left else []
        assert not any(isinstance(event, RoleGranted) for event in after)


TestAnyTenant = AnyTenant.TestCase
TestAnyTenant.settings = QUICK
