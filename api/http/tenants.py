"""Tenants: founding them, and what a tenant's admin does with teams, members and roles."""

from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends
from pydantic import field_validator
from starlette.responses import Response

from api.bootstrap import PLATFORM, tenant_stream
from api.http.bodies import Body, body_of, no_body
from api.http.commands import Answering, Asking, Asks, told
from api.http.describing import Fact, IdInPath, Told, describes
from application.access import Caller, Deed, Forbidden
from application.handle import Handled
from application.ports import IdempotencyKey
from domain.kernel import Id, Json, Name, Role, Text
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
from domain.tenants.rejections import TenantUnknown
from domain.tenants.tenant import Tenant, tenants

router = APIRouter(tags=["tenants"])


class Founder(Body):
    """The first member and first admin."""

    principal: Id
    display_name: Text


class Founding(Body):
    """A new tenant; `zone` is the time zone its policies reckon in."""

    id: Id
    name: Text
    zone: str = "UTC"
    founder: Founder

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("Expected the name of an IANA time zone, as in Europe/Vienna")
        return zone


class Team(Body):
    team: Name


class Joining(Body):
    principal: Id
    display_name: Text
    team: Name | None = None


class MemberTold(Told):
    """A member; names of people are not told here."""

    principal: str
    team: str | None
    roles: list[str]


class TenantTold(Fact):
    """A tenant with its teams, members and their roles."""

    id: str
    name: str
    zone: str
    founding: bool
    teams: list[str]
    members: list[MemberTold]


@router.post("/v1/tenants", **describes(TenantTold, takes=Founding, creates=True))
async def found(asks: Asks, body: Annotated[Founding, Depends(body_of(Founding))]) -> Response:
    """Founds a tenant; for admins of the platform."""
    command = FoundTenant(
        name=body.name,
        zone=body.zone,
        founder=body.founder.principal,
        founder_name=body.founder.display_name,
    )

    async def act(caller: Caller, key: IdempotencyKey | None, answer: Answering[Tenant]) -> Handled[Tenant]:
        if caller.tenant != PLATFORM:
            raise Forbidden(to="found tenants", tenant=caller.tenant)
        caller.must(Deed.MANAGE_TENANT)
        return await asks.app.handler.handle(
            tenants, tenant_stream(body.id), command, asks.context, key=key, answer=answer
        )

    return await asks.command(
        act, lambda handled: _told(body.id, handled.state), creates=True, tenant=body.id
    )


@router.get("/v1/tenant", **describes(TenantTold, asks=True))
async def show(asks: Asks) -> Response:
    """Your tenant as it stands now."""
    tenant_id = asks.claims.tenant
    known = await asks.app.desk.log.recall(tenants, tenant_stream(tenant_id), fresh=True)

    def look(caller: Caller) -> Tenant:
        if not caller.may(Deed.READ_EVERYTHING):
            caller.must(Deed.STOP_THINGS)
        if known.state is None:
            raise TenantUnknown
        return known.state

    return told(_told(tenant_id, await asks.look(look)), position=known.position, version=known.version)


@router.post(
    "/v1/tenant/leave-founding",
    dependencies=[Depends(no_body)],
    **describes(TenantTold, if_match=False),
)
async def leave_founding(asks: Asks) -> Response:
    """From here on roles and rules change only through proposed changes. There is no way back."""
    return await _commanded(asks, LeaveFounding())


@router.post("/v1/tenant/teams", **describes(TenantTold, takes=Team, if_match=False, creates=True))
async def create_team(asks: Asks, body: Annotated[Team, Depends(body_of(Team))]) -> Response:
    """Makes a team."""
    return await _commanded(asks, CreateTeam(team=body.team), creates=True)


@router.post("/v1/tenant/members", **describes(TenantTold, takes=Joining, if_match=False, creates=True))
async def add_member(asks: Asks, body: Annotated[Joining, Depends(body_of(Joining))]) -> Response:
    """Adds a person or a service, which has no role yet."""
    command = AddMember(principal=body.principal, display_name=body.display_name, team=body.team)
    return await _commanded(asks, command, creates=True)


@router.delete("/v1/tenant/members/{principal}", **describes(TenantTold, if_match=False))
async def remove_member(asks: Asks, principal: IdInPath) -> Response:
    """Removes a member with all its roles."""
    return await _commanded(asks, RemoveMember(principal=principal))


@router.put(
    "/v1/tenant/members/{principal}/roles/{role}",
    dependencies=[Depends(no_body)],
    **describes(TenantTold, if_match=False),
)
async def grant_role(asks: Asks, principal: IdInPath, role: Role) -> Response:
    """Grants a role; directly only while the tenant is founding."""
    return await _commanded(asks, GrantRole(principal=principal, role=role))


@router.delete("/v1/tenant/members/{principal}/roles/{role}", **describes(TenantTold, if_match=False))
async def withdraw_role(asks: Asks, principal: IdInPath, role: Role) -> Response:
    """Takes a role away."""
    return await _commanded(asks, WithdrawRole(principal=principal, role=role))


async def _commanded(asks: Asking, command: TenantCommand, *, creates: bool = False) -> Response:
    tenant_id = asks.claims.tenant
    return await asks.carry_out(
        Deed.MANAGE_TENANT,
        tenants,
        tenant_id,
        command,
        lambda handled: _told(tenant_id, handled.state),
        if_version=asks.if_match,
        creates=creates,
    )


def _told(tenant_id: str, tenant: Tenant) -> Mapping[str, Json]:
    members: list[dict[str, Any]] = [
        {"principal": who, "team": member.team, "roles": sorted(role.value for role in member.roles)}
        for who, member in sorted(tenant.members.items())
    ]
    return {
        "id": tenant_id,
        "name": tenant.name,
        "zone": tenant.zone,
        "founding": tenant.founding,
        "teams": sorted(tenant.teams),
        "members": members,
    }
