"""A file is a room with one purpose."""

import ast
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, modules, named

LONGEST = 300


def test_no_file_is_longer_than_a_person_reads_at_once() -> None:
    long = {
        named(path): lines
        for path in modules(*PACKAGES, "bench", "tests", "examples")
        if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert not long


@pytest.mark.parametrize("path", list(modules(*PACKAGES, "bench", "tests")), ids=named)
def test_a_module_opens_with_a_sentence(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if tree.body:
        assert (ast.get_docstring(tree) or "").rstrip(")").endswith((".", ":", "`"))
