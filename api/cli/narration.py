"""How the demo is told: chapters, who wants what, what Magistrate says, and whether that is as it must be."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from api.cli.output import SAID, STYLES
from domain.kernel import Json

WHO_WIDTH = 11


@dataclass(frozen=True)
class Checked:
    """One thing that had to come out one way."""

    step: str
    expected: str
    found: str

    @property
    def right(self) -> bool:
        """Whether it did."""
        return self.expected == self.found


@dataclass
class Narration:
    """A story as it goes; without a console nothing is drawn, but all is checked."""

    out: Console | None
    pace: float
    checked: list[Checked] = field(default_factory=list[Checked])
    _chapters: int = 0

    async def chapter(self, title: str, words: str) -> None:
        """A new part of the story, with a few sentences that say what to watch."""
        if self._chapters:
            await asyncio.sleep(self.pace)
        self._chapters += 1
        if self.out is not None:
            self.out.print()
            self.out.print(
                Rule(Text(f" {self._chapters}. {title} ", style="bold"), align="left", style="dim")
            )
            self.out.print(Padding(Text(words, style="dim"), (0, 0, 1, 0)))

    def does(self, who: str, words: str) -> None:
        """Somebody did something."""
        self._line(Text(who, style="bold"), Text(words))

    def wants(self, who: str, tool: str, arguments: Mapping[str, Json]) -> None:
        """An agent proposes a call."""
        told = ", ".join(f"{name}={value}" for name, value in arguments.items())
        self._line(
            Text(who, style="bold cyan"),
            Text.assemble("wants ", (tool, "bold"), f"  {told}"),
        )

    def says(self, verdict: str, reasons: Sequence[Mapping[str, Any]], expected: str, step: str) -> None:
        """The verdict on it, with the policies behind it."""
        self.checked.append(Checked(step, expected, verdict))
        label = Text(SAID.get(verdict, verdict), style=STYLES.get(verdict, ""), justify="right")
        for one in reasons or [{"reason": "", "policy": ""}]:
            self._line(label, Text.assemble(str(one["reason"]), (f"  {one['policy']}", "dim")))
            label = Text()
        self._mark(self.checked[-1])

    def came(self, words: str, expected: str, found: str, step: str) -> None:
        """Something else that had to come out one way."""
        self.checked.append(Checked(step, expected, found))
        self._line(Text("→", style="dim", justify="right"), Text(words))
        self._mark(self.checked[-1])

    def _mark(self, checked: Checked) -> None:
        if not checked.right:
            self._line(
                Text("!", style="bold red", justify="right"),
                Text(f"expected {checked.expected}, found {checked.found}", style="bold red"),
            )

    def _line(self, label: Text, words: Text) -> None:
        if self.out is not None:
            row = Table.grid(padding=(0, 1))
            row.add_column(width=WHO_WIDTH, no_wrap=True)
            row.add_column()
            row.add_row(label, words)
            self.out.print(Padding(row, (0, 0, 0, 2)))
