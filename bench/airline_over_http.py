"""The airline's recorded runs over HTTP: a throw-away server, the importer as its client."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Protocol

from api.cli import registering
from api.cli.client import Client
from api.cli.throwaway import throwaway
from api.importing.drive import REFUSED, Imported, Plan, import_runs
from api.importing.files import Format, read
from api.importing.transcript import Transcript
from domain.kernel import Json

AGENT, ADMIN, TENANT = "service-agent", "airline", "airline"

Verdicts = list[tuple[str, Mapping[str, Json], str, tuple[str, ...]]]
"""Of one run, for each call in order: tool, arguments, verdict, and the policies that settled it."""


class Call(Protocol):
    """A recorded call, as the benchmark has it."""

    @property
    def tool(self) -> str:
        """Its tool."""
        ...

    @property
    def arguments(self) -> Mapping[str, Json]:
        """Its arguments."""
        ...


class OverHttp:
    """A judge of one run that repeats what the server has said of its calls."""

    def __init__(self, said: Verdicts) -> None:
        self._said = list(said)

    def propose(self, turn: Call) -> tuple[str, tuple[str, ...]]:
        """The verdict on the first such call that was not asked for yet."""
        asked = turn.tool, turn.arguments
        place = next(place for place, one in enumerate(self._said) if one[:2] == asked)
        return self._said.pop(place)[2:]

    def report(self, turn: Call) -> None:
        """The importer has reported already."""


def judges(example: Path, recorded: Sequence[Path], at: datetime, zone: str) -> list[OverHttp]:
    """A judge for every run of the files, in order. Raises ValueError for a line that cannot be read."""
    return [OverHttp(said) for said in asyncio.run(verdicts(example, recorded, at, zone))]


async def verdicts(example: Path, recorded: Sequence[Path], at: datetime, zone: str) -> list[Verdicts]:
    """What a server on this machine said of every call, run by run."""
    found = [one for path in recorded for one in read(path, Format.TAU)]
    transcripts = [one for one in found if isinstance(one, Transcript)]
    if len(transcripts) < len(found):
        raise ValueError(next(str(one) for one in found if not isinstance(one, Transcript)))
    places = {(one.file, one.index): place for place, one in enumerate(transcripts)}
    judged: dict[int, Verdicts] = {}
    async with (
        throwaway(tenant=TENANT, admin=ADMIN, zone=zone) as place,
        Client(place.address, place.tokens(TENANT, ADMIN), callers=8) as client,
    ):
        await _register(client, example)
        plan = Plan(agent=AGENT, at=at)
        async with aclosing(import_runs(client, transcripts, plan)) as imports:
            async for run in imports:
                judged[places[run.transcript.file, run.transcript.index]] = _verdicts(run)
    return [judged[place] for place in range(len(transcripts))]


async def _register(client: Client, example: Path) -> None:
    tools = registering.read_registrations(example / "tools.json", "name")
    agent = {"agent_id": AGENT, "discipline": "developer", "model": "unknown", "prompt_version": "1"}
    await registering.register_tools(client, tools)
    await registering.register_agents(client, [agent], owner=ADMIN)
    await registering.activate_policies(client, (example / "policies.cedar").read_text(encoding="utf-8"))


def _verdicts(run: Imported) -> Verdicts:
    if run.hindrances:
        raise ValueError(json.dumps(list(run.hindrances)))
    return [
        (
            call.tool,
            call.arguments,
            # What does not come before policy is not done either.
            "deny" if call.verdict == REFUSED else call.verdict,
            tuple(str(one["policy"]) for one in call.reasons),
        )
        for call in run.judged
    ]
