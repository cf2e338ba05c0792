"""Decisions over HTTP: against an empty route, against the library's recorder, and in batches.

64 connections, each an agent's: it keeps to runs of its own. Two workers, everything on the same cores.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench import servers
from bench.measure import Row, against, interleaved, median_of, reaching
from bench.world import next_call
from bench.wrk import CONNECTIONS, Load, Post, load

RUNS, CALLS = 40 * CONNECTIONS, 4
"""A run is rarely longer than a few dozen calls, so connections take turns at many."""
ROUNDS, SECONDS, WARMING = 4, 3, 2
BATCHED, BATCHING = 100, 8
"""Proposals in a batch, and connections that send batches."""
UNDER_MS = 100.0


@dataclass(frozen=True)
class Contender:
    """A way to ask: whom, what, and how many decisions a request brings."""

    address: str
    token: str
    posts: Sequence[Post]
    connections: int = CONNECTIONS
    decisions: int = 1

    async def asked(self, seconds: int) -> Load:
        """One round."""
        checked = self.decisions > 1
        return await load(
            self.address, self.token, self.posts, seconds, connections=self.connections, checked=checked
        )


async def measure() -> list[Row]:
    """Rows `http-*`: every answer but the empty one is a decision that is on disk."""
    async with servers.installation() as place:
        with ExitStack() as stack:
            contenders = await _contenders(place, stack)
            p99s: list[float] = []

            async def rate(name: str) -> float:
                done = await contenders[name].asked(SECONDS)
                if name == "ours":
                    p99s.append(done.p99)
                return done.rate * contenders[name].decisions

            for contender in contenders.values():
                await contender.asked(WARMING)
            asking = {name: lambda name=name: rate(name) for name in contenders}
            measured = await interleaved(ROUNDS, asking)
    return rows(measured["ours"], p99s, measured["empty"], measured["stock"], measured["batch"])


async def _contenders(place: servers.Installation, stack: ExitStack) -> dict[str, Contender]:
    alone, stock, together = (
        [f"{kind}-{run}" for run in range(RUNS)] for kind in ("alone", "stock", "batch")
    )
    await place.start_runs([*alone, *stock, *together])
    address, token = stack.enter_context(servers.magistrate(place)), place.token()
    return {
        "ours": Contender(address, token, proposals(alone)),
        "empty": Contender(stack.enter_context(servers.empty()), token, proposals(alone)),
        "stock": Contender(stack.enter_context(servers.stock(place)), token, proposals(stock)),
        "batch": Contender(address, token, batches(together), BATCHING, BATCHED),
    }


def proposals(runs: Sequence[str]) -> list[Post]:
    """Calls of all runs in turn, the ids of calls left to the server."""
    posts: list[Post] = []
    for run in [*runs] * CALLS:
        call = next_call(run)
        body = {"tool": call.tool, "arguments": call.arguments}
        posts.append(Post(f"/v1/runs/{run}/tool-calls", body))
    return posts


def batches(runs: Sequence[str]) -> list[Post]:
    """The same in batches, each of them of as many runs; a connection's batches are of runs of its own."""
    own = [run for first in range(BATCHING) for run in runs[first::BATCHING]]
    share, batched = len(own) // BATCHING, list[Post]()
    for _ in range(CALLS):
        for start in range(0, share - BATCHED + 1, BATCHED):
            for connection in range(BATCHING):
                some = own[connection * share + start :][:BATCHED]
                calls = [next_call(run) for run in some]
                asked = [{"run_id": it.run_id, "tool": it.tool, "arguments": it.arguments} for it in calls]
                batched.append(Post("/v1/tool-calls:batch", {"proposals": asked}))
    return batched


def rows(
    ours: Sequence[float],
    p99s: Sequence[float],
    empty: Sequence[float],
    stock: Sequence[float],
    batch: Sequence[float],
) -> list[Row]:
    """The verdicts on these rounds, in decisions a second; `p99s` of ours, in milliseconds."""
    p99 = median_of(p99s)
    versus = against("http-vs-empty", ours, empty, "empty FastAPI POST", "decisions/s", 0.5)
    slow = f"{versus.bound}, p99 < {UNDER_MS:g} ms"
    return [
        replace(
            versus, peer=f"{versus.peer}; our p99 {p99:.1f} ms", bound=slow, met=versus.met and p99 < UNDER_MS
        ),
        reaching("http-decision", ours, "decisions/s", 3_500),
        against("http-vs-stock", ours, stock, "eventsourcing's recorder", "decisions/s", 4),
        reaching("http-batch", batch, "decisions/s", 8_000),
    ]
