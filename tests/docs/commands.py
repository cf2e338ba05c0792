"""Commands as the pages show them, and whether our programs would take them."""

import re
import shlex
from collections.abc import Iterator, Mapping

from typer.core import TyperGroup
from typer.main import get_command

from api.cli.main import app
from tests.architecture.tree import ROOT
from tests.docs.blocks import Block, blocks

SUBSTITUTED = re.compile(r"\$\(([^()]*)\)")


def shown(*, page: str | None = None) -> Iterator[tuple[Block, list[str]]]:
    """Every command in the pages' `bash` blocks, word by word; what is inside `$(...)` too."""
    for block in blocks("bash", page=page):
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
            yield from ((block, words) for words in _commands(line))


def _commands(line: str) -> Iterator[list[str]]:
    if not line.strip() or line.lstrip().startswith("#"):
        return
    for inner in SUBSTITUTED.findall(line):
        yield from _commands(inner)
    for part in re.split(r"\s(?:&&|\|\||\|)\s", SUBSTITUTED.sub("substituted", line)):
        words = shlex.split(part.rstrip(" &"), comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        if words:
            yield words


def magistrate(words: list[str]) -> None:
    """Raises what the command line raises for an unknown command, option or value; runs nothing."""
    name, *rest = words
    _group().commands[name].make_context(name, rest)


def make_targets() -> set[str]:
    """What `make` can be asked for."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def options() -> Mapping[str, set[str]]:
    """The long options of each command."""
    return {
        name: {o for p in command.params for o in p.opts if o.startswith("--") and o != "--help"}
        for name, command in _group().commands.items()
    }


def _group() -> TyperGroup:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return group
