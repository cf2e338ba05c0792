"""Why a tenant's policy sets say no."""

from domain.kernel import NotFound


class PolicySetUnknown(NotFound):
    """There is no policy set of this digest in this tenant."""
