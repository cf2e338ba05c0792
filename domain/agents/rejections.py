"""Why an agent's registration says no."""

from domain.kernel import NotFound, Rejected


class AgentUnknown(NotFound):
    """There is no such agent in this tenant."""


class AgentExists(Rejected):
    """An agent of this id is registered with other particulars. Update it instead."""


class AgentIsRetired(Rejected):
    """The agent was retired, and a retired agent does not come back. Register a new one."""
