"""Decisions over HTTP: against an empty route, against the library's recorder, and in batches.

64 connections, each an agent's, which makes some dozen calls in one run and goes on to the next; no run is
met in two rounds. Two workers, and everything on the same cores.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from bench import servers
from bench.measure import Row, against, interleaved, median_of, reaching
from bench.world import next_call
from bench.wrk import CONNECTIONS, Load, Post, load

ROUNDS, SECONDS, WARMING = 4, 3, 2
CALLS = 24
"""Of a run, before its connection goes on to the next."""
RUNS, SLOW_RUNS = 12, 3
"""Of a connection in a round: no fewer than it has time for."""
BATCHED, BATCHING = 100, 8
"""Proposals in a batch, each of another run, and connections that send batches."""
UNDER_MS = 100.0

Round = Sequence[Sequence[Post]]
"""What each connection asks."""


@dataclass(frozen=True)
class Contender:
    """A way to ask: whom, what in each round (the first one warms up), how many decisions at once."""

    address: str
    rounds: Sequence[Round]
    decisions: int = 1

    async def asked(self, token: str, number: int, seconds: int) -> Load:
        """One round."""
        posts = self.rounds[number % len(self.rounds)]
        return await load(self.address, token, posts, seconds, checked=self.decisions > 1)


async def measure() -> list[Row]:
    """Rows `http-*`: every answer but the empty one is a decision that is on disk."""
    loads: dict[str, list[Load]] = {}
    async with servers.installation() as place:
        with ExitStack() as stack:
            contenders, token = await contending(place, stack), place.token()
            for contender in contenders.values():
                await contender.asked(token, 0, WARMING)

            async def rate(name: str) -> float:
                done = loads.setdefault(name, [])
                done.append(await contenders[name].asked(token, len(done) + 1, SECONDS))
                return done[-1].rate * contenders[name].decisions

            measured = await interleaved(ROUNDS, {name: partial(rate, name) for name in contenders})
    return rows(p99=median_of([one.p99 for one in loads["ours"]]), **measured)


async def contending(place: servers.Installation, stack: ExitStack) -> dict[str, Contender]:
    """The servers, with the runs that will be asked about."""
    started: list[str] = []

    def rounds(kind: str, made: Callable[[Sequence[str]], Round], runs: int) -> list[Round]:
        numbered = [[f"{kind}-{number}-{run}" for run in range(runs)] for number in range(ROUNDS + 1)]
        started.extend(run for names in numbered for run in names)
        return [made(names) for names in numbered]

    ours = rounds("ours", alone, RUNS * CONNECTIONS)
    stock = rounds("stock", alone, SLOW_RUNS * CONNECTIONS)
    batch = rounds("batch", together, BATCHED * BATCHING)
    await place.start_runs(started)
    address = stack.enter_context(servers.magistrate(place))
    return {
        "ours": Contender(address, ours),
        "empty": Contender(stack.enter_context(servers.empty()), ours),
        "stock": Contender(stack.enter_context(servers.stock(place)), stock),
        "batch": Contender(address, batch, BATCHED),
    }


def alone(runs: Sequence[str]) -> Round:
    """Calls one by one, run after run; their ids are left to the server."""
    return [
        [_post(run) for run in runs[first::CONNECTIONS] for _ in range(CALLS)] for first in range(CONNECTIONS)
    ]


def together(runs: Sequence[str]) -> Round:
    """Calls in batches, a connection's always of the same runs."""
    own = [runs[first * BATCHED :][:BATCHED] for first in range(BATCHING)]
    return [[_batch(some) for _ in range(CALLS)] for some in own]


def _post(run: str) -> Post:
    call = next_call(run)
    return Post(f"/v1/runs/{run}/tool-calls", {"tool": call.tool, "arguments": call.arguments})


def _batch(runs: Sequence[str]) -> Post:
    calls = [next_call(run) for run in runs]
    asked = [{"run_id": it.run_id, "tool": it.tool, "arguments": it.arguments} for it in calls]
    return Post("/v1/tool-calls:batch", {"proposals": asked})


def rows(
    *,
    ours: Sequence[float],
    p99: float,
    empty: Sequence[float],
    stock: Sequence[float],
    batch: Sequence[float],
) -> list[Row]:
    """The verdicts on these rounds, in decisions a second; `p99` of ours, in milliseconds."""
    unit = "decisions/s"
    versus = against("http-vs-empty", ours, empty, "empty FastAPI POST", unit, 0.5)
    return [
        replace(
            versus,
            peer=f"{versus.peer}; our p99 {p99:.1f} ms",
            bound=f"{versus.bound}, p99 < {UNDER_MS:g} ms",
            met=versus.met and p99 < UNDER_MS,
        ),
        reaching("http-decision", ours, unit, 3_500),
        against("http-vs-stock", ours, stock, "eventsourcing's recorder", unit, 4),
        reaching("http-batch", batch, unit, 8_000),
    ]
