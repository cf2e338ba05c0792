"""Why a tenant says no."""

from domain.kernel import NotFound, Rejected


class TenantUnknown(NotFound):
    """There is no such tenant."""


class TenantExists(Rejected):
    """A tenant of this id was founded before, with other particulars."""


class ZoneUnknown(Rejected):
    """There is no such time zone. Use a name of the IANA database, such as `Europe/Berlin`."""

    kind = "invalid"


class MemberUnknown(NotFound):
    """No such principal is a member of this tenant."""


class TeamUnknown(NotFound):
    """There is no such team in this tenant."""


class AlreadyMember(Rejected):
    """This principal is a member already, with other particulars."""


class LastAdmin(Rejected):
    """A tenant keeps at least one admin. Grant the role to somebody else first."""


class AgentRoleNotGrantable(Rejected):
    """The role `agent` comes with an agent's registration and is not granted to people."""

    kind = "invalid"


class OnlyWhileFounding(Rejected):
    """This tenant has left founding mode: roles and rules change only through a proposed change."""

    kind = "forbidden"
