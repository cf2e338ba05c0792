"""The eventsourcing library's recorder on our log: its interfaces, its tests, but our way of appending.

The library's own insert takes an exclusive lock on the table for every append, which forbids group commit,
and numbers events by a sequence, which leaves holes. Events that carry no envelope, as the library makes
them, belong to the tenant `platform` and have an empty context.
"""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    InterfaceError,
    Notification,
    OperationalError,
    PersistenceError,
    ProgrammingError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore, PostgresSubscription
from psycopg.conninfo import conninfo_to_dict

from adapters.event_store.envelope import Envelope
from adapters.event_store.writer import GroupWriter
from adapters.event_store.writes import Head, Write
from application.ports import Clock, ConcurrentWrite
from domain.kernel import Rejected

PLATFORM = "platform"
COLUMNS: LiteralString = (
    "SELECT position, tenant, stream, version, event_id::text AS event_id, name, schema_version, context,"
    " body FROM event_log.events"
)


def datastore(conninfo: str, *, connections: int = 2) -> PostgresDatastore:
    """The library's pool for one of our roles."""
    known = conninfo_to_dict(conninfo)
    return PostgresDatastore(
        dbname=str(known["dbname"]),
        host=str(known["host"]),
        port=str(known.get("port", 5432)),
        user=str(known["user"]),
        password=str(known.get("password", "")),
        schema="event_log",
        originator_id_type="text",
        pool_size=connections,
    )


class EventRecorder(PostgresApplicationRecorder):
    """Records through a group-commit writer; reads with the rights of the writer and the follower role."""

    def __init__(
        self, tenants: PostgresDatastore, followers: PostgresDatastore, writer: GroupWriter, clock: Clock
    ) -> None:
        super().__init__(tenants, events_table_name="events")
        self.channel_name = "event_log"
        self.followers = followers
        self._writer, self._clock = writer, clock

    def create_table(self) -> None:
        """Refused: tables are made by migrations."""
        raise ProgrammingError("the log's tables are made by migrations, never by the library")

    async def ainsert(self, stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        """Append all or nothing; the positions. Call it on the writer's event loop.

        Raises IntegrityError for a conflict and OperationalError where the log is busy or away.
        """
        if not stored_events:
            return []
        events = [self._enveloped(event) for event in stored_events]
        places = {(str(event.originator_id), event.originator_version) for event in events}
        if len(places) < len(events):
            raise IntegrityError("a version is written twice")
        heads: dict[str, Head] = {}
        for event in events:
            stream = str(event.originator_id)
            if stream not in heads:
                heads[stream] = Head(event.tenant, stream, None, event.originator_version)
        try:
            first = await self._writer.write(Write(events, list(heads.values())))
        except ConcurrentWrite:
            raise IntegrityError("somebody else wrote to the stream first") from None
        except Rejected as error:
            raise OperationalError(str(error)) from None
        return range(first, first + len(events))

    def _enveloped(self, event: StoredEvent) -> Envelope:
        if isinstance(event, Envelope):
            return event
        return Envelope(
            originator_id=str(event.originator_id),
            originator_version=event.originator_version,
            topic=event.topic,
            state=event.state,
            tenant=PLATFORM,
            event_id=self._clock.new_id(),
            schema_version=1,
            context=b"",
        )

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: object) -> Sequence[int] | None:
        """The same for a thread that is not the writer's."""
        if kwargs:
            raise ProgrammingError("the log records events and nothing else")
        positions = asyncio.run_coroutine_threadsafe(self.ainsert(stored_events), self._writer.loop).result()
        return list(positions)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        stream = str(originator_id)
        tenant = stream.partition("/")[0] if "/" in stream else PLATFORM
        order: LiteralString = "DESC" if desc else "ASC"
        query: LiteralString = f"{COLUMNS} WHERE stream = %s AND version > %s AND version <= %s"
        query += f" ORDER BY version {order} LIMIT %s"
        given = [stream, -1 if gt is None else gt, 2**62 if lte is None else lte, limit]
        with _told(), self.datastore.transaction(commit=True) as cursor:
            cursor.execute("SELECT set_config('magistrate.tenants', %s, true)", [tenant])
            return [_stored(row) for row in cursor.execute(query, given, prepare=True).fetchall()]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = (start or 0) - (1 if inclusive_of_start and start is not None else 0)
        query: LiteralString = f"{COLUMNS} WHERE position > %s AND position <= %s"
        given: list[Any] = [after, 2**62 if stop is None else stop]
        if topics:
            query += " AND name = ANY (%s)"
            given.append(list(topics))
        query += " ORDER BY position LIMIT %s"
        with _told(), self.followers.get_connection() as connection:
            rows = connection.execute(query, [*given, limit], prepare=True).fetchall()
        return [
            Notification(
                originator_id=row["stream"],
                originator_version=row["version"],
                topic=row["name"],
                state=bytes(row["body"]),
                id=row["position"],
            )
            for row in rows
        ]

    def max_notification_id(self) -> int | None:
        with _told(), self.followers.get_connection() as connection:
            row = connection.execute("SELECT position FROM event_log.log_head").fetchone()
        return cast("int", row["position"]) or None if row else None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        return LastingSubscription(self, gt=gt, topics=topics)


class LastingSubscription(PostgresSubscription):
    """The library's subscription, which outlives its connections and cannot sleep through a wake-up."""

    _recorder: EventRecorder

    def _listen(self) -> None:
        while not self._is_over():
            with suppress(PersistenceError), self._recorder.followers.get_connection() as connection:
                connection.execute("LISTEN event_log")
                while not self._is_over():
                    for _ in connection.notifies(timeout=0.5, stop_after=1):
                        pass
                    self._has_been_notified.set()  # heard or not: a wake-up may have come before we listened
            self._has_been_notified.set()

    def _is_over(self) -> bool:
        return self._has_been_stopped or self._thread_error is not None

    def _pull(self) -> None:
        with suppress(OperationalError, InterfaceError):
            super()._pull()


def _stored(row: dict[str, Any]) -> StoredEvent:
    if not row["context"]:
        return StoredEvent(row["stream"], row["version"], row["name"], bytes(row["body"]))
    return Envelope(
        originator_id=row["stream"],
        originator_version=row["version"],
        topic=row["name"],
        state=bytes(row["body"]),
        tenant=row["tenant"],
        event_id=row["event_id"],
        schema_version=row["schema_version"],
        context=bytes(row["context"]),
    )


@contextmanager
def _told() -> Generator[None]:
    """The library puts the database's message into its errors; messages can quote values."""
    try:
        yield
    except PersistenceError as error:
        raise type(error)("the event log could not be read") from None
    except psycopg.Error:
        raise OperationalError("the event log could not be read") from None


@contextmanager
def in_background(writer: GroupWriter) -> Generator[GroupWriter]:
    """Runs a writer on an event loop of its own, for programs that have none."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="group-commit loop", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(writer.open(), loop).result()
        try:
            yield writer
        finally:
            asyncio.run_coroutine_threadsafe(writer.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
