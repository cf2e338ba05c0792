"""What is refused before it could decide anything: policy texts, tools, arguments."""

from typing import cast

import pytest

from adapters.policy.engine import CedarEngine
from application.policy import ArgumentsInvalid, PolicySetInvalid, ToolInvalid
from domain.kernel import Json, Rejected
from tests.adapters.policy_world import ARGUMENTS, PERMIT, REFUND, forbid, tool

ENGINE = CedarEngine()


def errors(refused: pytest.ExceptionInfo[Rejected]) -> list[dict[str, Json]]:
    assert refused.value.kind == "invalid"
    return cast("list[dict[str, Json]]", refused.value.evidence["errors"])


def refused_text(text: str) -> list[dict[str, Json]]:
    with pytest.raises(PolicySetInvalid) as refused:
        ENGINE.check(text, [REFUND, tool("look", risk="read")])
    return errors(refused)


def refused_tool(**changes: Json) -> list[dict[str, Json]]:
    with pytest.raises(ToolInvalid) as refused:
        ENGINE.check_tool(tool(**changes))
    return errors(refused)


def derived(cel: str, kind: str = "bool") -> dict[str, Json]:
    reference = {"name": "order", "kind": "order", "key": ["/order"], "types": {"paid": "long"}}
    return {"points_at": [reference], "derives": [{"name": "d", "type": kind, "cel": cel}]}


def test_the_engine_says_which_versions_decide() -> None:
    assert ENGINE.version.startswith("cedarpy ")
    assert "rules" in ENGINE.version


def test_a_text_is_named_by_its_sha256() -> None:
    assert ENGINE.digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_valid_text_is_accepted() -> None:
    ENGINE.check(
        PERMIT
        + forbid("f", "context.derived.overdrawn", '@ask("approver")').replace(
            "action, resource", 'action == Action::"refund", resource'
        ),
        [REFUND, tool("look", facts={})],
    )


def test_every_policy_that_does_not_parse_is_named_with_its_line() -> None:
    text = '// first\n\n@id("a") permit(principal, action;\n' + PERMIT + '@id("b")\nforbid(principal);\n'
    assert [(each["policy"], each["line"]) for each in refused_text(text)] == [("a", 3), ("b", 5)]


def test_a_semicolon_in_a_string_or_comment_ends_no_policy() -> None:
    ENGINE.check(
        '// a; "b\n@id("a") @reason("x; \\" y") permit(principal, action, resource); // end', [REFUND]
    )


@pytest.mark.parametrize(
    ("text", "policy", "message"),
    [
        ("permit(principal, action, resource);", "", "@id"),
        ("@id permit(principal, action, resource);", "", "@id"),
        ('@id("labels") permit(principal, action, resource);', "labels", "reserved"),
        ('@id("derived.x") permit(principal, action, resource);', "derived.x", "reserved"),
        ('@id("a b") permit(principal, action, resource);', "a b", "plain name"),
        ('@id("a") @ask("approver") permit(principal, action, resource);', "a", "belongs on a forbid"),
        ('@id("a") @ask forbid(principal, action, resource);', "a", "name of a role"),
        ('@id("a") @ask("x") @quorum("0") forbid(principal, action, resource);', "a", "@quorum"),
        ('@id("a") @ask("x") @quorum("21") forbid(principal, action, resource);', "a", "@quorum"),
        ('@id("a") @ask("x") @quorum("two") forbid(principal, action, resource);', "a", "@quorum"),
        ('@id("a") @ask("x") @expires("0m") forbid(principal, action, resource);', "a", "@expires"),
        ('@id("a") @ask("x") @expires("31d") forbid(principal, action, resource);', "a", "@expires"),
        ('@id("a") @ask("x") @expires("soon") forbid(principal, action, resource);', "a", "@expires"),
        (f'@id("a") @reason("{"x" * 1001}") permit(principal, action, resource);', "a", "@reason"),
        ('@id("a") @quorum("2") forbid(principal, action, resource);', "a", "no @ask"),
        ('@id("a") permit(principal == ?principal, action, resource);', "", "template"),
        (forbid("a", "context.nope"), "a", "`nope`"),
        (forbid("a", 'context.args.note == "x"'), "a", "optional attribute"),
        (forbid("a", 'context.args.cents == "x"'), "a", "types"),
        (forbid("a", "context.derived.left > 1"), "a", "optional attribute"),
        (forbid("a", "context.facts.order.paid > 1"), "a", "optional attribute"),
        (forbid("a", "context.args has anything && context.args.anything"), "a", "anything"),
        ('@id("a") forbid(principal, action == Action::"typo", resource);', "a", "unrecognized action"),
        ('@id("a") forbid(principal is User, action, resource);', "a", "unrecognized entity type"),
    ],
)
def test_a_text_that_would_not_mean_what_it_says_is_refused(text: str, policy: str, message: str) -> None:
    found = refused_text(text)
    assert {each["policy"] for each in found} == {policy}
    assert any(message in each["message"] for each in found)


def test_an_id_that_is_used_twice_is_refused_with_both_lines() -> None:
    (found,) = refused_text(PERMIT + PERMIT)
    assert (found["policy"], found["line"], found["message"]) == (
        "all",
        2,
        "has the id of the policy in line 1",
    )


def test_a_tool_and_a_group_of_tools_cannot_share_a_name() -> None:
    with pytest.raises(PolicySetInvalid):
        ENGINE.check(PERMIT, [REFUND, tool("money", risk="read")])
    assert refused_tool(name="money")[0]["place"] == "/name"
    assert refused_tool(name="call")[0]["place"] == "/name"


def test_the_shops_tool_holds_together() -> None:
    ENGINE.check_tool(REFUND)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "array"}, "/arguments/type"),
        ({}, "/arguments/type"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "/arguments/properties/a/type"),
        (
            {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/x"}}},
            "/arguments/properties/a/$ref",
        ),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, "/arguments"),
        ({"type": "object", "description": "x" * 70_000}, "/arguments"),
    ],
)
def test_a_schema_that_is_none_is_refused_with_its_place(schema: dict[str, Json], place: str) -> None:
    assert refused_tool(arguments=schema, facts={})[0]["place"].startswith(place)


@pytest.mark.parametrize(
    ("cel", "message"),
    [
        ("args.cents >", "parse"),
        ("nope == 1", "`nope` is not known"),
        ("args.typo == 1", "`args.typo` is not declared"),
        ("facts.typo == 1", "`facts.typo` is not declared"),
        ("run.typo == 1", "`run.typo` is not declared"),
        ("derived.later", "`derived.later` is not declared"),
        ("typo(args.cents)", "no function `typo`"),
        ("args.cents", "is no bool"),
        ("args.cents + 'x' == 'y'", "TypeError"),
        ("args.tags.all(a, args.tags.all(b, args.tags.all(c, true)))", "nested"),
    ],
)
def test_an_expression_that_could_never_work_is_refused_with_its_place(cel: str, message: str) -> None:
    (found,) = refused_tool(facts=derived(cel))
    assert found["place"] == "/facts/derives/0"
    assert message in found["message"]


@pytest.mark.parametrize(
    "cel",
    [
        "args.tags.exists(t, t == 'x')",
        "facts.order.anything.untyped == 1",
        "at(args.order) < now",
        "day(now) == '2024-05-15'",
        "sum(args.tags.map(t, 1)) > 0 && size(distinct(args.tags)) == 1",
        "range(size(args.tags)).all(i, args.tags[i] != '')",
        "'nope.typo' == args.order || has(run.labels)",
        "run.done.exists(t, t == 'look')",
    ],
)
def test_an_expression_that_may_work_is_accepted(cel: str) -> None:
    ENGINE.check_tool(tool(facts=derived(cel)))


def test_arguments_that_fit_pass() -> None:
    ENGINE.validate_arguments(
        REFUND, {"order": "o", "cents": 1, "rate": 0.25, "note": None, "anything": [1.123456]}
    )


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({}, ""),
        ({"order": "o", "cents": "1"}, "/cents"),
        ({"order": "o", "cents": 1, "surprise": 1}, ""),
        ({"order": "o", "cents": 1, "lines": [{"sku": "a"}, {"sku": 2}]}, "/lines/1/sku"),
        ({"order": "o", "cents": 1, "rate": 0.12345}, "/rate"),
        ({"order": "o", "cents": 1, "rate": 1e300}, "/rate"),
        ({"order": "o", "cents": 2**63}, ""),
        ({"order": "o", "cents": 1, "note": "\ud800"}, ""),
        ({"order": "o", "cents": 1, "anything": float("nan")}, ""),
        ({"order": "o", "cents": 1, "note": "x" * 300_000}, ""),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_place(
    arguments: dict[str, Json], pointer: str
) -> None:
    with pytest.raises(ArgumentsInvalid) as refused:
        ENGINE.validate_arguments(REFUND, arguments)
    assert errors(refused)[0]["pointer"] == pointer


def test_arguments_nested_without_end_are_refused() -> None:
    nested: Json = 1
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(ArgumentsInvalid):
        ENGINE.validate_arguments(REFUND, {"order": "o", "cents": 1, "anything": nested})


def test_a_pattern_takes_no_longer_for_a_hostile_argument() -> None:
    schema = {
        **ARGUMENTS,
        "properties": {**ARGUMENTS["properties"], "order": {"type": "string", "pattern": "^(a+)+$"}},
    }
    with pytest.raises(ArgumentsInvalid):
        CedarEngine().validate_arguments(
            tool(arguments=schema, facts={}), {"order": "a" * 10_000 + "!", "cents": 1}
        )
