"""Driving recorded runs through the API: each call is proposed, and reported with its output if allowed."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from api.cli.client import Client, Refused
from api.importing.transcript import ModelUsed, Proposed, Returned, Transcript
from domain.kernel import Json

REFUSED = "refused"
"""What stands for a verdict where the call never came before policy: no such tool, wrong arguments."""

OUTPUT_BYTES = 900_000
"""A longer error text is cut; the server takes bodies of a megabyte."""


@dataclass(frozen=True)
class Plan:
    """How to import. `at` overrides when the transcripts say they were; `batch` sets imports apart."""

    agent: str | None = None
    at: datetime | None = None
    batch: str = ""
    callers: int = 8

    def agent_of(self, transcript: Transcript) -> str:
        """Who ran it: as the plan says, else as the transcript says, else `imported`."""
        return self.agent or transcript.agent or "imported"


@dataclass(frozen=True)
class Judged:
    """One call with what was said of it; `reasons` are the policies' names, effects and reasons."""

    run_index: int
    run_id: str
    call_id: str
    tool: str
    arguments: Mapping[str, Json]
    verdict: str
    reasons: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Imported:
    """One run after its import. `hindrances` say what the server would not take, and why."""

    transcript: Transcript
    run_id: str
    judged: Sequence[Judged] = ()
    cost: int = 0
    hindrances: Sequence[str] = field(default_factory=tuple[str, ...])


async def import_runs(
    client: Client, transcripts: Iterable[Transcript], plan: Plan
) -> AsyncGenerator[Imported]:
    """Imports several runs at a time, each strictly in order, and yields each as it is done.

    Raises Unreachable; what was done by then is kept, and importing again goes on from there.
    """
    waiting = iter(transcripts)
    under_way: set[asyncio.Task[Imported]] = set()
    try:
        while True:
            while len(under_way) < plan.callers and (transcript := next(waiting, None)) is not None:
                under_way.add(asyncio.create_task(import_run(client, transcript, plan)))
            if not under_way:
                return
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                yield finished.result()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def import_run(client: Client, transcript: Transcript, plan: Plan) -> Imported:
    """Imports one run from start to completion. Asked again, it finds everything done."""
    agent = plan.agent_of(transcript)
    imported = Imported(transcript, transcript.run_id(agent, plan.batch))
    started_at = plan.at or transcript.started_at
    try:
        await client.post("/v1/runs", _start(imported, agent, started_at))
        for step in transcript.steps:
            imported = await _step(client, imported, step, plan.at or _said(step) or started_at)
        await client.post(f"/v1/runs/{imported.run_id}/complete", {"result": "as recorded"})
    except Refused as no:
        return _hindered(imported, "the run", no)
    return imported


async def _step(
    client: Client, imported: Imported, step: Proposed | Returned | ModelUsed, at: datetime | None
) -> Imported:
    match step:
        case ModelUsed():
            await client.post(f"/v1/runs/{imported.run_id}/model-calls", _model_call(step))
            return replace(imported, cost=imported.cost + (step.cost or 0))
        case Proposed():
            judged = await _propose(client, imported, step, at)
            return replace(imported, judged=(*imported.judged, judged))
        case Returned():
            return await _report(client, imported, step)


async def _propose(client: Client, imported: Imported, step: Proposed, at: datetime | None) -> Judged:
    proposal = {"call_id": step.call_id, "tool": step.tool, "arguments": step.arguments, **_at(at)}
    try:
        answered = await client.post(f"/v1/runs/{imported.run_id}/tool-calls", proposal)
    except Refused as no:
        said = {"policy": no.slug, "effect": REFUSED, "reason": str(no)}
        verdict, reasons = REFUSED, [said]
    else:
        verdict, reasons = answered.body["verdict"], answered.body["reasons"]
    return Judged(
        run_index=imported.transcript.index,
        run_id=imported.run_id,
        call_id=step.call_id,
        tool=step.tool,
        arguments=step.arguments,
        verdict=verdict,
        reasons=reasons,
    )


async def _report(client: Client, imported: Imported, step: Returned) -> Imported:
    allowed = any(call.call_id == step.call_id and call.verdict == "allow" for call in imported.judged)
    if not allowed:
        return imported
    place = f"/v1/runs/{imported.run_id}/tool-calls/{step.call_id}/outcome"
    try:
        await client.post(place, _outcome(step))
    except Refused as no:
        return _hindered(imported, f"the outcome of {step.call_id}", no)
    return imported


def _hindered(imported: Imported, what: str, no: Refused) -> Imported:
    said = f"{imported.transcript.place}: {what} was refused: {no}"
    return replace(imported, hindrances=(*imported.hindrances, said))


def _start(imported: Imported, agent: str, at: datetime | None) -> dict[str, Json]:
    name = imported.transcript.file.replace("\\", "/").rsplit("/", 1)[-1]
    purpose = f"Recorded in {name}, transcript {imported.transcript.index + 1}"
    started = {} if at is None else {"started_at": _written(at)}
    return {"run_id": imported.run_id, "agent_id": agent, "mode": "recorded", "purpose": purpose, **started}


def _model_call(used: ModelUsed) -> dict[str, Json]:
    return {
        "model_call_id": used.model_call_id,
        "model": used.model,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cached_tokens": used.cached_tokens,
        "cost": used.cost,
        "currency": "USD",
    }


def _outcome(step: Returned) -> dict[str, Json]:
    if step.failed:
        return {"status": "failed", "note": str(step.output)[:OUTPUT_BYTES], "source": "tool"}
    return {"status": "confirmed", "output": step.output, "source": "tool"}


def _said(step: Proposed | Returned | ModelUsed) -> datetime | None:
    return step.at if isinstance(step, Proposed) else None


def _at(at: datetime | None) -> dict[str, Json]:
    return {} if at is None else {"at": _written(at)}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
