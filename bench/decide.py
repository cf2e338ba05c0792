"""A full decision in one process: recall, schema, facts, Cedar, durable append; 64 callers."""

import asyncio
import time
from itertools import cycle

from adapters.clock import SystemClock
from adapters.event_store.postgres import PostgresEventLog
from adapters.keys.master import MasterKey
from api.worker import collect_seldom
from application.desk import Desk
from application.tool_calls.propose import propose
from bench.databases import throw_away
from bench.measure import Row, median_of, quantile, reaching
from bench.world import CALLER, desk_on, next_call, settle_in, start_run, why

CALLERS, ROUNDS, SECONDS = 64, 5, 2.0
RUNS = 16 * CALLERS
"""A run is rarely longer than a few dozen calls, so callers take turns at many."""
AT_LEAST, UNDER_MS = 6_000, 20.0


async def measure() -> list[Row]:
    """Each caller proposes in runs of its own; every decision is on disk before the next."""
    with throw_away() as database:
        clock = SystemClock()
        log = PostgresEventLog(database.url("writer"), database.url("follower"), clock, MasterKey.fresh())
        await log.open()
        desk, handler = await desk_on(log)
        await settle_in(desk, handler)
        for run in range(RUNS):
            await start_run(desk, handler, f"r-{run}")
        await _round(desk, 0.5)
        collect_seldom()  # as the server does
        rounds = [await _round(desk, SECONDS) for _ in range(ROUNDS)]
        await log.close()
    rates = [rate for rate, _ in rounds]
    p99 = median_of([slow for _, slow in rounds])
    row = reaching("decide", rates, "decisions/s", AT_LEAST)
    return [
        Row(
            name=row.name,
            value=row.value,
            unit=row.unit,
            peer=f"p99 {p99:.1f} ms",
            ratio=None,
            bound=f"{row.bound}, p99 < {UNDER_MS:g} ms",
            met=row.met and p99 < UNDER_MS,
            spread=row.spread,
        )
    ]


async def _round(desk: Desk, seconds: float) -> tuple[float, float]:
    until, waits = time.monotonic() + seconds, list[float]()
    context = why(desk)

    async def calling(first: int) -> None:
        own = cycle(f"r-{run}" for run in range(first, RUNS, CALLERS))
        while (started := time.monotonic()) < until:
            await propose(desk, CALLER, next_call(next(own)), context)
            waits.append(time.monotonic() - started)

    started = time.monotonic()
    await asyncio.gather(*map(calling, range(CALLERS)))
    return len(waits) / (time.monotonic() - started), quantile(waits, 0.99) * 1000
