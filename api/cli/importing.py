"""`magistrate import`: what to register first, progress on the way, and a table of what was decided."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from api.cli import registering
from api.cli.client import Client, Unreachable
from api.cli.failures import Failure, tell
from api.cli.home import client_of
from api.cli.output import console, money, styled, table, write_json
from api.importing.drive import REFUSED, Imported, Plan, import_runs
from api.importing.files import Format, Unreadable, read
from api.importing.transcript import Transcript
from domain.kernel import Json

VERDICTS = ("allow", "deny", "ask", REFUSED)


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    files: Sequence[Path]
    written: str
    agent: str | None
    at: datetime | None
    tools: Path | None
    policies: Path | None
    agents: Path | None
    tenant: str | None
    batch: str
    callers: int


@dataclass(frozen=True)
class Outcome:
    """All runs after an import, and what could not be read."""

    imported: Sequence[Imported]
    unreadable: Sequence[Unreadable]

    @property
    def calls(self) -> Counter[tuple[str, str, str]]:
        """How many calls had which verdict by which policy for which reason."""
        counted: Counter[tuple[str, str, str]] = Counter()
        for run in self.imported:
            for call in run.judged:
                for one in call.reasons or [{"policy": "", "reason": ""}]:
                    counted[call.verdict, str(one["policy"]), str(one["reason"])] += 1
        return counted

    @property
    def verdicts(self) -> Counter[str]:
        """How many calls had which verdict."""
        return Counter(call.verdict for run in self.imported for call in run.judged)

    @property
    def complaints(self) -> list[str]:
        """What went wrong, a line each, with the place in the file."""
        return [*map(str, self.unreadable), *(line for run in self.imported for line in run.hindrances)]


def carry_out(order: Order, *, as_json: bool) -> None:
    """Imports, draws or writes what came of it, and exits with 1 if anything went wrong."""
    for path in order.files:
        if not path.is_file():
            raise typer.BadParameter(f"there is no file {path}", param_hint="FILES")
    found = list(_read(order))
    unreadable = [one for one in found if isinstance(one, Unreadable)]
    for one in unreadable:
        tell(str(one))
    transcripts = [one for one in found if isinstance(one, Transcript)]
    try:
        outcome = Outcome(asyncio.run(_import(order, transcripts, show=not as_json)), unreadable)
    except Unreachable as error:
        raise Failure(
            str(error), "Start it with `magistrate up`, then repeat the import: it goes on where it was."
        ) from None
    if as_json:
        write_json(_document(outcome))
    else:
        _draw(console(), outcome)
    for line in outcome.complaints[len(unreadable) :]:
        tell(line)
    if outcome.complaints:
        raise typer.Exit(1)


async def _import(order: Order, transcripts: Sequence[Transcript], *, show: bool) -> list[Imported]:
    at = order.at.replace(tzinfo=order.at.tzinfo or UTC) if order.at else None
    plan = Plan(agent=order.agent, at=at, batch=order.batch, callers=order.callers)
    async with client_of(tenant=order.tenant, callers=order.callers) as client:
        await _register(client, order, sorted({plan.agent_of(one) for one in transcripts}))
        with _progress(show=show) as progress:
            task = progress.add_task("importing", total=len(transcripts), calls=0)
            done: list[Imported] = []
            calls = 0
            async with aclosing(import_runs(client, transcripts, plan)) as imports:
                async for imported in imports:
                    done.append(imported)
                    calls += len(imported.judged)
                    progress.update(task, advance=1, calls=calls)
            return done


async def _register(client: Client, order: Order, agents: Sequence[str]) -> None:
    owner = client.principal
    if order.tools:
        await registering.register_tools(client, registering.read_registrations(order.tools, "name"))
    if order.agents:
        known = registering.read_registrations(order.agents, "agent_id")
        await registering.register_agents(client, known, owner=owner)
    await registering.register_missing_agents(client, agents, owner=owner)
    if order.policies:
        await registering.activate_policies(client, _text(order.policies))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8 text") from None


def _read(order: Order) -> Iterator[Transcript | Unreadable]:
    for path in order.files:
        yield from read(path, Format(order.written))


def _progress(*, show: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs, {task.fields[calls]} tool calls"),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not (show and sys.stderr.isatty()),
    )


def _draw(out: Console, outcome: Outcome) -> None:
    rows = [
        (styled(verdict), policy, reason, str(count))
        for (verdict, policy, reason), count in sorted(outcome.calls.items(), key=_by_weight)
    ]
    if rows:
        out.print(table(("verdict", "policy", "reason", "calls"), rows, right=("calls",)))
        out.print()
    total = outcome.verdicts
    said = ", ".join(f"{total[verdict]} {styled(verdict)}" for verdict in VERDICTS if total[verdict])
    out.print(f"{len(outcome.imported)} runs, {total.total()} tool calls{f': {said}' if said else ''}")
    cost = sum(run.cost for run in outcome.imported)
    if cost:
        out.print(f"model calls cost {money(cost)}")
    if outcome.imported:
        out.print(
            f"\nmagistrate show {outcome.imported[0].run_id}   tells what happened in one of them",
            style="dim",
        )


def _by_weight(entry: tuple[tuple[str, str, str], int]) -> tuple[int, int, str]:
    (verdict, policy, _), count = entry
    return VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS), -count, policy


def _document(outcome: Outcome) -> Mapping[str, Json]:
    return {
        "runs": [
            {
                "run_id": run.run_id,
                "file": run.transcript.file,
                "line": run.transcript.line,
                "cost": run.cost,
                "calls": [
                    {
                        "call_id": call.call_id,
                        "tool": call.tool,
                        "verdict": call.verdict,
                        "reasons": list(call.reasons),
                    }
                    for call in run.judged
                ],
            }
            for run in outcome.imported
        ],
        "verdicts": dict(outcome.verdicts),
        "cost": sum(run.cost for run in outcome.imported),
        "complaints": outcome.complaints,
    }
