"""A small domain of notes and rules, and logs to keep it in: what the event log's tests share."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from adapters.clock import FixedClock
from adapters.event_store.connections import Patience
from adapters.event_store.log import StoredEventLog
from adapters.event_store.memory import MemoryEventLog
from adapters.event_store.postgres import PostgresEventLog
from adapters.event_store.vocabulary import Vocabulary, Word
from adapters.keys.master import MasterKey
from application.ports import Append, Clock, Context, StreamId
from domain.kernel import Command, Decider, Event, Json, Personal
from tests.postgres import Database


class NoteTaken(Event):
    """`about` are pointers into `text`; what stands there belongs to `subject`."""

    text: Json
    subject: str = ""
    about: tuple[str, ...] = ()

    def personal(self) -> Iterable[Personal]:
        return [Personal(f"/text{pointer}", self.subject) for pointer in self.about]


class RuleMade(Event):
    rule: str


@dataclass(frozen=True)
class Notebook:
    texts: tuple[Json, ...] = ()


def evolve(notebook: Notebook | None, event: Event) -> Notebook:
    known = notebook or Notebook()
    return Notebook((*known.texts, event.text)) if isinstance(event, NoteTaken) else known


def decide(command: Command, notebook: Notebook | None) -> Sequence[Event]:
    return []


notes = Decider(category="note", decide=decide, evolve=evolve, state=Notebook)
WORDS = Vocabulary((Word("note.taken", 1, NoteTaken), Word("rule.made", 1, RuleMade, law=True)))
MASTER = MasterKey(bytes(range(32)))
WHY = Context(actor="ada", at=datetime(2026, 1, 1, tzinfo=UTC), correlation_id="c-1")
IMPATIENT = Patience(connect=2, statement=2, lock=1, outage=1)


def stream(name: str = "1", tenant: str = "acme", category: str = "note") -> StreamId:
    return StreamId(tenant, category, name)


def note(text: Json = "hello", name: str = "1", *, after: int = 0, tenant: str = "acme") -> Append:
    """One note on one stream."""
    return Append(stream(name, tenant), after, [NoteTaken(text=text)])


def about(subject: str, text: Json = "hello", *pointers: str, name: str = "1", after: int = 0) -> Append:
    """A note of which parts belong to a data subject: all of it unless pointers say otherwise."""
    taken = NoteTaken(text=text, subject=subject, about=pointers or ("",))
    return Append(stream(name), after, [taken])


def rule(name: str, *, after: int = 0, tenant: str = "acme") -> Append:
    """One law event."""
    return Append(stream(name, tenant, "rule"), after, [RuleMade(rule="r")])


def memory_log(clock: Clock) -> StoredEventLog:
    return MemoryEventLog(clock, vocabulary=WORDS, master_key=MASTER)


def postgres_log(
    database: Database,
    clock: Clock | None = None,
    *,
    patience: Patience = IMPATIENT,
    most_waiting: int = 20_000,
) -> PostgresEventLog:
    return PostgresEventLog(
        database.url("writer"),
        database.url("follower"),
        clock or FixedClock(),
        MASTER,
        vocabulary=WORDS,
        patience=patience,
        most_waiting=most_waiting,
    )


@asynccontextmanager
async def opened(log: StoredEventLog) -> AsyncGenerator[StoredEventLog]:
    await log.open()
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest_asyncio.fixture(params=["memory", "postgres"])
async def log(request: pytest.FixtureRequest, clock: FixedClock) -> AsyncIterator[StoredEventLog]:
    if request.param == "memory":
        chosen = memory_log(clock)
    else:
        chosen = postgres_log(request.getfixturevalue("database"), clock)
    async with opened(chosen) as ready:
        yield ready
