"""Starting runs over HTTP, by the service's two processes; each is on disk before its answer."""

from bench import servers
from bench.measure import Row, interleaved, reaching
from bench.world import AGENT
from bench.wrk import CONNECTIONS, Post, load

ROUNDS, SECONDS, WARMING = 4, 3, 1
AT_LEAST = 1_000


async def measure() -> list[Row]:
    """Row `run-start`."""
    async with servers.installation() as place:
        with servers.magistrate(place) as address:
            token, posts = place.token(), starts()

            async def rate(seconds: int = SECONDS) -> float:
                return (await load(address, token, posts, seconds)).rate

            await rate(WARMING)
            measured = await interleaved(ROUNDS, {"ours": rate})
    return [reaching("run-start", measured["ours"], "runs/s", AT_LEAST)]


def starts() -> list[list[Post]]:
    """Runs of the clerk; their ids are left to the server."""
    return [
        [Post("/v1/runs", {"agent_id": AGENT, "purpose": f"Answer customer {number}"})]
        for number in range(CONNECTIONS)
    ]
