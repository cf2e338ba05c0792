"""Pointers follow RFC 6901, with `*` for every element or member."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts.pointers import MISSING, escape, find, matches, places, unescape, value_at
from domain.kernel import Json

KEYS = st.text(max_size=6) | st.sampled_from(["", "/", "~", "~1", "~0", "a/b", "m~n", "*", "-", "0", "01"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)

# RFC 6901, section 5.
DOCUMENT: dict[str, Json] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_rfcs_own_examples_hold(pointer: str, value: object) -> None:
    assert find(pointer, DOCUMENT) == value


@pytest.mark.parametrize(
    "pointer", ["/foo/2", "/foo/-", "/foo/01", "/foo/+1", "/foo/\u0661", "/foo/0/0", "/none", "/foo/"]
)
def test_a_pointer_that_leads_nowhere_is_missing_not_an_error(pointer: str) -> None:
    assert find(pointer, DOCUMENT) is MISSING
    assert value_at(pointer, DOCUMENT) is None


@given(KEYS)
def test_escaping_is_undone_by_unescaping(key: str) -> None:
    assert unescape(escape(key)) == key
    assert "/" not in escape(key)


@given(KEYS, VALUES)
def test_any_member_is_found_by_its_escaped_name(key: str, value: Json) -> None:
    assert find("/" + escape(key), {key: value}) == value


@given(VALUES)
def test_a_wildcard_names_every_child_once_in_order(value: Json) -> None:
    children: list[Json] = []
    if isinstance(value, list | tuple):
        children = list(cast("list[Json]", value))
    elif isinstance(value, dict):
        children = list(cast("dict[str, Json]", value).values())
    assert [child for _, child in matches("/*", value)] == children


@given(VALUES, st.sampled_from(["/*", "/*/*", "/*/*/*", "/a/*", "/*/0"]))
def test_every_place_of_a_pattern_leads_to_what_was_matched(value: Json, pattern: str) -> None:
    for place, matched in matches(pattern, value):
        assert find(place, value) is matched
    assert len(set(places(pattern, value))) == len(list(places(pattern, value)))
