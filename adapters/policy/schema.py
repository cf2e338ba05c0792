"""The Cedar schema that tools generate: each tool is an action with a context of its own."""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.policy.shapes import (
    BOOL,
    DATETIME,
    FACT_SHAPES,
    LONG,
    STRING,
    Record,
    SetOf,
    Shape,
    cedar_type,
)
from application.policy import ToolView
from domain.facts.spec import RESERVED, FactSpec
from domain.kernel import Json

CALL: Final = "call"
"""The action group that every tool is in, beside the one of its risk class."""

_STRINGS = SetOf(STRING)

AGENT: Final = Record(
    {
        "discipline": (STRING, True),
        "model": (STRING, True),
        "owner": (STRING, True),
        "prompt_version": (STRING, True),
        "team": (STRING, False),
        "roles": (_STRINGS, True),
    }
)
TOOL: Final = Record({"risk": (STRING, True), "reads": (_STRINGS, True), "sinks": (_STRINGS, True)})
RUN: Final = Record(
    {
        "id": (STRING, True),
        "purpose": (STRING, True),
        "recorded": (BOOL, True),
        "started_at": (DATETIME, True),
        "labels": (_STRINGS, True),
        "sources": (_STRINGS, True),
        "done": (_STRINGS, True),
        "failed": (_STRINGS, True),
        "times_done": (LONG, True),
        "times_failed": (LONG, True),
        "identical_done": (LONG, True),
        "identical_failed": (LONG, True),
    }
)
"""`done` and `failed` are names of tools; `times_*` count this tool, `identical_*` this very call."""


def context_of(arguments: Record, facts: FactSpec) -> Record:
    """What a policy sees as `context` in a call of one tool."""
    derived: dict[str, tuple[Shape, bool]] = {
        each.name: (FACT_SHAPES[each.type], not each.optional) for each in facts.derives
    }
    return Record(
        {
            "args": (arguments, True),
            "facts": (_facts_of(facts), True),
            "derived": (Record(derived), True),
            "run": (RUN, True),
            "now": (DATETIME, True),
            "on_behalf_of": (STRING, False),
        }
    )


def schema_of(tools: Sequence[tuple[ToolView, Record]]) -> dict[str, Json]:
    """The schema in Cedar's JSON format, for tools with their contexts."""
    groups: dict[str, Json] = {CALL: {}}
    actions: dict[str, Json] = {}
    for tool, context in tools:
        groups[tool.risk] = {}
        actions[tool.name] = {
            "memberOf": [{"id": group} for group in groups_of(tool)],
            "appliesTo": {
                "principalTypes": ["Agent"],
                "resourceTypes": ["Tool"],
                "context": cedar_type(context),
            },
        }
    entities: Mapping[str, Json] = {
        "Agent": {"shape": cedar_type(AGENT)},
        "Tool": {"shape": cedar_type(TOOL)},
    }
    return {"": {"entityTypes": entities, "actions": {**groups, **actions}}}


def groups_of(tool: ToolView) -> tuple[str, ...]:
    """The action groups that a tool is in."""
    return tuple(dict.fromkeys((CALL, tool.risk)))


def _facts_of(spec: FactSpec) -> Record:
    members: dict[str, tuple[Shape, bool]] = {}
    sources: dict[str, tuple[Shape, bool]] = {}
    for reference in spec.points_at:
        sources[reference.name] = (STRING, False)
        if reference.each is None:
            fields = {name: (FACT_SHAPES[type_], False) for name, type_ in reference.types.items()}
            members[reference.name] = (Record(fields), False)
    if sources:
        members[RESERVED] = (Record(sources), False)
    return Record(members)
