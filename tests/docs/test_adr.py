"""A page per lasting choice, each with its context, the decision, and what follows from it."""

import pytest

from tests.docs.blocks import pages

CHOICES = {name: text for name, text in pages().items() if name.startswith("docs/adr/0")}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_says_why_and_what_follows(name: str) -> None:
    text = CHOICES[name]
    number = name.removeprefix("docs/adr/")[:4]
    assert text.startswith(f"# {number} ")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        "Context",
        "Decision",
        "Consequences",
    ]


def test_the_index_lists_every_choice_once() -> None:
    index = pages()["docs/adr/README.md"]
    assert [index.count(name.removeprefix("docs/adr/")) for name in CHOICES] == [1] * len(CHOICES)
