"""What a follower hands the log to."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from psycopg import AsyncConnection

from application.ports import Recorded

Session: TypeAlias = AsyncConnection[Any]
"""A connection of the follower role."""


class FollowerMoved(Exception):
    """Somebody else has moved this follower's position: read it again and go on from there."""


class Handler(Protocol):
    """Makes something of recorded events, and keeps its own position in the transaction of its effect."""

    @property
    def name(self) -> str:
        """The follower's name; one process at a time follows under a name."""
        ...

    @property
    def follows(self) -> Sequence[str]:
        """The names of the events it wants; none means all."""
        ...

    async def resume(self, session: Session) -> int:
        """The position it has got to."""
        ...

    async def take(self, session: Session, batch: Sequence[Recorded], upto: int) -> None:
        """Take the next events, inside a transaction; afterwards its position is `upto`.

        The batch may be empty: then nothing up to that position concerns it. Raises FollowerMoved.
        """
        ...
