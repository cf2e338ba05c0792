"""Canonical digests: the fast way gives the very bytes of the general way, or is not taken."""

import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from adapters.digests import JsonDigests, NotCanonical, canonical
from domain.kernel import Json

numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)


@given(json_values)
def test_the_canonical_form_is_that_of_the_standard(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        (1.0, b"1"),
        (1e21, b"1e+21"),
        (0.000001, b"0.000001"),
        (-0.0, b"0"),
        ("\x7f\u2028é", b'"\x7f\xe2\x80\xa8\xc3\xa9"'),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'.encode()),
        ((1, (2,)), b"[1,[2]]"),
    ],
)
def test_the_forms_that_are_easily_got_wrong(value: object, form: bytes) -> None:
    assert canonical(value) == form


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", {"\ud800": 1}, {1: 2}]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


def test_nesting_without_end_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotCanonical):
        canonical(deep)


def test_an_action_is_digested_with_its_salt() -> None:
    form = b'{"agent":"a","arguments":{"x":1},"tenant":"t","tool":"l"}'
    digests = JsonDigests()
    assert digests.action("salt", "t", "a", "l", {"x": 1}) == hashlib.sha256(b"salt" + form).hexdigest()
    assert digests.action("a", "t", "a", "l", {}) != digests.action("b", "t", "a", "l", {})
    assert digests.content({"x": 1}) == hashlib.sha256(b'{"x":1}').hexdigest()
