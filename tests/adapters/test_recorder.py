"""The eventsourcing library's own recorder tests, run against our recorder."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from threading import Event, Thread
from uuid import UUID, uuid4

import eventsourcing.cryptography
import psycopg
import pytest
from eventsourcing.persistence import (
    AggregateRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)

from adapters.clock import SystemClock
from adapters.event_store.recorder import EventRecorder, datastore, in_background
from adapters.event_store.writer import GroupWriter
from tests.postgres import Database

# The library's tests import its first cipher, which needs a package that we have no other use for. Its
# second one has the same name and rests on `cryptography`.
sys.modules.setdefault("eventsourcing.cipher", eventsourcing.cryptography)

from eventsourcing.tests.persistence import (  # noqa: E402
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
)


@pytest.fixture
def recorder(database: Database) -> Iterator[EventRecorder]:
    clock = SystemClock()
    with ExitStack() as stack:
        tenants = stack.enter_context(datastore(database.url("writer"), connections=4))
        followers = stack.enter_context(datastore(database.url("follower"), connections=4))
        writer = stack.enter_context(
            in_background(GroupWriter(database.url("writer"), frozenset({"law"}), clock))
        )
        yield EventRecorder(tenants, followers, writer, clock)


class OurRecorder:
    """Hands the library's test case the recorder of the fixture, and originators that are text."""

    recorder: EventRecorder

    @pytest.fixture(autouse=True)
    def _given(self, recorder: EventRecorder) -> None:
        self.recorder = recorder

    def new_originator_id(self) -> str:
        return str(uuid4())


class TestAsApplicationRecorder(OurRecorder, ApplicationRecorderTestCase[EventRecorder]):
    def create_recorder(self) -> EventRecorder:
        return self.recorder

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class WithoutPositions(AggregateRecorder):
    """Aggregate recorders tell no positions; that is all that keeps ours from being one."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: object) -> None:
        self._recorder.insert_events(stored_events, **kwargs)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        return self._recorder.select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)


class TestAsAggregateRecorder(OurRecorder, AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return WithoutPositions(self.recorder)


def plain(stream: str, version: int = 1, topic: str = "topic") -> StoredEvent:
    return StoredEvent(stream, version, topic, b"state")


def test_the_library_makes_no_tables(recorder: EventRecorder) -> None:
    with pytest.raises(ProgrammingError):
        recorder.create_table()


def test_positions_are_contiguous_after_conflicts(recorder: EventRecorder) -> None:
    assert recorder.insert_events([plain("a")]) == [1]
    for _ in range(5):
        with pytest.raises(IntegrityError):
            recorder.insert_events([plain("a")])
    assert recorder.insert_events([plain("b"), plain("c")]) == [2, 3]


def test_an_error_quotes_no_value(recorder: EventRecorder) -> None:
    with pytest.raises(OperationalError) as refused:
        recorder.insert_events([plain("a", topic="secret\0name")])
    assert "secret" not in str(refused.value)
    assert recorder.insert_events([plain("a")]) == [1]


def test_a_subscription_outlives_its_connections(recorder: EventRecorder, database: Database) -> None:
    heard: list[Notification] = []
    enough = Event()
    with recorder.subscribe(gt=None) as subscription:

        def hear() -> None:
            for notification in subscription:
                heard.append(notification)
                if len(heard) == 3:
                    enough.set()
                    return

        listening = Thread(target=hear)
        listening.start()
        for n in range(3):
            recorder.insert_events([plain(f"s{n}")])
            with psycopg.connect(database.owner_url, autocommit=True) as owner:
                owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND usename = 'magistrate_follower'"
                )
        assert enough.wait(10)
        listening.join()
    assert [notification.id for notification in heard] == [1, 2, 3]
