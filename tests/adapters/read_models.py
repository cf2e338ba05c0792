"""What the tests of followers and read models share."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg.rows import dict_row

from adapters.followers.handler import Session
from adapters.read_models.live import LiveModel
from domain.record import Recorded
from projections.changes import ReadModel
from tests.postgres import Database


@asynccontextmanager
async def session(database: Database, role: str) -> AsyncGenerator[Session]:
    async with await psycopg.AsyncConnection.connect(database.url(role), autocommit=True) as opened:
        yield opened


async def fill(
    database: Database, model: ReadModel, recorded: Sequence[Recorded], *, batch: int = 500
) -> None:
    """Bring a live model up to the end of a history, as a follower does."""
    handler = LiveModel(model)
    async with session(database, "follower") as opened:
        position = await handler.resume(opened)
        news = [one for one in recorded if one.position > position]
        for start in range(0, len(news), batch):
            part = news[start : start + batch]
            followed = [one for one in part if one.name in model.follows]
            async with opened.transaction():
                await handler.take(opened, followed, part[-1].position)


def everything(database: Database, query: str) -> list[dict[str, object]]:
    """Asked as the superuser, whom row-level security does not bind."""
    with psycopg.connect(database.owner_url, autocommit=True) as asked:
        return asked.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Poll until it is true."""
    async with asyncio.timeout(seconds):
        while not await true():  # what is waited for is in another process
            await asyncio.sleep(0.01)
