"""The event log in Postgres: one writer, a pool for reading a tenant's rows, and one for followers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

from adapters.event_store.connections import Patience
from adapters.event_store.envelope import Envelope, Placed
from adapters.event_store.listening import Listener
from adapters.event_store.log import StoredEventLog
from adapters.event_store.pools import Pool, Rows
from adapters.event_store.storage import StoredSnapshot, WrappedKey
from adapters.event_store.vocabulary import VOCABULARY, Vocabulary
from adapters.event_store.writer import MOST_WAITING, GroupWriter
from adapters.event_store.writes import KeptAnswer, Write
from adapters.keys.master import MasterKey
from application.ports import Clock, IdempotencyKey, StreamId

EVENTS: LiteralString = (
    "SELECT position, tenant_position, tenant, stream, version, event_id::text, name, schema_version,"
    " context, body FROM event_log.events"
)
KEYS: LiteralString = "SELECT tenant, subject, key_id::text, wrapped FROM event_log.subject_keys"

SNAPSHOT: LiteralString = "SELECT version, fold, subjects, bytes FROM event_log.snapshots WHERE stream = %s"
BEHIND: LiteralString = (
    "WITH kept AS (SELECT version FROM event_log.snapshots WHERE stream = %s AND fold = %s) "  # noqa: S608 -- constants
    + EVENTS
    + " WHERE stream = %s AND version > coalesce((SELECT kept.version FROM kept), 0) ORDER BY version"
)
DESTROY_KEYS: LiteralString = (
    "UPDATE event_log.subject_keys SET wrapped = NULL, destroyed_at = %s"
    " WHERE tenant = %s AND subject = %s AND destroyed_at IS NULL"
)
LOCK_KEYS: LiteralString = (
    "SELECT FROM event_log.subject_keys WHERE tenant = %s AND subject = ANY (%s) FOR SHARE"
)
KEEP_SNAPSHOT: LiteralString = (
    "INSERT INTO event_log.snapshots AS kept (version, fold, tenant, stream, subjects, bytes)"
    " SELECT %s, %s, %s, %s, %s, %s WHERE NOT EXISTS (SELECT FROM event_log.subject_keys"
    "  WHERE tenant = %s AND subject = ANY (%s) AND destroyed_at IS NOT NULL)"
    " ON CONFLICT (stream) DO UPDATE SET version = excluded.version, fold = excluded.fold,"
    "  subjects = excluded.subjects, bytes = excluded.bytes"
    " WHERE (kept.fold, kept.version) < (excluded.fold, excluded.version)"
)


class PostgresEventLog(StoredEventLog):
    """The event log of a deployment. `open` before use, `close` after; bound to one event loop."""

    def __init__(
        self,
        writer_url: str,
        follower_url: str,
        clock: Clock,
        master_key: MasterKey,
        *,
        vocabulary: Vocabulary = VOCABULARY,
        answers_kept: timedelta = timedelta(hours=24),
        patience: Patience | None = None,
        most_waiting: int = MOST_WAITING,
        readers: int = 4,
    ) -> None:
        """`writer_url` and `follower_url` log in as those roles; `readers` is the size of each pool."""
        storage = PostgresStorage(
            writer_url,
            follower_url,
            frozenset(vocabulary.law_names),
            clock,
            patience=patience or Patience(),
            most_waiting=most_waiting,
            readers=readers,
        )
        super().__init__(storage, clock, master_key, vocabulary=vocabulary, answers_kept=answers_kept)


class PostgresStorage:
    """The Storage of a deployment."""

    def __init__(
        self,
        writer_url: str,
        follower_url: str,
        law_names: frozenset[str],
        clock: Clock,
        *,
        patience: Patience,
        most_waiting: int = MOST_WAITING,
        readers: int = 4,
    ) -> None:
        self._patience, self._readers = patience, readers
        self._writer = GroupWriter(writer_url, law_names, clock, patience=patience, most_waiting=most_waiting)
        self._tenants = Pool(writer_url, patience, readers, "magistrate reader")
        self._all = Pool(follower_url, patience, readers, "magistrate follower")
        self._listener = Listener(follower_url, patience)

    async def open(self) -> None:
        await self._writer.open()
        await self._tenants.open()
        await self._all.open()
        self._listener.open()

    async def close(self) -> None:
        await self._listener.close()
        await self._writer.close()
        await self._tenants.close()
        await self._all.close()

    async def write(self, write: Write) -> int:
        return await self._writer.write(write)

    async def stream(self, stream: StreamId, after: int) -> Sequence[Placed]:
        query: LiteralString = f"{EVENTS} WHERE stream = %s AND version > %s ORDER BY version"
        (rows,) = await self._tenants.rows_of(stream.tenant, (query, [str(stream), after]))
        return [placed(row) for row in rows]

    async def read(
        self,
        after: int,
        limit: int,
        *,
        upto: int | None = None,
        tenant: str | None = None,
        categories: Sequence[str] = (),
        names: Sequence[str] = (),
    ) -> Sequence[Placed]:
        query, given = events_query(
            after, limit, upto=upto, tenant=tenant, categories=categories, names=names
        )
        if tenant is None:
            rows = await self._all.rows(query, given)
        else:
            (rows,) = await self._tenants.rows_of(tenant, (query, given))
        return [placed(row) for row in rows]

    async def head(self) -> int:
        rows = await self._all.rows("SELECT position FROM event_log.log_head", [])
        return int(rows[0][0])

    async def law_head(self, tenant: str) -> int:
        query: LiteralString = "SELECT law_position FROM event_log.tenant_heads WHERE tenant = %s"
        rows = await self._all.rows(query, [tenant])
        return int(rows[0][0]) if rows else 0

    async def news(self, after: int, seconds: float) -> None:
        await self._listener.beyond(after, seconds)

    async def answered(self, key: IdempotencyKey, now: datetime) -> tuple[KeptAnswer, int] | None:
        query: LiteralString = (
            "SELECT digest, status, body, expires_at, position FROM event_log.idempotency_keys"
            " WHERE tenant = %s AND principal = %s AND key = %s AND expires_at > %s"
        )
        (rows,) = await self._tenants.rows_of(key.tenant, (query, [key.tenant, key.principal, key.key, now]))
        for digest, status, body, expires_at, position in rows:
            kept = KeptAnswer(key.tenant, key.principal, key.key, digest, status, body, expires_at)
            return kept, position
        return None

    async def purge_answers(self, now: datetime) -> int:
        query: LiteralString = "DELETE FROM event_log.idempotency_keys WHERE expires_at <= %s"
        return int((await self._all.rows(query, [now]))[0][0])

    async def living_keys(self, tenant: str, subjects: Sequence[str]) -> Sequence[WrappedKey]:
        query: LiteralString = f"{KEYS} WHERE tenant = %s AND subject = ANY (%s) AND destroyed_at IS NULL"
        (rows,) = await self._tenants.rows_of(tenant, (query, [tenant, list(subjects)]))
        return [WrappedKey(*row) for row in rows]

    async def keys(self, tenant: str | None, key_ids: Sequence[str]) -> Sequence[WrappedKey]:
        query: LiteralString = f"{KEYS} WHERE key_id = ANY (%s::text[]::uuid[])"
        if tenant is None:
            rows = await self._all.rows(query, [list(key_ids)])
        else:
            (rows,) = await self._tenants.rows_of(tenant, (query, [list(key_ids)]))
        return [WrappedKey(*row) for row in rows]

    async def destroy_keys(self, tenant: str, subject: str, now: datetime) -> int:
        destroyed, _ = await self._tenants.rows_of(
            tenant,
            (DESTROY_KEYS, [now, tenant, subject]),
            ("DELETE FROM event_log.snapshots WHERE subjects @> ARRAY[%s]", [subject]),
        )
        return int(destroyed[0][0])

    async def history(self, stream: StreamId, fold: int) -> tuple[StoredSnapshot | None, Sequence[Placed]]:
        given = [str(stream), fold]
        snapshots, rows = await self._tenants.rows_of(
            stream.tenant, (f"{SNAPSHOT} AND fold = %s", given), (BEHIND, [*given, str(stream)]), at_once=True
        )
        return _snapshot(snapshots), [placed(row) for row in rows]

    async def newest_snapshot(self, stream: StreamId) -> StoredSnapshot | None:
        (rows,) = await self._tenants.rows_of(stream.tenant, (SNAPSHOT, [str(stream)]))
        return _snapshot(rows)

    async def keep_snapshot(self, stream: StreamId, snapshot: StoredSnapshot) -> None:
        tenant, subjects = stream.tenant, list(snapshot.subjects)
        kept = [snapshot.version, snapshot.fold, tenant, str(stream), subjects, snapshot.data]
        await self._tenants.rows_of(
            tenant,
            # An erasure waits for these locks, and then finds and deletes what is inserted here.
            (LOCK_KEYS, [tenant, subjects]),
            (KEEP_SNAPSHOT, [*kept, tenant, subjects]),
        )


def _snapshot(rows: Rows) -> StoredSnapshot | None:
    for version, fold, subjects, data in rows:
        return StoredSnapshot(version, fold, tuple(subjects), data)
    return None


def events_query(
    after: int,
    limit: int,
    *,
    upto: int | None,
    tenant: str | None,
    categories: Sequence[str],
    names: Sequence[str],
) -> tuple[LiteralString, list[Any]]:
    """The statement that reads events after a position, and its parameters."""
    order: LiteralString = "position"
    query: LiteralString = f"{EVENTS} WHERE position > %s"
    given: list[Any] = [after]
    if upto is not None:
        query += " AND position <= %s"
        given.append(upto)
    if tenant is not None:
        # Within a tenant both orders are the same, and this one has an index.
        order = "tenant_position"
        query += " AND tenant = %s AND tenant_position > event_log.tenant_events_until(%s, %s)"
        given += [tenant, tenant, after]
    if categories:
        query += " AND split_part(stream, '/', 2) = ANY (%s)"
        given.append(list(categories))
    if names:
        query += " AND name = ANY (%s)"
        given.append(list(names))
        if not any(name.startswith("run.") for name in names):
            query += " AND NOT starts_with(name, 'run.')"  # which has an index of its own
    return query + f" ORDER BY {order} LIMIT %s", [*given, limit]


def placed(row: tuple[Any, ...]) -> Placed:
    """A row of EVENTS."""
    position, tenant_position, tenant, stream, version, event_id, name, schema_version, context, body = row
    envelope = Envelope(
        originator_id=stream,
        originator_version=version,
        topic=name,
        state=body,
        tenant=tenant,
        event_id=event_id,
        schema_version=schema_version,
        context=context,
    )
    return Placed(position, tenant_position, envelope)
