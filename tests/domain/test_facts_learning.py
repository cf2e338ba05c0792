"""What a run learns from outputs, and what hostile outputs cannot do to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.facts.bounds import MAX_RECORDS, MAX_SIZE, storable
from domain.facts.extract import effected, learn, seen
from domain.facts.records import FactRecord, merged
from domain.facts.spec import FactSpec
from domain.kernel import Json, Source


def spec(**parts: Json) -> FactSpec:
    return FactSpec.model_validate_json(json.dumps(parts))


SEARCH = spec(
    yields=[
        {
            "kind": "seat",
            "at": "/*/*",
            "key": ["/number", "arg:/date"],
            "fields": {"price": "/price", "tags": "/tags/*/name", "guests": "count:/guests/*"},
        }
    ]
)
ORDERS = spec(
    yields=[
        {"kind": "order", "key": ["/id"], "fields": {"state": "/state", "owner": "/owner"}},
        {
            "kind": "payment",
            "at": "/paid/*",
            "key": ["out:/owner", "/method"],
            "fields": {"amount": "/amount"},
        },
    ],
    points_at=[
        {"name": "order", "kind": "order", "key": ["/id"], "types": {"state": "string"}},
        {"name": "owner", "kind": "user", "key": ["fact:order:/owner"]},
        {"name": "card", "kind": "user", "key": ["fact:order:/owner"], "member": "/cards/{card}"},
        {"name": "lines", "kind": "line", "each": "/lines/*", "key": ["arg:/id", "/sku"]},
        {"name": "friends", "kind": "user", "each": "fact:owner:/friends/*", "key": [""]},
    ],
    effects=[
        {"on": "order", "set": {"state": "arg:/state"}, "mark": {"reviewed": None}},
        {"on": "lines", "mark": {"sent": True}},
    ],
)


def record(kind: str, key: str, source: Source = Source.TOOL, **fields: Json) -> FactRecord:
    return FactRecord(kind=kind, key=key, fields=fields, source=source)


def known(*records: FactRecord) -> dict[tuple[str, str], FactRecord]:
    return {(each.kind, each.key): each for each in records}


def test_records_are_found_in_nested_lists_and_keyed_by_output_and_arguments() -> None:
    output = [[{"number": "A/1", "price": 3, "tags": [{"name": "x"}, {}], "guests": [1, 2]}], [{"number": 7}]]
    assert learn(SEARCH, {"date": "d"}, output, Source.TOOL) == (
        record("seat", "A~11/d", price=3, tags=["x"], guests=2),
        record("seat", "7/d", tags=[], guests=0),
    )


def test_text_that_is_json_counts_as_what_it_says() -> None:
    output = [[{"number": "1", "price": 3}]]
    assert learn(SEARCH, {"date": "d"}, json.dumps(output), Source.TOOL) == learn(
        SEARCH, {"date": "d"}, output, Source.TOOL
    )


def test_a_record_can_be_keyed_by_what_encloses_it() -> None:
    output = {"id": "o", "owner": "u", "paid": [{"method": "m", "amount": 5}]}
    assert record("payment", "u/m", amount=5) in learn(ORDERS, {}, output, Source.TOOL)


@pytest.mark.parametrize(
    "output",
    [
        "Error: no",
        "",
        None,
        3,
        True,
        [],
        {},
        [[]],
        [[None]],
        "[" * 100_000,
        "1e999",
        '"' + "x" * 2_000_000,
        "9" * 5_000,
    ],
)
def test_garbage_teaches_nothing_and_never_raises(output: Json) -> None:
    assert learn(SEARCH, {"date": "d"}, output, Source.TOOL) == ()


@pytest.mark.parametrize("part", [None, True, 1.5, [], {}, "", "a\n", "x" * 129, 2**63])
def test_a_key_is_made_of_short_printable_text_and_whole_numbers_only(part: Json) -> None:
    assert learn(SEARCH, {"date": "d"}, [[{"number": part}]], Source.TOOL) == ()


@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(),
        lambda i: st.lists(i) | st.dictionaries(st.text(), i),
    )
)
def test_no_output_whatever_makes_learning_raise_or_keep_what_cannot_be_stored(output: Json) -> None:
    for found in learn(ORDERS, {}, output, Source.AGENT):
        assert storable(dict(found.fields))


def test_an_output_teaches_at_most_so_many_records() -> None:
    output = [[{"number": str(number)} for number in range(10 * MAX_RECORDS)]]
    assert len(learn(SEARCH, {"date": "d"}, output, Source.TOOL)) == MAX_RECORDS


def test_fields_beyond_the_budget_are_forgotten_not_left_stale() -> None:
    output = {"id": "o", "state": "x" * (MAX_SIZE + 1), "owner": "u"}
    (found,) = learn(ORDERS, {}, output, Source.TOOL)
    assert found.fields == {"state": None, "owner": "u"}
    after = merged(record("order", "o", state="open"), found)
    assert "state" not in after.fields


@pytest.mark.parametrize("value", ["\ud800", "a\x00", float("inf"), float("nan"), 2**63, -(2**63) - 1])
def test_what_cannot_be_stored_is_not_learned(value: Json) -> None:
    (found,) = learn(ORDERS, {}, {"id": "o", "state": value}, Source.TOOL)
    assert found.fields == {"state": None}


def test_a_later_look_wins_but_does_not_forget_what_it_does_not_mention() -> None:
    before = record("seat", "1", price=3, free=2)
    assert merged(before, record("seat", "1", price=4)) == record("seat", "1", free=2, price=4)


def test_null_in_news_forgets_a_field() -> None:
    assert merged(record("seat", "1", price=3), record("seat", "1", price=None)) == record("seat", "1")


def test_an_agents_word_does_not_become_the_tools_while_a_part_of_it_remains() -> None:
    claimed = record("order", "1", Source.AGENT, state="paid", owner="me")
    told = record("order", "1", Source.TOOL, owner="you")
    assert merged(claimed, told).source is Source.AGENT
    assert merged(told, claimed).source is Source.AGENT
    assert merged(claimed, record("order", "1", Source.TOOL, state="open", owner="you")).source is Source.TOOL


FIELDS = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(), max_size=3)


def news_of(fields: dict[str, Json], source: Source) -> FactRecord:
    return record("k", "1", source, **fields)


NEWS = st.builds(news_of, FIELDS, st.sampled_from(Source))


@given(NEWS, NEWS)
def test_news_told_twice_changes_nothing_more(before: FactRecord, news: FactRecord) -> None:
    once = merged(merged(None, before), news)
    assert merged(once, news).fields == once.fields


@given(NEWS, NEWS)
def test_all_that_news_says_is_known_afterwards(before: FactRecord, news: FactRecord) -> None:
    after = merged(merged(None, before), news)
    assert None not in after.fields.values()
    for name, value in news.fields.items():
        assert after.fields.get(name) == value


ARGUMENTS = {"id": "o", "card": "c/1", "state": "closed", "lines": [{"sku": "a"}, {"sku": "b"}, {}]}
EVERYTHING = known(
    record("order", "o", Source.TOOL, owner="u", state="open"),
    record("user", "u", Source.AGENT, cards={"c/1": {"limit": 5}}, friends=["f", "g"]),
    record("user", "f", name="F"),
    record("line", "o/a", price=2),
)


def test_a_call_sees_the_records_it_names_and_those_they_lead_to() -> None:
    view = seen(ORDERS, ARGUMENTS, EVERYTHING)
    assert view["order"] == {"owner": "u", "state": "open"}
    assert view["card"] == {"limit": 5}
    assert view["lines"] == [
        {"arg": {"sku": "a"}, "fact": {"price": 2}},
        {"arg": {"sku": "b"}},
        {"arg": {}},
    ]
    assert view["friends"] == [{"arg": "f", "fact": {"name": "F"}}, {"arg": "g"}]


def test_a_call_sees_who_vouches_for_what_it_sees() -> None:
    assert seen(ORDERS, ARGUMENTS, EVERYTHING)["sources"] == {
        "order": "tool",
        "owner": "agent",
        "card": "agent",
        "lines": "tool",
        "friends": "tool",
    }


def test_what_is_not_known_is_not_there() -> None:
    assert seen(ORDERS, {"id": "o"}, {}) == {"lines": [], "friends": []}


def test_a_successful_call_changes_the_records_it_names() -> None:
    assert effected(ORDERS, ARGUMENTS, EVERYTHING, Source.GATEWAY) == (
        record("order", "o", Source.GATEWAY, reviewed=None, state="closed"),
        record("line", "o/a", Source.GATEWAY, sent=True),
        record("line", "o/b", Source.GATEWAY, sent=True),
    )


def test_an_effect_makes_a_record_that_nobody_looked_at_before() -> None:
    changed = effected(ORDERS, {"id": "new", "state": "open"}, {}, Source.TOOL)
    assert changed == (record("order", "new", reviewed=None, state="open"),)


CONTRADICTIONS: list[dict[str, Json]] = [
    {"points_at": [{"name": "a", "kind": "k", "key": ["/x"]}, {"name": "a", "kind": "k", "key": ["/y"]}]},
    {"points_at": [{"name": "sources", "kind": "k", "key": ["/x"]}]},
    {
        "points_at": [
            {"name": "a", "kind": "k", "key": ["fact:b:/x"]},
            {"name": "b", "kind": "k", "key": ["/x"]},
        ]
    },
    {"points_at": [{"name": "a", "kind": "k", "key": ["/x"], "each": "fact:b:/x"}]},
    {"points_at": [{"name": "a", "kind": "k", "key": ["out:/x"]}]},
    {"points_at": [{"name": "a", "kind": "k", "key": []}]},
    {"points_at": [{"name": "a b", "kind": "k", "key": ["/x"]}]},
    {"yields": [{"kind": "k", "key": ["fact:a:/x"], "fields": {}}]},
    {"yields": [{"kind": "k", "key": ["x"], "fields": {}}]},
    {"effects": [{"on": "nobody"}]},
    {"points_at": [{"name": "a", "kind": "k", "key": ["/x"], "member": "/y"}], "effects": [{"on": "a"}]},
    {"derives": [{"name": "d", "type": "bool", "cel": "a"}, {"name": "d", "type": "bool", "cel": "b"}]},
    {"derives": [{"name": "d", "type": "float", "cel": "a"}]},
    {"surprise": []},
]


@pytest.mark.parametrize("parts", CONTRADICTIONS)
def test_a_registration_that_contradicts_itself_is_refused(parts: dict[str, Json]) -> None:
    with pytest.raises(ValidationError):
        spec(**parts)


def test_a_registration_reads_back_as_it_was_written() -> None:
    assert FactSpec.model_validate_json(ORDERS.model_dump_json()) == ORDERS
    assert FactSpec() == spec()
