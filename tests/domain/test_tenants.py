"""A tenant knows its members, their roles and its teams."""

import pytest

from domain.kernel import Role
from domain.tenants.commands import (
    AddMember,
    CreateTeam,
    FoundTenant,
    GrantRole,
    LeaveFounding,
    RemoveMember,
    WithdrawRole,
)
from domain.tenants.events import (
    FoundingLeft,
    MemberAdded,
    MemberRemoved,
    RoleGranted,
    RoleWithdrawn,
    TeamCreated,
    TenantFounded,
)
from domain.tenants.rejections import (
    AgentRoleNotGrantable,
    AlreadyMember,
    LastAdmin,
    MemberUnknown,
    OnlyWhileFounding,
    TeamUnknown,
    TenantExists,
    TenantUnknown,
    ZoneUnknown,
)
from domain.tenants.tenant import tenants
from tests.spec import Spec

given = Spec(tenants)

FOUND = FoundTenant(name="Acme", zone="Europe/Berlin", founder="ada", founder_name="Ada")
FOUNDED = (
    TenantFounded(name="Acme", zone="Europe/Berlin", founder="ada"),
    MemberAdded(principal="ada", display_name="Ada", team=None),
    RoleGranted(principal="ada", role=Role.ADMIN),
)
BOB = MemberAdded(principal="bob", display_name="Bob", team=None)
BOB_ADMIN = RoleGranted(principal="bob", role=Role.ADMIN)
BOB_APPROVER = RoleGranted(principal="bob", role=Role.APPROVER)


def test_the_founder_is_the_first_member_and_the_first_admin() -> None:
    given().when(FOUND).then(*FOUNDED)


def test_founding_twice_founds_once() -> None:
    given(*FOUNDED).when(FOUND).then_nothing()


def test_an_id_is_founded_with_one_set_of_particulars() -> None:
    for other in ({"name": "Other"}, {"zone": "UTC"}, {"founder": "eve"}):
        given(*FOUNDED).when(FOUND.model_copy(update=other)).then_rejected(TenantExists)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_a_tenants_zone_exists(zone: str) -> None:
    given().when(FOUND.model_copy(update={"zone": zone})).then_rejected(ZoneUnknown, zone=zone)


def test_nothing_is_asked_of_a_tenant_that_was_never_founded() -> None:
    for command in (
        LeaveFounding(),
        CreateTeam(team="core"),
        AddMember(principal="bob", display_name="Bob"),
        RemoveMember(principal="bob"),
        GrantRole(principal="bob", role=Role.ADMIN),
        WithdrawRole(principal="bob", role=Role.ADMIN),
    ):
        given().when(command).then_rejected(TenantUnknown)


def test_founding_is_left_once() -> None:
    given(*FOUNDED).when(LeaveFounding()).then(FoundingLeft())
    given(*FOUNDED, FoundingLeft()).when(LeaveFounding()).then_nothing()


def test_a_team_is_created_once() -> None:
    given(*FOUNDED).when(CreateTeam(team="core")).then(TeamCreated(team="core"))
    given(*FOUNDED, TeamCreated(team="core")).when(CreateTeam(team="core")).then_nothing()


def test_a_member_joins_a_team_that_exists() -> None:
    joining = AddMember(principal="bob", display_name="Bob", team="core")
    given(*FOUNDED).when(joining).then_rejected(TeamUnknown, team="core")
    given(*FOUNDED, TeamCreated(team="core")).when(joining).then(
        MemberAdded(principal="bob", display_name="Bob", team="core")
    )


def test_adding_a_member_twice_adds_it_once() -> None:
    given(*FOUNDED).when(AddMember(principal="bob", display_name="Bob")).then(BOB)
    given(*FOUNDED, BOB).when(AddMember(principal="bob", display_name="Bob")).then_nothing()


def test_a_member_is_not_added_again_as_somebody_else() -> None:
    given(*FOUNDED, BOB).when(AddMember(principal="bob", display_name="Rob")).then_rejected(
        AlreadyMember, principal="bob"
    )


def test_a_removed_member_is_gone_and_removing_it_again_changes_nothing() -> None:
    given(*FOUNDED, BOB).when(RemoveMember(principal="bob")).then(MemberRemoved(principal="bob"))
    given(*FOUNDED, BOB, MemberRemoved(principal="bob")).when(RemoveMember(principal="bob")).then_nothing()


def test_a_member_that_comes_back_comes_back_without_roles() -> None:
    history = (*FOUNDED, BOB, BOB_APPROVER, MemberRemoved(principal="bob"), BOB)
    assert given(*history).state().roles_of("bob") == frozenset()


def test_the_last_admin_cannot_be_removed() -> None:
    given(*FOUNDED, BOB).when(RemoveMember(principal="ada")).then_rejected(LastAdmin, principal="ada")
    given(*FOUNDED, BOB, BOB_ADMIN).when(RemoveMember(principal="ada")).then(MemberRemoved(principal="ada"))


def test_a_role_is_granted_to_a_member_once() -> None:
    grant = GrantRole(principal="bob", role=Role.APPROVER)
    given(*FOUNDED, BOB).when(grant).then(BOB_APPROVER)
    given(*FOUNDED, BOB, BOB_APPROVER).when(grant).then_nothing()


def test_a_stranger_has_no_roles_and_gets_none() -> None:
    given(*FOUNDED).when(GrantRole(principal="bob", role=Role.ADMIN)).then_rejected(
        MemberUnknown, principal="bob"
    )
    given(*FOUNDED).when(WithdrawRole(principal="bob", role=Role.ADMIN)).then_rejected(MemberUnknown)
    assert given(*FOUNDED).state().roles_of("bob") == frozenset()


def test_the_role_of_an_agent_comes_only_with_its_registration() -> None:
    given(*FOUNDED, BOB).when(GrantRole(principal="bob", role=Role.AGENT)).then_rejected(
        AgentRoleNotGrantable
    )


def test_roles_are_granted_directly_only_while_founding() -> None:
    grant = GrantRole(principal="bob", role=Role.ADMIN)
    given(*FOUNDED, BOB, FoundingLeft()).when(grant).then_rejected(OnlyWhileFounding, role="admin")
    given(*FOUNDED, BOB, BOB_ADMIN, FoundingLeft()).when(grant).then_nothing()


def test_a_role_is_withdrawn_at_any_time_and_once() -> None:
    withdraw = WithdrawRole(principal="bob", role=Role.APPROVER)
    withdrawn = RoleWithdrawn(principal="bob", role=Role.APPROVER)
    given(*FOUNDED, BOB, BOB_APPROVER, FoundingLeft()).when(withdraw).then(withdrawn)
    given(*FOUNDED, BOB, BOB_APPROVER, withdrawn).when(withdraw).then_nothing()


def test_the_last_admin_keeps_the_role() -> None:
    withdraw = WithdrawRole(principal="ada", role=Role.ADMIN)
    given(*FOUNDED, BOB).when(withdraw).then_rejected(LastAdmin, principal="ada")
    given(*FOUNDED, BOB, BOB_ADMIN).when(withdraw).then(RoleWithdrawn(principal="ada", role=Role.ADMIN))


def test_a_members_name_is_sealed_with_its_own_key() -> None:
    (mark,) = BOB.personal()
    assert (mark.pointer, mark.subject) == ("/display_name", "bob")
