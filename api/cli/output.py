"""How answers look: tables and colours for people, one JSON document for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.kernel import Json

STYLES = {
    "allow": "green",
    "deny": "bold red",
    "ask": "yellow",
    "throttle": "yellow",
    "refused": "magenta",
    "active": "cyan",
    "completed": "green",
    "paused": "yellow",
    "failed": "red",
    "cancelled": "red",
    "escalated": "yellow",
}

SAID = {"allow": "allowed", "deny": "denied", "ask": "asked", "refused": "refused", "throttle": "throttled"}


def console() -> Console:
    """Standard output for people; made anew, because tests and pipes change what that is."""
    return Console(highlight=False)


def write_json(value: Json) -> None:
    """One document on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str)
    sys.stdout.write("\n")
    sys.stdout.flush()


def styled(word: str) -> Text:
    """A verdict or a standing in its colour."""
    return Text(SAID.get(word, word), style=STYLES.get(word, ""))


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> Table:
    """A plain table; the columns in `right` hold figures, those in `whole` are never broken."""
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        drawn.add_column(column, justify=justify, overflow="fold", no_wrap=column in whole)
    for row in rows:
        drawn.add_row(*row)
    return drawn


def money(micro_units: int | None, currency: str = "USD") -> str:
    """An amount of micro-units; empty when nobody knows it."""
    return "" if micro_units is None else f"{micro_units / 1_000_000:,.4f} {currency}"


def moment(instant: str) -> str:
    """An instant to the second, for people."""
    return instant[:19].replace("T", " ") if instant else ""


def reasons(settling: Sequence[Mapping[str, Any]]) -> str:
    """Why, in the words of the policies that settled it."""
    return "; ".join(str(one.get("reason") or one.get("policy")) for one in settling)
