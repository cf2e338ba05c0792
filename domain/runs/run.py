"""A run is one agent's bounded piece of work: what it proposed, what was decided, what it learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from immutables import Map

from domain.facts.records import FactRecord
from domain.kernel import Json, Verdict
from domain.runs.events import Determination, Seen
from domain.tables import Table


class Standing(StrEnum):
    """Where a run has got to; the last four are ends."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ESCALATED = "escalated"


class Stage(StrEnum):
    """Where a call has got to."""

    DENIED = "denied"
    ASKED = "asked"
    ALLOWED = "allowed"
    DISPATCHED = "dispatched"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Call:
    """One tool call; its arguments are let go once its outcome is known."""

    tool: str
    digest: str
    stage: Stage
    verdict: Verdict
    determined: tuple[Determination, ...]
    approval_id: str | None = None
    expires_at: str | None = None
    arguments: Mapping[str, Json] | None = None
    asked: Seen | None = None
    """While it waits for consent: who asked and when, for it is decided again for them."""


@dataclass(frozen=True)
class Tally:
    """How often something was done, and how often it failed since the run's write number `since`."""

    done: int = 0
    failed: int = 0
    since: int = 0


NEVER = Tally()

Figures: TypeAlias = tuple[str, int, int, int, int | None, str]
"""A model call's model, tokens in, out and cached, cost and currency."""


@dataclass(frozen=True)
class Run:
    """What a run's history adds up to."""

    run_id: str
    agent_id: str
    principal: str
    on_behalf_of: str | None
    subject: str | None
    purpose: str
    mode: str
    started_at: str
    salt: str
    standing: Standing = Standing.ACTIVE
    calls: Table[str, Call] = Map()
    labels: frozenset[str] = frozenset()
    tools: Table[str, Tally] = Map()
    actions: Table[str, Tally] = Map()
    """By action digest: the same tool with the same arguments."""
    unresolved: frozenset[str] = frozenset()
    """Digests whose outcome nobody knows."""
    facts: Table[tuple[str, str], FactRecord] = Map()
    sources: frozenset[str] = frozenset()
    """Who vouched for the outcomes so far."""
    proposal: tuple[str, str, Mapping[str, Json]] | None = None
    """Call id, tool and arguments between a proposal and its decision, which are one append."""
    model_calls: Table[str, Figures] = Map()
    spent: Table[str, int] = Map()
    """Micro-units by currency."""
    writes: int = 0
    """Successful writes so far; each forgives earlier failures, since what failed may succeed now."""

    def done(self, tallies: Map[str, Tally], key: str) -> int:
        """How often a tool or an action was done."""
        return tallies.get(key, NEVER).done

    def failed(self, tallies: Map[str, Tally], key: str) -> int:
        """How often a tool or an action failed since the last successful write."""
        tally = tallies.get(key, NEVER)
        return tally.failed if tally.since == self.writes else 0

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen in it."""
        return self.standing not in (Standing.ACTIVE, Standing.PAUSED)
