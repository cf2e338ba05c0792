"""Why a run says no."""

from domain.kernel import NotFound, Rejected


class RunUnknown(NotFound):
    """There is no such run in this tenant."""


class RunExists(Rejected):
    """A run of this id was started before, with other particulars."""


class RunEnded(Rejected):
    """The run has ended; nothing more happens in it. Start a new one."""


class RunIsPaused(Rejected):
    """The run is paused. It goes on once somebody resumes it."""


class CallIdReused(Rejected):
    """This call id was decided before for another action. Use a new call id for a new action."""


class CallUnknown(NotFound):
    """There is no such call in this run."""


class CallNotAllowed(Rejected):
    """The call was not allowed, so it has no dispatch and no outcome."""


class CallNotAsked(Rejected):
    """The call does not wait for an approval, so there is nothing to release."""


class AllowanceExpired(Rejected):
    """The call was allowed but not dispatched in time. Propose it again under a new call id."""

    kind = "expired"


class OutcomeRecorded(Rejected):
    """Another outcome was recorded for this call before, and history is not changed."""


class OutcomeNotKnown(Rejected):
    """The same action was sent before and nobody knows what became of it. Find out, then try again."""


class ModelCallIdReused(Rejected):
    """This model call id was recorded before with other figures."""
