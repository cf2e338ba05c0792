"""The followers of a deployment, and which read models there are."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

from adapters.followers.follower import Follower
from adapters.read_models.live import LiveModel
from application.ports import Clock, EventLog
from projections.approvals import approvals
from projections.changes import ReadModel
from projections.decisions import decisions
from projections.runs import runs

READ_MODELS: Mapping[str, ReadModel] = MappingProxyType(
    {model.name: model for model in (runs, decisions, approvals)}
)
"""By name, as `magistrate rebuild` takes them."""


def followers(log: EventLog, follower_url: str, clock: Clock) -> Sequence[Follower]:
    """One for each read model; `follower_url` is the follower role's."""
    return [Follower(LiveModel(model), log, follower_url, clock) for model in READ_MODELS.values()]


@asynccontextmanager
async def working(log: EventLog, follower_url: str, clock: Clock) -> AsyncGenerator[Sequence[Follower]]:
    """Inside, the followers run; what each is at can be read from its `standing`."""
    # What is there by now stays: looking through it again and again would cost pauses of 100 ms.
    gc.collect()
    gc.freeze()
    team = followers(log, follower_url, clock)
    running = [asyncio.create_task(follower.run()) for follower in team]
    try:
        yield team
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
