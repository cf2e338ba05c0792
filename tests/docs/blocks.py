"""The fenced blocks of the README and the pages under docs, as readers see them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from application.policy import ToolView
from domain.tools.registration import Registration
from tests.architecture.tree import ROOT

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block: ` ```json tool=refund ` has the language `json` and the mark `tool=refund`."""

    page: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> dict[str, str]:
    """Every page for readers, by its path, with its text."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in found if path.is_file()}


def blocks(*languages: str, page: str | None = None) -> Iterator[Block]:
    """The blocks in these languages, or all; of one page, or all."""
    for name, text in pages().items():
        if page is not None and name != page:
            continue
        for match in FENCE.finditer(text):
            language, _, mark = match["info"].strip().partition(" ")
            if not languages or language in languages:
                body = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
                yield Block(name, text.count("\n", 0, match.start()) + 1, language, mark, body)


def tools_of(page: str) -> tuple[ToolView, ...]:
    """The tools that a page registers."""
    return tuple(
        view(block.mark.removeprefix("tool="), Registration.model_validate_json(block.text))
        for block in blocks("json", page=page)
        if block.mark.startswith("tool=")
    )


def view(name: str, registration: Registration) -> ToolView:
    """A registration as policies see it."""
    return ToolView(
        name=name,
        risk=registration.risk,
        reads=registration.reads,
        sinks=registration.sinks,
        arguments=registration.arguments,
        facts=registration.facts,
    )
