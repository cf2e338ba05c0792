"""The event log in a process's memory: the double of the real one, with the same rules."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.event_store.envelope import Placed
from adapters.event_store.log import StoredEventLog
from adapters.event_store.storage import StoredSnapshot, WrappedKey
from adapters.event_store.vocabulary import VOCABULARY, Vocabulary
from adapters.event_store.writes import KeptAnswer, KeyMoved, Write
from adapters.keys.master import MasterKey
from application.ports import (
    AlreadyAnswered,
    Answer,
    Clock,
    ConcurrentWrite,
    IdempotencyKey,
    IdempotencyKeyReused,
    StaleLaw,
    StreamId,
)


class MemoryEventLog(StoredEventLog):
    """An EventLog that is gone with its process. Needs no `open`."""

    def __init__(
        self,
        clock: Clock,
        *,
        vocabulary: Vocabulary = VOCABULARY,
        master_key: MasterKey | None = None,
        answers_kept: timedelta = timedelta(hours=24),
    ) -> None:
        storage = MemoryStorage(frozenset(vocabulary.law_names), clock)
        super().__init__(
            storage, clock, master_key or MasterKey.fresh(), vocabulary=vocabulary, answers_kept=answers_kept
        )


class MemoryStorage:
    """Bytes in lists and dicts; between two awaits nothing else runs, so a write is all or nothing."""

    def __init__(self, law_names: frozenset[str], clock: Clock) -> None:
        self._law_names, self._clock = law_names, clock
        self._events: list[Placed] = []
        self._streams: defaultdict[str, list[Placed]] = defaultdict(list)
        self._tenant_heads: defaultdict[str, int] = defaultdict(int)
        self._law: defaultdict[str, int] = defaultdict(int)
        self._answers: dict[tuple[str, str, str], tuple[KeptAnswer, int]] = {}
        self._keys: dict[str, WrappedKey] = {}
        self._snapshots: dict[str, StoredSnapshot] = {}
        self._written = asyncio.Event()

    async def write(self, write: Write) -> int:
        self._check(write)
        first = len(self._events) + 1
        for envelope in write.events:
            tenant = envelope.tenant
            self._tenant_heads[tenant] += 1
            placed = Placed(len(self._events) + 1, self._tenant_heads[tenant], envelope)
            self._events.append(placed)
            self._streams[str(envelope.originator_id)].append(placed)
            if envelope.topic in self._law_names:
                self._law[tenant] = placed.position
        for use in write.keys:
            if use.wrapped is not None:
                self._keys[use.key_id] = WrappedKey(use.tenant, use.subject, use.key_id, use.wrapped)
        if write.answer is not None:
            place = (write.answer.tenant, write.answer.principal, write.answer.key)
            self._answers[place] = (write.answer, len(self._events))
        self._written.set()
        self._written = asyncio.Event()
        return first

    def _check(self, write: Write) -> None:
        if write.answer is not None:
            asked = write.answer
            kept = self._answers.get((asked.tenant, asked.principal, asked.key))
            if kept is not None and kept[0].expires_at > self._clock.now():
                if kept[0].digest != asked.digest:
                    raise IdempotencyKeyReused
                raise AlreadyAnswered(Answer(kept[0].status, kept[0].body), kept[1])
        for fence in write.fences:
            if fence.law_seen < self._law[fence.tenant]:
                raise StaleLaw(fence.tenant, self._law[fence.tenant])
        for head in write.heads:
            if head.after != self._version(head.stream):
                raise ConcurrentWrite(head.stream)
        for use in write.keys:
            living = [k for k in self._living(use.tenant, [use.subject]) if k.key_id == use.key_id]
            taken = use.wrapped is not None and self._living(use.tenant, [use.subject])
            if taken or (use.wrapped is None and not living):
                raise KeyMoved

    def _version(self, stream: str) -> int:
        events = self._streams.get(stream)
        return events[-1].envelope.originator_version if events else 0

    async def stream(self, stream: StreamId, after: int) -> Sequence[Placed]:
        return self._streams.get(str(stream), [])[after:]

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
        found: list[Placed] = []
        for placed in self._events[after:upto]:
            envelope = placed.envelope
            if len(found) == limit:
                break
            if (
                (tenant is None or envelope.tenant == tenant)
                and (not categories or str(envelope.originator_id).split("/", 2)[1] in categories)
                and (not names or envelope.topic in names)
            ):
                found.append(placed)
        return found

    async def head(self) -> int:
        return len(self._events)

    async def law_head(self, tenant: str) -> int:
        return self._law[tenant]

    async def news(self, after: int, seconds: float) -> None:
        if len(self._events) > after:
            return
        try:
            async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation that meets the news
                await self._written.wait()
        except TimeoutError:
            return

    async def answered(self, key: IdempotencyKey, now: datetime) -> tuple[KeptAnswer, int] | None:
        kept = self._answers.get((key.tenant, key.principal, key.key))
        return kept if kept is not None and kept[0].expires_at > now else None

    async def purge_answers(self, now: datetime) -> int:
        expired = [place for place, (kept, _) in self._answers.items() if kept.expires_at <= now]
        for place in expired:
            del self._answers[place]
        return len(expired)

    def _living(self, tenant: str, subjects: Sequence[str]) -> list[WrappedKey]:
        return [
            key
            for key in self._keys.values()
            if key.tenant == tenant and key.subject in subjects and key.wrapped is not None
        ]

    async def living_keys(self, tenant: str, subjects: Sequence[str]) -> Sequence[WrappedKey]:
        return self._living(tenant, subjects)

    async def keys(self, tenant: str | None, key_ids: Sequence[str]) -> Sequence[WrappedKey]:
        found = [self._keys[key_id] for key_id in key_ids if key_id in self._keys]
        return [key for key in found if tenant is None or key.tenant == tenant]

    async def destroy_keys(self, tenant: str, subject: str, now: datetime) -> int:  # noqa: ARG002 -- the real one keeps the time
        living = self._living(tenant, [subject])
        for key in living:
            self._keys[key.key_id] = WrappedKey(tenant, subject, key.key_id, None)
        told = [s for s, kept in self._snapshots.items() if subject in kept.subjects]
        for stream in [stream for stream in told if stream.startswith(f"{tenant}/")]:
            del self._snapshots[stream]
        return len(living)

    async def history(self, stream: StreamId, fold: int) -> tuple[StoredSnapshot | None, Sequence[Placed]]:
        kept = self._snapshots.get(str(stream))
        if kept is None or kept.fold != fold:
            return None, await self.stream(stream, 0)
        return kept, await self.stream(stream, kept.version)

    async def newest_snapshot(self, stream: StreamId) -> StoredSnapshot | None:
        return self._snapshots.get(str(stream))

    async def keep_snapshot(self, stream: StreamId, snapshot: StoredSnapshot) -> None:
        erased = {k.subject for k in self._keys.values() if k.tenant == stream.tenant and k.wrapped is None}
        known = self._snapshots.get(str(stream))
        if erased.isdisjoint(snapshot.subjects) and (known is None or known.version < snapshot.version):
            self._snapshots[str(stream)] = snapshot

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to let go."""
