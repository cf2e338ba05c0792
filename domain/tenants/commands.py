"""What can be asked of a tenant."""

from typing import TypeAlias

from domain.kernel import Command, Id, Name, Role, Text


class FoundTenant(Command):
    name: Text
    zone: str
    founder: Id
    founder_name: Text


class LeaveFounding(Command):
    pass


class CreateTeam(Command):
    team: Name


class AddMember(Command):
    principal: Id
    display_name: Text
    team: Name | None = None


class RemoveMember(Command):
    principal: Id


class GrantRole(Command):
    principal: Id
    role: Role


class WithdrawRole(Command):
    principal: Id
    role: Role


TenantCommand: TypeAlias = (
    FoundTenant | LeaveFounding | CreateTeam | AddMember | RemoveMember | GrantRole | WithdrawRole
)
