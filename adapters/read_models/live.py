"""The live generation of a read model as a follower: what readers see."""

from collections.abc import Sequence
from typing import LiteralString

from adapters.followers.handler import Session
from adapters.read_models.tables import Generation, Place
from application.ports import Recorded
from projections.changes import ReadModel

_PLACE: LiteralString = (
    "SELECT p.generation, p.version, p.position, p.folded, p.hash"
    " FROM read_models.live l JOIN read_models.follower_positions p"
    " ON p.name = l.model AND p.generation = l.generation WHERE l.model = %s"
)
_PLACE_HELD: LiteralString = _PLACE + " FOR UPDATE OF p"


class RebuildNeeded(Exception):
    """The tables were filled by another version of the model: run `magistrate rebuild` with its name."""

    def __init__(self, model: str) -> None:
        super().__init__(f"{self.__doc__} ({model})")


class LiveModel:
    """The Handler of a read model."""

    def __init__(self, model: ReadModel) -> None:
        self._model = model
        self._generation: Generation | None = None

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def follows(self) -> Sequence[str]:
        return self._model.follows

    async def resume(self, session: Session) -> int:
        """Raises RebuildNeeded when another version of the model got this far."""
        place = await live_place(session, self._model.name)
        if place.position and place.version != self._model.version:
            raise RebuildNeeded(self._model.name)
        self._generation = Generation(self._model, place)
        return place.position

    async def take(self, session: Session, batch: Sequence[Recorded], upto: int) -> None:
        assert self._generation is not None, "resume comes first"
        await self._generation.take(session, batch, upto)


async def live_place(session: Session, model: str, *, hold: bool = False) -> Place:
    """Where the live generation stands; with `hold`, it stays there until this transaction ends."""
    found = await session.execute(_PLACE_HELD if hold else _PLACE, [model])
    row = await found.fetchone()
    assert row is not None, "migrations name the models"
    return Place(*row)
