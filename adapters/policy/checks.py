"""What is checked before a policy text or a tool is kept, so that no decision finds it out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast
from zoneinfo import ZoneInfo

from adapters.policy.arguments import Arguments, SchemaInvalid
from adapters.policy.cedar import invalidities
from adapters.policy.expressions import DerivedFailed, Expressions, faults
from adapters.policy.reach import is_member, looked_at, members_in
from adapters.policy.samples import sample_arguments, sample_facts
from adapters.policy.schema import AGENT, CALL, RUN, TOOL, context_of, groups_of, schema_of
from adapters.policy.shapes import Record
from adapters.policy.texts import Fault, Policy, TextInvalid, parsed
from application.policy import PolicySetInvalid, ToolInvalid, ToolView
from domain.facts.bounds import storable
from domain.facts.spec import RESERVED
from domain.kernel import Json

Place = dict[str, str]
"""What a caller is told of a tool: `place`, a pointer into its registration, and `message`."""

_SAMPLE_NOW: Final = datetime(2024, 5, 15, 20, tzinfo=UTC)
_SAMPLE_ZONE: Final = ZoneInfo("UTC")
_GENERATED: Final = re.compile(r"^for policy `[^`]*`, ")


def checked_text(text: str, tools: Sequence[ToolView]) -> list[Policy]:
    """The policies of a text that is valid for the tools; raises PolicySetInvalid."""
    try:
        policies = parsed(text)
    except TextInvalid as no:
        raise PolicySetInvalid(errors=no.faults) from None
    errors = _clashes(tools)
    views = [(tool, context_of(Arguments(tool.arguments).shape, tool.facts)) for tool in tools]
    lines = {f"policy{index}": policy for index, policy in enumerate(policies)}
    for named, message in invalidities(text, schema_of(views)):
        policy = lines.get(named)
        place: Fault = {"policy": policy.id, "line": policy.line} if policy else {"policy": ""}
        errors.append({**place, "message": _GENERATED.sub("", message)})
    faulty = {error["policy"] for error in errors}
    for policy in policies:
        if policy.id not in faulty:
            errors += _unknown_members(policy, views)
    if errors:
        raise PolicySetInvalid(errors=errors)
    return policies


def _unknown_members(policy: Policy, views: Sequence[tuple[ToolView, Record]]) -> Iterable[Fault]:
    """Members that nothing declares. Cedar takes `has` of one for false, so a typo would switch a forbid off.

    A member that only some of the tools have is no mistake: with `has` a policy tells tools apart.
    """
    contexts = [context for tool, context in views if policy.is_about(tool.name, *groups_of(tool))]
    for variable, records in (("context", contexts), ("principal", [AGENT]), ("resource", [TOOL])):
        for path in members_in(looked_at([policy.body], variable)):
            if records and not any(is_member(record, path) for record in records):
                message = f"`{'.'.join((variable, *path))}` is not declared"
                yield {"policy": policy.id, "line": policy.line, "message": message}


def _clashes(tools: Sequence[ToolView]) -> list[Fault]:
    groups = {CALL, *(tool.risk for tool in tools)}
    message = "is both a tool and a group of tools"
    return [{"policy": "", "message": f"`{tool.name}` {message}"} for tool in tools if tool.name in groups]


def check_tool(tool: ToolView) -> None:
    """Raises ToolInvalid with every place that does not hold together."""
    places: list[Place] = []
    if tool.name in (CALL, tool.risk):
        places.append({"place": "/name", "message": "is also the name of a group of tools"})
    try:
        Arguments(tool.arguments)
    except SchemaInvalid as no:
        places.append({"place": no.place, "message": no.message})
        raise ToolInvalid(errors=places) from None
    for index, effect in enumerate(tool.facts.effects):
        if not storable(dict(effect.mark)):
            places.append({"place": f"/facts/effects/{index}/mark", "message": "cannot be stored"})
    places += _derived_faults(tool)
    if not places:
        places += _sample_faults(tool)
    if places:
        raise ToolInvalid(errors=places)


def _derived_faults(tool: ToolView) -> list[Place]:
    properties = cast("Mapping[str, Json]", tool.arguments.get("properties", {}))
    names = {
        "args": properties.keys(),
        "facts": [*(reference.name for reference in tool.facts.points_at), RESERVED],
        "run": RUN.members.keys(),
    }
    return [
        {"place": _place(tool, name), "message": message}
        for name, message in faults(tool.facts.derives, names)
    ]


def _sample_faults(tool: ToolView) -> list[Place]:
    """Runs the expressions once; what a sample cannot know, like a missing field, passes."""
    args = sample_arguments(tool.arguments)
    try:
        Expressions(tool.facts).compute(
            args, sample_facts(tool.facts, args), SAMPLE_RUN, _SAMPLE_NOW, _SAMPLE_ZONE
        )
    except DerivedFailed as no:
        unknowable = isinstance(no.__cause__, KeyError | IndexError | ValueError | ArithmeticError)
        told_by_value = isinstance(no.__cause__, RuntimeError) and "Undefined" not in str(no.__cause__)
        if not unknowable and not told_by_value:
            return [{"place": _place(tool, no.name), "message": no.message}]
    return []


def _place(tool: ToolView, name: str) -> str:
    index = next(index for index, each in enumerate(tool.facts.derives) if each.name == name)
    return f"/facts/derives/{index}"


SAMPLE_RUN: Final[Mapping[str, Json]] = {
    "id": "sample",
    "purpose": "",
    "recorded": False,
    "started_at": _SAMPLE_NOW,
    "labels": [],
    "sources": [],
    "done": [],
    "failed": [],
    "times_done": 0,
    "times_failed": 0,
    "identical_done": 0,
    "identical_failed": 0,
}
