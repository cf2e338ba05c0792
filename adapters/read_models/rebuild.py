"""Builds a read model anew from the first event of the log, beside the one that is read, and switches."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import psycopg

from adapters.followers.handler import Session
from adapters.read_models.live import live_place
from adapters.read_models.tables import Generation, Place
from application.ports import EventLog
from projections.changes import ReadModel

BATCH = 1_000
DISCARD_TRIES, DISCARD_PAUSE = 10, 0.5

Progress = Callable[[int, int], None]
"""Called with the position that was reached, and the one to reach."""


class RebuildRunning(Exception):
    """This read model is being rebuilt already."""


class RebuildDiffers(Exception):
    """The log amounts to something else than what is read now, which was left as it is.

    Accept the difference to read what the log amounts to.
    """

    def __init__(self, live: Place, rebuilt: Place) -> None:
        super().__init__(
            f"{live.folded} events with hash {live.hash.hex()} are read now,"
            f" the log has {rebuilt.folded} with hash {rebuilt.hash.hex()}"
        )


@dataclass(frozen=True)
class Rebuilt:
    """A finished rebuild; it `differed` if that was accepted, or a new version makes something else of it."""

    model: str
    generation: int
    position: int
    events: int
    differed: bool


async def rebuild(
    url: str,
    log: EventLog,
    model: ReadModel,
    *,
    progress: Progress = lambda _at, _to: None,
    accept_difference: bool = False,
) -> Rebuilt:
    """Readers never wait; cancelled or killed it leaves what is read untouched, and can be started again.

    `url` is the follower role's. Raises RebuildRunning and RebuildDiffers.
    """
    session = await psycopg.AsyncConnection.connect(
        url, autocommit=True, application_name=f"magistrate rebuild {model.name}"
    )
    async with session:
        await _be_the_only_one(session, model)
        prepared = await session.execute("SELECT read_models.prepare(%s)", [model.name])
        row = await prepared.fetchone()
        assert row is not None
        fresh = Generation(model, Place(generation=row[0], version=0, position=0, folded=0, hash=bytes(32)))
        await _catch_up(session, log, model, fresh, progress)
        rebuilt = await _switch(session, log, model, fresh, accept_difference=accept_difference)
        await _discard(session, model)
        return rebuilt


async def _be_the_only_one(session: Session, model: ReadModel) -> None:
    key = int.from_bytes(sha256(f"rebuild {model.name}".encode()).digest()[:8], signed=True)
    tried = await session.execute("SELECT pg_try_advisory_lock(%s)", [key])
    if await tried.fetchone() != (True,):
        raise RebuildRunning(model.name)


async def _catch_up(
    session: Session, log: EventLog, model: ReadModel, fresh: Generation, progress: Progress
) -> None:
    """Up to where the live generation stands; it moves on meanwhile, by less each time."""
    while (live := await live_place(session, model.name)).position > fresh.place.position:
        while fresh.place.position < live.position:
            async with session.transaction():
                await _one_batch(session, log, model, fresh, live.position)
            progress(fresh.place.position, live.position)


async def _one_batch(
    session: Session, log: EventLog, model: ReadModel, fresh: Generation, target: int
) -> None:
    batch = await log.read(fresh.place.position, BATCH, names=model.follows)
    wanted = [recorded for recorded in batch if recorded.position <= target]
    more = len(wanted) == BATCH
    await fresh.take(session, wanted, wanted[-1].position if more else target)


async def _switch(
    session: Session, log: EventLog, model: ReadModel, fresh: Generation, *, accept_difference: bool
) -> Rebuilt:
    """The live follower is held for the last few events, so that both stand at the same position."""
    async with session.transaction():
        live = await live_place(session, model.name, hold=True)
        while fresh.place.position < live.position:
            await _one_batch(session, log, model, fresh, live.position)
        rebuilt = fresh.place
        # A new version makes other rows of the same events: then only their number can be compared.
        same_version = live.version == rebuilt.version
        agrees = rebuilt.hash == live.hash if same_version else rebuilt.folded == live.folded
        if same_version and not agrees and not accept_difference:
            raise RebuildDiffers(live, rebuilt)
        await session.execute(
            "UPDATE read_models.live SET generation = %s WHERE model = %s", [rebuilt.generation, model.name]
        )
        # The live follower finds its row gone and goes on with the new generation.
        await session.execute(
            "DELETE FROM read_models.follower_positions WHERE name = %s AND generation = %s",
            [model.name, live.generation],
        )
    return Rebuilt(model.name, rebuilt.generation, rebuilt.position, rebuilt.folded, differed=not agrees)


async def _discard(session: Session, model: ReadModel) -> None:
    """Drop the old tables once nobody reads them; if somebody does for long, the next rebuild drops them."""
    await session.execute("SET lock_timeout = '1s'")
    for _ in range(DISCARD_TRIES):
        try:
            await session.execute("SELECT read_models.discard(%s)", [model.name])
        except psycopg.errors.LockNotAvailable:
            await asyncio.sleep(DISCARD_PAUSE)
        else:
            return
