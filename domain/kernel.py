"""The few words every slice of the domain is written in."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Json: TypeAlias = Any
"""What JSON can say: null, booleans, numbers, text, lists and objects of it."""

Money = Annotated[int, Field(ge=0, le=2**62)]
"""An amount in millionths of a currency's unit (micro-units); never a float."""

Instant = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
"""A point in time as it is stored: RFC 3339, UTC, always six decimals, so that text order is time order."""


def instant(moment: datetime) -> str:
    """An aware datetime as an Instant."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def moment(instant: str) -> datetime:
    """An Instant as an aware datetime."""
    return datetime.fromisoformat(instant)


def later(start: str, seconds: int) -> str:
    """The Instant so many seconds after another."""
    return instant(moment(start) + timedelta(seconds=seconds))


Id = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@+-]*$")
]
"""An identifier: UUIDv7 where we make it, else the outside's own; never with a slash."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
"""The name of a tool, label, discipline or model kind."""

Text = Annotated[str, StringConstraints(max_length=4_000)]
"""A few sentences for people."""


class Message(BaseModel):
    """A value that crosses a boundary: frozen, strict, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Command(Message):
    """What somebody asks for, named in the imperative."""


@dataclass(frozen=True)
class Personal:
    """A place in an event's body that belongs to a data subject and is stored encrypted.

    `pointer` is an RFC 6901 pointer into the body; `subject` names whose key seals it.
    """

    pointer: str
    subject: str


class Event(Message):
    """What happened, named in the past tense; never changed once recorded."""

    def personal(self) -> Iterable[Personal]:
        """The fields that must be sealed before a byte of this event is stored."""
        return ()


class Rejected(Exception):
    """A rule said no. The docstring is the message a caller reads; `evidence` says on what grounds."""

    kind: ClassVar[str] = "conflict"
    """What sort of no: `conflict`, `not-found`, `forbidden`, `invalid`, `expired`, `unavailable`."""

    def __init__(self, **evidence: object) -> None:
        super().__init__(type(self).__doc__ or type(self).__name__)
        self.evidence = evidence


class NotFound(Rejected):
    """There is no such thing."""

    kind = "not-found"


class Role(StrEnum):
    """What a principal may do within its tenant."""

    ADMIN = "admin"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    AGENT = "agent"


class Source(StrEnum):
    """Who vouches for an outcome or a fact; policies may require better than `agent`."""

    AGENT = "agent"
    TOOL = "tool"
    GATEWAY = "gateway"
    EXECUTOR = "executor"


class Verdict(StrEnum):
    """What a decision says; where several apply the most restrictive wins."""

    DENY = "deny"
    THROTTLE = "throttle"
    ASK = "ask"
    ALLOW = "allow"


C = TypeVar("C", bound=Command)
S = TypeVar("S")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Decider(Generic[C, S, E]):
    """The rules of one kind of stream: what may happen, and what then is true.

    `decide` raises `Rejected` or returns the events (none: nothing to do); `evolve` folds one event
    and never refuses. `fold` numbers the meaning of `evolve`: raise it when stored snapshots no longer fit.
    """

    category: str
    decide: Callable[[C, S | None], Sequence[E]]
    evolve: Callable[[S | None, E], S]
    state: type[S]
    fold: int = 1


def fold(decider: Decider[C, S, E], history: Iterable[E], known: S | None = None) -> S | None:
    """What a history adds up to."""
    for event in history:
        known = decider.evolve(known, event)
    return known


def changed(state: S, **fields: object) -> S:
    """A copy of a dataclass with some fields set: `replace` without `__init__`, for the hot path.

    Only for states without checks of their own: nothing is validated, so the names must be right.
    """
    copy = object.__new__(type(state))
    copy.__dict__.update(state.__dict__)
    copy.__dict__.update(fields)
    return copy
