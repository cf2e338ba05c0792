"""A tenant knows its members, their roles and its teams."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never
from zoneinfo import ZoneInfo

from immutables import Map

from domain.kernel import Decider, Role
from domain.tables import Table
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
from domain.tenants.events import (
    FoundingLeft,
    MemberAdded,
    MemberRemoved,
    RoleGranted,
    RoleWithdrawn,
    TeamCreated,
    TenantEvent,
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


@dataclass(frozen=True)
class Member:
    """A person or service that belongs to the tenant."""

    display_name: str
    team: str | None
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True)
class Tenant:
    """What a tenant's history adds up to. `founding` ends once, by an event."""

    name: str
    zone: str
    founder: str
    founding: bool = True
    teams: frozenset[str] = frozenset()
    members: Table[str, Member] = Map()

    def roles_of(self, principal: str) -> frozenset[Role]:
        """The roles a principal holds; none for a stranger."""
        member = self.members.get(principal)
        return member.roles if member else frozenset()

    @property
    def admins(self) -> frozenset[str]:
        """The principals that hold the admin role."""
        return frozenset(p for p, m in self.members.items() if Role.ADMIN in m.roles)


def decide(command: TenantCommand, tenant: Tenant | None) -> Sequence[TenantEvent]:
    """The tenant's answer to a command: events, nothing, or a refusal."""
    if isinstance(command, FoundTenant):
        return found(command, tenant)
    if tenant is None:
        raise TenantUnknown
    match command:
        case LeaveFounding():
            return [FoundingLeft()] if tenant.founding else []
        case CreateTeam():
            return [] if command.team in tenant.teams else [TeamCreated(team=command.team)]
        case AddMember():
            return add_member(command, tenant)
        case RemoveMember():
            return remove_member(command, tenant)
        case GrantRole():
            return grant_role(command, tenant)
        case WithdrawRole():
            return withdraw_role(command, tenant)
        case _:
            assert_never(command)


def found(command: FoundTenant, tenant: Tenant | None) -> Sequence[TenantEvent]:
    """The founder is the first member and the first admin."""
    if tenant is not None:
        if (tenant.name, tenant.zone, tenant.founder) == (command.name, command.zone, command.founder):
            return []
        raise TenantExists
    _must_be_a_zone(command.zone)
    return [
        TenantFounded(name=command.name, zone=command.zone, founder=command.founder),
        MemberAdded(principal=command.founder, display_name=command.founder_name, team=None),
        RoleGranted(principal=command.founder, role=Role.ADMIN),
    ]


def add_member(command: AddMember, tenant: Tenant) -> Sequence[TenantEvent]:
    """Adding the same member with the same particulars again changes nothing."""
    if command.team is not None and command.team not in tenant.teams:
        raise TeamUnknown(team=command.team)
    known = tenant.members.get(command.principal)
    if known is None:
        return [
            MemberAdded(principal=command.principal, display_name=command.display_name, team=command.team)
        ]
    if (known.display_name, known.team) == (command.display_name, command.team):
        return []
    raise AlreadyMember(principal=command.principal)


def remove_member(command: RemoveMember, tenant: Tenant) -> Sequence[TenantEvent]:
    """The last admin cannot be removed."""
    if command.principal not in tenant.members:
        return []
    if tenant.admins == frozenset({command.principal}):
        raise LastAdmin(principal=command.principal)
    return [MemberRemoved(principal=command.principal)]


def grant_role(command: GrantRole, tenant: Tenant) -> Sequence[TenantEvent]:
    """Directly only while founding; later a change grants it."""
    if command.role is Role.AGENT:
        raise AgentRoleNotGrantable
    member = _member(command.principal, tenant)
    if command.role in member.roles:
        return []
    if not tenant.founding:
        raise OnlyWhileFounding(role=command.role.value)
    return [RoleGranted(principal=command.principal, role=command.role)]


def withdraw_role(command: WithdrawRole, tenant: Tenant) -> Sequence[TenantEvent]:
    """Taking a role away is always possible, except from the last admin."""
    if command.role not in _member(command.principal, tenant).roles:
        return []
    if command.role is Role.ADMIN and tenant.admins == frozenset({command.principal}):
        raise LastAdmin(principal=command.principal)
    return [RoleWithdrawn(principal=command.principal, role=command.role)]


def evolve(tenant: Tenant | None, event: TenantEvent) -> Tenant:
    """What is true of the tenant after one more event."""
    if isinstance(event, TenantFounded):
        return Tenant(name=event.name, zone=event.zone, founder=event.founder)
    assert tenant is not None, "a tenant's first event founds it"
    match event:
        case FoundingLeft():
            return replace(tenant, founding=False)
        case TeamCreated():
            return replace(tenant, teams=tenant.teams | {event.team})
        case MemberAdded():
            member = Member(display_name=event.display_name, team=event.team)
            return replace(tenant, members=tenant.members.set(event.principal, member))
        case MemberRemoved():
            return replace(tenant, members=tenant.members.delete(event.principal))
        case RoleGranted():
            return _with_roles(tenant, event.principal, tenant.roles_of(event.principal) | {event.role})
        case RoleWithdrawn():
            return _with_roles(tenant, event.principal, tenant.roles_of(event.principal) - {event.role})
        case _:
            assert_never(event)


def _must_be_a_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ValueError, KeyError, OSError):
        raise ZoneUnknown(zone=zone) from None


def _member(principal: str, tenant: Tenant) -> Member:
    member = tenant.members.get(principal)
    if member is None:
        raise MemberUnknown(principal=principal)
    return member


def _with_roles(tenant: Tenant, principal: str, roles: frozenset[Role]) -> Tenant:
    member = replace(tenant.members[principal], roles=roles)
    return replace(tenant, members=tenant.members.set(principal, member))


tenants = Decider(category="tenant", decide=decide, evolve=evolve, state=Tenant)
