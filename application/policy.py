"""What the application needs from a policy engine: questions about tool calls, and rulings on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.facts.records import FactRecord
from domain.facts.spec import FactSpec
from domain.kernel import Json, Rejected, Verdict


class PolicySetInvalid(Rejected):
    """The policy text is not valid for the registered tools. Every error is listed with its policy."""

    kind = "invalid"


class ToolInvalid(Rejected):
    """The tool's registration does not hold together. Every error is listed with its place."""

    kind = "invalid"


class ArgumentsInvalid(Rejected):
    """The arguments do not fit what the tool takes, or cannot be ruled on."""

    kind = "invalid"


@dataclass(frozen=True)
class Ask:
    """Consent that a policy wants before the call; `expires_in` is in seconds."""

    policy: str
    role: str
    quorum: int
    expires_in: int
    reason: str


@dataclass(frozen=True)
class Determined:
    """A policy that settled the ruling: `permit`, `forbid`, `ask`, `default` or `error`, and why."""

    policy: str
    effect: str
    reason: str


@dataclass(frozen=True)
class Ruling:
    """What policy says of a call. `determined` is sorted; `evidence` are the derived facts, by name."""

    verdict: Verdict
    determined: tuple[Determined, ...]
    asks: tuple[Ask, ...]
    evidence: Mapping[str, Json]


@dataclass(frozen=True)
class ToolView:
    """A tool as policies see it; `arguments` is the JSON Schema of its arguments."""

    name: str
    risk: str
    reads: tuple[str, ...]
    sinks: tuple[str, ...]
    arguments: Mapping[str, Json]
    facts: FactSpec


@dataclass(frozen=True)
class RunView:
    """A run as policies see it; `done` and `failed` are per tool, the identical ones per same arguments."""

    id: str
    labels: frozenset[str]
    done: Mapping[str, int]
    failed: Mapping[str, int]
    identical_done: int
    identical_failed: int
    sources: frozenset[str]
    purpose: str
    recorded: bool
    started_at: datetime


@dataclass(frozen=True)
class Question:
    """All that a ruling may rest on. `now` is aware and in UTC; `zone` is the tenant's IANA time zone."""

    tenant: str
    agent_id: str
    agent: Mapping[str, str | None]
    """`discipline`, `model`, `owner`, `team`, `prompt_version`."""
    roles: tuple[str, ...]
    principal: str
    on_behalf_of: str | None
    tool: ToolView
    arguments: Mapping[str, Json]
    known: Mapping[tuple[str, str], FactRecord]
    run: RunView
    now: datetime
    zone: str


class PolicyEngine(Protocol):
    """Rules on calls. A ruling is a function of text, question and `version`: asked again it is the same."""

    @property
    def version(self) -> str:
        """What decides: the engines with their versions, recorded with every decision."""
        ...

    def digest(self, text: str) -> str:
        """SHA-256 hex of the text."""
        ...

    def check(self, text: str, tools: Sequence[ToolView]) -> None:
        """Parses and validates a policy text against the tools; raises PolicySetInvalid."""
        ...

    def check_tool(self, tool: ToolView) -> None:
        """Checks that a registration holds together; raises ToolInvalid."""
        ...

    def validate_arguments(self, tool: ToolView, arguments: Mapping[str, Json]) -> None:
        """Checks arguments against the tool's JSON Schema; raises ArgumentsInvalid with every place."""
        ...

    def rule(self, text: str, question: Question) -> Ruling:
        """What the policies say; texts and tools are compiled once and kept."""
        ...
