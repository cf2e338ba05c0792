"""Why an approval says no."""

from domain.kernel import NotFound, Rejected


class ApprovalUnknown(NotFound):
    """There is no such approval in this tenant."""


class ApprovalNotWaiting(Rejected):
    """The approval was settled already."""


class ApprovalNotGranted(Rejected):
    """The approval has not been granted, so the call cannot be released."""


class ApprovalIsExpired(Rejected):
    """The approval's deadline has passed. Propose the call under a new id to open another."""

    kind = "expired"


class ApprovalIsStale(Rejected):
    """The law no longer asks for this approval. Propose the call under a new id to have it decided anew."""


class FourEyes(Rejected):
    """Nobody approves an action that they or their own agent asked for."""

    kind = "forbidden"


class WrongRole(Rejected):
    """This approval waits for other roles than yours."""

    kind = "forbidden"


class NotWhatWasShown(Rejected):
    """The action you were shown is not the one that waits. Look at it again before you decide."""
