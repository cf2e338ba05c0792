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


def collect_seldom() -> None:
    """Spares a process that has started the pauses, of 100 ms each, of looking through all it holds.

    What is there by now stays, and events that pass through are freed without the collector's help.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def working(log: EventLog, follower_url: str, clock: Clock) -> AsyncGenerator[Sequence[Follower]]:
    """Inside, the followers run; what each is at can be read from its `standing`."""
    collect_seldom()
    team = followers(log, follower_url, clock)
    running = [asyncio.create_task(follower.run()) for follower in team]
    try:
        yield team
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
