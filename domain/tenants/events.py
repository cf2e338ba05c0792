"""What can happen to a tenant."""

from collections.abc import Iterable
from typing import TypeAlias

from domain.kernel import Event, Id, Name, Personal, Role, Text


class TenantFounded(Event):
    name: Text
    zone: str
    founder: Id


class FoundingLeft(Event):
    pass


class TeamCreated(Event):
    team: Name


class MemberAdded(Event):
    principal: Id
    display_name: str
    team: Name | None

    def personal(self) -> Iterable[Personal]:
        return (Personal("/display_name", self.principal),)


class MemberRemoved(Event):
    principal: Id


class RoleGranted(Event):
    principal: Id
    role: Role


class RoleWithdrawn(Event):
    principal: Id
    role: Role


TenantEvent: TypeAlias = (
    TenantFounded | FoundingLeft | TeamCreated | MemberAdded | MemberRemoved | RoleGranted | RoleWithdrawn
)
