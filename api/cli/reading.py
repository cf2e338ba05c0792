"""`magistrate runs` and `magistrate show`: what is there, and what happened in one run."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from api.cli.client import Client, items_of
from api.cli.home import client_of
from api.cli.output import SAID, STYLES, console, moment, money, styled, table, write_json

Line = Mapping[str, Any]

PAGE = 100


def runs(*, agent: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """Lists runs, newest first."""
    found = asyncio.run(_runs(agent, status, limit))
    if as_json:
        write_json(found)
        return
    out = console()
    if not found:
        out.print("No runs yet. `magistrate import FILE` brings in recorded ones; an agent starts its own.")
        return
    rows: list[tuple[str | Text, ...]] = [
        (
            str(run["run_id"]),
            str(run["agent_id"]),
            styled(str(run["standing"])),
            moment(str(run["started_at"])),
            *(str(run[verdict]) for verdict in ("allowed", "asked", "denied")),
            money(run.get("spent") or None),
        )
        for run in found
    ]
    columns = ("run", "agent", "standing", "started (UTC)", "allowed", "asked", "denied", "cost")
    out.print(table(columns, rows, right=columns[4:], whole=("run", "allowed", "asked", "denied")))


def show(run_id: str, *, as_of: int | None, as_json: bool) -> None:
    """Draws one run's history."""
    run, lines = asyncio.run(_show(run_id, as_of))
    if as_json:
        write_json({"run": run, "as_of": as_of, "timeline": lines})
        return
    out = console()
    now = (
        styled(str(run["standing"]))
        if as_of is None
        else Text(f"as it was at position {as_of}", style="yellow")
    )
    out.print(Text.assemble((str(run["run_id"]), "bold"), f"  {run['agent_id']}  ", now))
    if run.get("purpose"):
        out.print(Text(str(run["purpose"]), style="dim"))
    out.print()
    draw_timeline(out, lines)


async def timeline(client: Client, run_id: str, *, as_of: int | None = None) -> tuple[Line, Sequence[Line]]:
    """A run, and all lines of its history so far, oldest first. Raises Refused for an unknown run."""
    run = await client.get(f"/v1/runs/{run_id}")
    seen = run.position if as_of is None else None
    return run.body, await _all(client, f"/v1/runs/{run_id}/timeline", as_of=as_of, at_least=seen)


def draw_timeline(out: Console, lines: Sequence[Line]) -> None:
    """A line an event, with the verdicts in their colours."""
    rows = [
        (str(line["position"]), moment(str(line["at"]))[11:], str(line["actor"]), _told(line))
        for line in lines
    ]
    out.print(table(("position", "time", "who", "what"), rows, right=("position",)))


def _told(line: Line) -> Text:
    what = str(line["what"])
    verdict = str(line.get("verdict") or "")
    if verdict not in STYLES:
        return Text(what)
    head, colon, rest = what.partition(":")
    detail: Mapping[str, Any] = line.get("detail") or {}
    settling: list[Mapping[str, Any]] = detail.get("determined", [])
    named = ", ".join(str(one["policy"]) for one in settling)
    return Text.assemble((head or SAID[verdict], STYLES[verdict]), colon, rest, (f"  {named}", "dim"))


async def _runs(agent: str | None, status: str | None, limit: int) -> list[Line]:
    async with client_of() as client:
        return await _all(client, "/v1/runs", most=limit, agent_id=agent, standing=status)


async def _show(run_id: str, as_of: int | None) -> tuple[Line, Sequence[Line]]:
    async with client_of() as client:
        return await timeline(client, run_id, as_of=as_of)


async def _all(
    client: Client, path: str, *, most: int | None = None, **query: str | int | None
) -> list[Line]:
    found: list[Line] = []
    limit = PAGE if most is None else min(PAGE, most)
    cursor: str | None = None
    while most is None or len(found) < most:
        page = await client.get(path, limit=limit, cursor=cursor, **query)
        found += items_of(page)
        cursor = page.body.get("next")
        if cursor is None:
            break
    return found[:most]
