"""Doubles that answer what a test has written down for them."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from application.policy import (
    ArgumentsInvalid,
    Ask,
    Determined,
    PolicySetInvalid,
    Question,
    Ruling,
    ToolInvalid,
    ToolView,
)
from domain.kernel import Json, Verdict

Rule = Callable[[Question], Ruling]


def allow(_: Question) -> Ruling:
    return Ruling(Verdict.ALLOW, (Determined("all", "permit", "All is well."),), (), {})


def deny(_: Question) -> Ruling:
    return Ruling(Verdict.DENY, (Determined("none", "forbid", "Not today."),), (), {"why": "not today"})


def ask(role: str = "approver", quorum: int = 1, *, within: int = 600) -> Rule:
    """Asks for so many people of a role."""
    wanted = Ask("consent", role, quorum, within, "A person should look.")
    return lambda _: Ruling(Verdict.ASK, (Determined("consent", "ask", wanted.reason),), (wanted,), {})


class ScriptedPolicy:
    """A PolicyEngine whose texts are the names of rules that a test has written down.

    A text is valid if it has a rule, and if it `fits` the tools by name.
    """

    version = "scripted 1"

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {"allow": allow, "deny": deny, "ask": ask()}
        self.fits: Callable[[str, Mapping[str, ToolView]], bool] = lambda text, tools: True
        self.questions: list[Question] = []

    def digest(self, text: str) -> str:
        return sha256(text.encode()).hexdigest()

    def check(self, text: str, tools: Sequence[ToolView]) -> None:
        if text not in self.rules or not self.fits(text, {view.name: view for view in tools}):
            raise PolicySetInvalid(errors=[{"policy": text}])

    def check_tool(self, tool: ToolView) -> None:
        if "impossible" in tool.arguments:
            raise ToolInvalid(errors=[{"pointer": "/arguments", "message": "This is impossible."}])

    def validate_arguments(self, tool: ToolView, arguments: Mapping[str, Json]) -> None:
        missing = [name for name in tool.arguments.get("required", []) if name not in arguments]
        if missing:
            raise ArgumentsInvalid(errors=missing)

    def rule(self, text: str, question: Question) -> Ruling:
        self.questions.append(question)
        return self.rules[text](question)
