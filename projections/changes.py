"""What a read model is made of: tables, and the changes that recorded events make to their rows.

Every row holds from the position of the event that made it (`valid_from`); a row that is put ends where
its successor begins or where it is deleted (`valid_to`). So any read can be asked as of a position, and
nothing is ever overwritten. Tenant and positions come from the recorded event, not from the projection.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from domain.kernel import Json
from domain.record import Recorded

Row: TypeAlias = Mapping[str, Json]


class Add(NamedTuple):
    """A row that holds for ever from now on: a line of a timeline, a recorded decision."""

    table: str
    row: Row


class Put(NamedTuple):
    """What holds for a key from now on; what held before ends here. `row` includes the key's columns."""

    table: str
    key: tuple[str, ...]
    row: Row


class Delete(NamedTuple):
    """What held for a key ends here without a successor. Deleting what does not hold changes nothing."""

    table: str
    key: tuple[str, ...]


Change: TypeAlias = Add | Put | Delete


@dataclass(frozen=True)
class Table:
    """Rows of one shape. A table with a `key` has versions of rows (Put, Delete); others only grow (Add)."""

    name: str
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadModel:
    """Tables filled by one pure function of recorded events.

    Raise `version` when `project` changes its mind about any event: then the tables are rebuilt.
    """

    name: Literal["runs", "decisions", "approvals"]
    version: int
    follows: tuple[str, ...]
    """The names of the events it makes something of; the others pass it by."""
    tables: tuple[Table, ...]
    project: Callable[[Recorded], Iterable[Change]]
