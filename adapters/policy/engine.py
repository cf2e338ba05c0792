"""The policy engine: Cedar decides, on arguments, facts, and what CEL derives from them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cachetools import LRUCache

from adapters.policy.arguments import Arguments
from adapters.policy.checks import check_tool, checked_text
from adapters.policy.compiled import ENGINE, Compiled, denied
from adapters.policy.expressions import DerivedFailed, Expressions
from adapters.policy.schema import context_of
from adapters.policy.shapes import Unrepresentable
from adapters.policy.texts import LABELS, Policy, TextInvalid, parsed
from application.policy import Question, Ruling, ToolView
from domain.facts.view import seen
from domain.kernel import Json

RULES: Final = 1
"""Raise it when the same policies may come to another ruling on the same question."""

_TOOLS_KEPT, _TEXTS_KEPT, _SETS_KEPT = 4_096, 64, 4_096
_MAX_EVIDENCE, _MAX_ELEMENTS = 500, 64


class CedarEngine:
    """Compiles each text for each tool once and keeps it; see `application.policy.PolicyEngine`."""

    def __init__(self) -> None:
        self._tools: LRUCache[int, _Tool] = LRUCache(_TOOLS_KEPT)
        self._texts: LRUCache[str, list[Policy]] = LRUCache(_TEXTS_KEPT)
        self._sets: LRUCache[tuple[str, int], tuple[_Tool, Compiled]] = LRUCache(_SETS_KEPT)
        cedar, cel = version("cedarpy"), version("common-expression-language")
        self._version = f"cedarpy {cedar}; cel {cel}; rules {RULES}"

    @property
    def version(self) -> str:
        """Engines and rules, as recorded with each decision."""
        return self._version

    def digest(self, text: str) -> str:
        """SHA-256 hex of the text as UTF-8."""
        return hashlib.sha256(text.encode()).hexdigest()

    def check(self, text: str, tools: Sequence[ToolView]) -> None:
        """Raises PolicySetInvalid with `errors`, each with policy, line and message."""
        checked_text(text, tools)

    def check_tool(self, tool: ToolView) -> None:
        """Raises ToolInvalid with `errors`, each with place and message."""
        check_tool(tool)

    def validate_arguments(self, tool: ToolView, arguments: Mapping[str, Json]) -> None:
        """Raises ArgumentsInvalid with `errors`, each with pointer and message."""
        self._tool(tool).arguments.validate(arguments)

    def rule(self, text: str, question: Question) -> Ruling:
        """What the policies say; whatever cannot be evaluated denies, with the culprit named."""
        forbidden = sorted(question.run.labels.intersection(question.tool.sinks))
        if forbidden:
            reason = f"The run carries {', '.join(forbidden)}, which may not reach {question.tool.name}."
            return denied("forbid", (LABELS, reason))
        try:
            tool, compiled = self._compiled(text, question.tool)
        except TextInvalid:
            return denied("error", ("policy-set", "The policy text does not parse."))
        return _ruled(tool, compiled, question)

    def _compiled(self, text: str, view: ToolView) -> "tuple[_Tool, Compiled]":
        # By identity: the law keeps one view per edition of a tool, and hashing one would cost more than
        # ruling. The entry holds the view, so that its id cannot pass to another while it is kept.
        known = self._sets.get((text, id(view)))
        if known is not None and known[0].view is view:
            return known
        policies = self._texts.get(text)
        if policies is None:
            policies = self._texts[text] = parsed(text)
        tool = self._tool(view)
        entry = tool, Compiled(policies, view, tool.context)
        self._sets[text, id(view)] = entry
        return entry

    def _tool(self, view: ToolView) -> "_Tool":
        known = self._tools.get(id(view))
        if known is None or known.view is not view:
            known = self._tools[id(view)] = _Tool(view)
        return known


class _Tool:
    """A tool with its schema and expressions compiled."""

    def __init__(self, view: ToolView) -> None:
        self.view = view
        self.arguments = Arguments(view.arguments)
        self.expressions = Expressions(view.facts)
        self.context = context_of(self.arguments.shape, view.facts)


def _ruled(tool: _Tool, compiled: Compiled, question: Question) -> Ruling:
    facts = seen(tool.view.facts, question.arguments, question.known)
    # What neither an expression nor a policy looks at is not worth writing down.
    run = _run(question) if tool.expressions or "run" in compiled.context.members else {}
    derived: dict[str, Json] = {}
    try:
        zone = ZoneInfo(question.zone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return denied("error", (ENGINE, f"There is no time zone {question.zone}."))
    try:
        if tool.expressions:
            derived = tool.expressions.compute(question.arguments, facts, run, question.now, zone)
        context = {
            "args": question.arguments,
            "facts": facts,
            "derived": derived,
            "run": run,
            "now": question.now,
            "on_behalf_of": question.on_behalf_of,
        }
        ruling = compiled.rule(question, context, zone)
    except DerivedFailed as no:
        return denied("error", (f"derived.{no.name}", f"{no.name} could not be computed: {no.message}"))
    except Unrepresentable as no:
        return denied("error", (ENGINE, f"{no.pointer or 'The request'} {no.message}."))
    if not derived:
        return ruling
    evidence = {name: _bounded(value) for name, value in derived.items()}
    return Ruling(ruling.verdict, ruling.determined, ruling.asks, evidence)


def _run(question: Question) -> dict[str, Json]:
    run, tool = question.run, question.tool.name
    return {
        "id": run.id,
        "purpose": run.purpose,
        "recorded": run.recorded,
        "started_at": run.started_at,
        "labels": sorted(run.labels),
        "sources": sorted(run.sources),
        "done": sorted(name for name, times in run.done.items() if times),
        "failed": sorted(name for name, times in run.failed.items() if times),
        "times_done": run.done.get(tool, 0),
        "times_failed": run.failed.get(tool, 0),
        "identical_done": run.identical_done,
        "identical_failed": run.identical_failed,
    }


def _bounded(value: Json) -> Json:
    """A derived value as the audit trail keeps it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return value[:_MAX_EVIDENCE]
    if isinstance(value, list):
        elements = cast("Sequence[Json]", value)[:_MAX_ELEMENTS]
        return [_bounded(element) for element in elements]
    return value
