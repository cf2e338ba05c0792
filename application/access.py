"""Who may do what: the one table of roles and deeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from domain.kernel import Json, Rejected, Role


class Deed(StrEnum):
    """What a principal may be entitled to."""

    DRIVE_RUNS = "start and drive its own runs"
    STOP_THINGS = "pause and cancel any run, suspend agents and tools"
    SETTLE_APPROVALS = "grant and reject approvals"
    PROPOSE_CHANGES = "propose changes"
    APPROVE_CHANGES = "approve changes"
    MANAGE_TENANT = "manage tenants, members, agents, tools and policies"
    READ_OWN_RUNS = "read its own runs"
    READ_EVERYTHING = "read everything of the tenant"


ENTITLED: Mapping[Deed, frozenset[Role]] = {
    Deed.DRIVE_RUNS: frozenset({Role.OPERATOR, Role.AGENT}),
    Deed.STOP_THINGS: frozenset({Role.ADMIN, Role.OPERATOR}),
    Deed.SETTLE_APPROVALS: frozenset({Role.APPROVER}),
    Deed.PROPOSE_CHANGES: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.AGENT}),
    Deed.APPROVE_CHANGES: frozenset({Role.ADMIN, Role.APPROVER}),
    Deed.MANAGE_TENANT: frozenset({Role.ADMIN}),
    Deed.READ_OWN_RUNS: frozenset(Role),
    Deed.READ_EVERYTHING: frozenset({Role.ADMIN, Role.AUDITOR}),
}


class Forbidden(Rejected):
    """Your roles do not entitle you to this."""

    kind = "forbidden"


@dataclass(frozen=True)
class Caller:
    """A principal as its token and the tenant's registry say, at the moment of the request."""

    tenant: str
    principal: str
    roles: frozenset[Role]
    claims: Mapping[str, Json] = field(default_factory=dict[str, Json])
    on_behalf_of: str | None = None

    def under(self, granted: frozenset[Role]) -> "Caller":
        """The same caller once the tenant grants it these roles; a token's narrower choice stays."""
        return self if self.roles <= granted else replace(self, roles=self.roles & granted)

    def may(self, deed: Deed) -> bool:
        """Whether any of its roles entitles it."""
        return not ENTITLED[deed].isdisjoint(self.roles)

    def must(self, deed: Deed) -> None:
        """Raises Forbidden with the roles that would do."""
        if not self.may(deed):
            raise Forbidden(
                to=deed.value,
                needs=sorted(role.value for role in ENTITLED[deed]),
                yours=sorted(role.value for role in self.roles),
            )
