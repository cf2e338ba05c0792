"""Every command that a page shows is run by a test, taken by our programs, or shown for a stated reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.blocks import Block, pages
from tests.docs.commands import magistrate, make_targets, options, shown

RUN_ELSEWHERE = {
    "docs/guides/first-refusal.md": "tests/examples",
}
"""Pages whose commands are run as they stand, and where."""

SHOWN_ONLY = {
    "apt": "installs on the reader's machine",
    "chmod": "makes secrets on the reader's machine",
    "chown": "makes secrets on the reader's machine",
    "cd": "walks",
    "curl": "needs a server of the reader's own; the same requests are made in tests/api",
    "docker": "needs a container engine; tests/docs/test_deployment.py reads what it would run",
    "export": "sets what the reader chose",
    "git": "fetches this very checkout",
    "mkdir": "makes secrets on the reader's machine",
    "openssl": "makes secrets on the reader's machine",
    "printf": "makes secrets on the reader's machine",
    "psql": "needs a server of the reader's own",
    "sudo": "makes secrets on the reader's machine",
    "cat": "reads secrets on the reader's machine",
}
"""Other people's programs, and why nothing here runs them."""


def commands(name: str) -> Iterator[tuple[Block, list[str]]]:
    return ((block, words) for block, words in shown() if words[0] == name)


@pytest.mark.parametrize(("block", "words"), list(commands("magistrate")), ids=str)
def test_the_command_line_takes_what_is_shown(block: Block, words: list[str]) -> None:
    magistrate(words[1:])


@pytest.mark.parametrize(("block", "words"), list(commands("make")), ids=str)
def test_make_can_be_asked_for_what_is_shown(block: Block, words: list[str]) -> None:
    assert {word for word in words[1:] if "=" not in word} <= make_targets()


def test_no_command_is_shown_without_a_test_or_a_reason() -> None:
    known = {"magistrate", "make", *SHOWN_ONLY}
    unknown = [(str(b), w[0]) for b, w in shown() if b.page not in RUN_ELSEWHERE and w[0] not in known]
    assert not unknown


def test_what_is_run_elsewhere_is_run_there() -> None:
    for page, where in RUN_ELSEWHERE.items():
        tests = (path.read_text() for path in Path(ROOT / where).rglob("test_*.py"))
        assert any(Path(page).name in test for test in tests), f"no test in {where} reads {page}"


def test_the_page_of_the_command_line_names_every_command_and_option() -> None:
    sections = re.split(r"^## `magistrate ", pages()["docs/reference/cli.md"], flags=re.MULTILINE)[1:]
    said = {
        section.split("`")[0].split()[0]: set(re.findall(r"`(--[a-z-]+)", section)) for section in sections
    }
    assert said == options()
