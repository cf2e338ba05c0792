"""Rounds, medians, spreads and verdicts: what every benchmark is made of."""

import json
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.kernel import Json

RESULTS = Path(__file__).parent / "results" / "latest.json"


@dataclass(frozen=True)
class Row:
    """One measured claim. `value` is in `unit`; `ratio` is ours against the peer of the same run."""

    name: str
    value: float
    unit: str
    peer: str | None
    ratio: float | None
    bound: str
    met: bool
    spread: tuple[float, float] | None = field(default=None)
    """Lowest and highest round of ours."""


def median_of(rounds: Sequence[float]) -> float:
    """The middle round: one slow moment of the machine does not move it."""
    return statistics.median(rounds)


def quantile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` of all samples lie (nearest rank)."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def interleaved(
    rounds: int, contenders: Mapping[str, Callable[[], Awaitable[float]]]
) -> dict[str, list[float]]:
    """Runs the contenders in turn, round after round, so that a noisy hour meets all of them."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            measured[name].append(await contender())
    return measured


def against(
    name: str, ours: Sequence[float], theirs: Sequence[float], peer: str, unit: str, at_least: float
) -> Row:
    """A row whose bound is a ratio to the peer, taken round by round."""
    ratio = median_of([mine / other for mine, other in zip(ours, theirs, strict=True)])
    return Row(
        name=name,
        value=median_of(ours),
        unit=unit,
        peer=f"{peer}: {median_of(theirs):,.0f} {unit}",
        ratio=round(ratio, 2),
        bound=f">= {at_least:g} x",
        met=ratio >= at_least,
        spread=(min(ours), max(ours)),
    )


def reaching(name: str, ours: Sequence[float], unit: str, at_least: float) -> Row:
    """A row whose bound is a figure to reach."""
    value = median_of(ours)
    return Row(name, value, unit, None, None, f">= {at_least:,g}", value >= at_least, (min(ours), max(ours)))


def staying_under(name: str, ours: Sequence[float], unit: str, under: float) -> Row:
    """A row whose bound is a figure to stay under."""
    value = median_of(ours)
    return Row(name, value, unit, None, None, f"< {under:,g}", value < under, (min(ours), max(ours)))


def show(rows: Sequence[Row], machine: str) -> None:
    """The table for people."""
    table = Table(title="Magistrate, measured", caption=machine)
    for column, side in (
        ("benchmark", "left"),
        ("median", "right"),
        ("lowest .. highest", "right"),
        ("peer in the same run", "left"),
        ("ratio", "right"),
        ("bound", "right"),
        ("met", "left"),
    ):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for row in rows:
        spread = f"{row.spread[0]:,.4g} .. {row.spread[1]:,.4g}" if row.spread else ""
        table.add_row(
            row.name,
            f"{row.value:,.4g} {row.unit}" if row.value < 1000 else f"{row.value:,.0f} {row.unit}",
            spread,
            row.peer or "",
            f"{row.ratio:.2f} x" if row.ratio is not None else "",
            row.bound,
            "yes" if row.met else "NO",
        )
    Console(width=150).print(table)


def keep(rows: Sequence[Row]) -> None:
    """Writes the rows for programs; rows of benchmarks that did not run this time are kept."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    earlier: list[dict[str, Json]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    fresh = {row.name: asdict(row) for row in rows}
    merged: list[dict[str, Json]] = [row for row in earlier if row["name"] not in fresh] + list(
        fresh.values()
    )
    RESULTS.write_text(json.dumps(merged, indent=2) + "\n")
