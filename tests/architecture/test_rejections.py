"""A refusal's docstring is the message its caller reads."""

import importlib
from collections.abc import Iterator

import pytest

from domain.kernel import Rejected
from tests.architecture.tree import modules, named


def refusals(base: type[Rejected] = Rejected) -> Iterator[type[Rejected]]:
    for kind in base.__subclasses__():
        yield kind
        yield from refusals(kind)


def all_refusals() -> list[type[Rejected]]:
    for path in modules("domain", "application", "adapters"):
        if "Rejected)" in path.read_text() or "NotFound)" in path.read_text():
            importlib.import_module(named(path).removesuffix(".py").replace("/", "."))
    return sorted(set(refusals()), key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")


@pytest.mark.parametrize("refusal", all_refusals(), ids=lambda refusal: refusal.__qualname__)
def test_a_refusal_says_in_whole_sentences_what_is_the_case(refusal: type[Rejected]) -> None:
    said = refusal.__dict__.get("__doc__")
    assert said, f"{refusal.__qualname__} has no docstring of its own"
    assert said.strip().endswith(".")


def test_no_two_refusals_share_a_name() -> None:
    names = [refusal.__qualname__ for refusal in all_refusals()]
    assert len(names) == len(set(names))
