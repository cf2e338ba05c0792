"""The EventLog port on any storage: states remembered, personal fields sealed, snapshots taken."""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

from adapters.event_store.drafting import Draft, Drafter
from adapters.event_store.envelope import Placed, canonical_bytes
from adapters.event_store.following import follow
from adapters.event_store.keyring import Keyring
from adapters.event_store.mapper import EventMapper
from adapters.event_store.sealing import Place, SubjectKey, key_ids, unseal
from adapters.event_store.snapshots import AnyDecider, Snapshots
from adapters.event_store.states import NOTHING, Remembered, States
from adapters.event_store.storage import Storage
from adapters.event_store.vocabulary import VOCABULARY, Vocabulary
from adapters.event_store.writes import KeptAnswer, KeyMoved
from adapters.keys.master import MasterKey
from application.ports import (
    Answer,
    Append,
    Clock,
    ConcurrentWrite,
    Context,
    Excerpt,
    IdempotencyKey,
    IdempotencyKeyReused,
    Known,
    LogBusy,
    Recorded,
    StreamId,
)
from domain.kernel import C, Decider, E, Json, S

KEY_TRIES = 5
REMEMBERED_STATES = 20_000


class StoredEventLog:
    """The EventLog port, and what else an operator asks of a log: erasure, purging, verification."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        master_key: MasterKey,
        *,
        vocabulary: Vocabulary = VOCABULARY,
        answers_kept: timedelta = timedelta(hours=24),
        remembered_states: int = REMEMBERED_STATES,
        snapshots: Snapshots | None = None,
    ) -> None:
        """`answers_kept` is how long an idempotency key is remembered."""
        self._storage, self._clock, self._answers_kept = storage, clock, answers_kept
        self._mapper = EventMapper(vocabulary)
        self._keyring = Keyring(storage, master_key, clock)
        self._drafter = Drafter(self._mapper, self._keyring, clock)
        self._master = master_key
        self._states = States(remembered_states)
        self._snapshots = snapshots or Snapshots(storage, master_key)
        self._deciders: dict[str, AnyDecider] = {}

    async def open(self) -> None:
        """Connect; call once. Raises LogUnavailable."""
        await self._storage.open()

    async def close(self) -> None:
        """Write what was asked for, then let go."""
        await self._snapshots.settle()
        await self._storage.close()

    async def recall(self, decider: Decider[C, S, E], stream: StreamId, *, fresh: bool = False) -> Known[S]:
        self._deciders[stream.category] = decider
        known = self._states.get(stream)
        if known is not None and not fresh and not known.stale:
            return Known(known.state, known.version, known.position, cached=True)
        erasures = self._states.erasures
        if known is None:
            known, tail = await self._history(decider, stream)
        else:
            tail = await self._storage.stream(stream, known.version)
        keys = await self._keyring.for_reading(stream.tenant, key_ids(p.envelope.state for p in tail))
        now = self._folded(decider, known, tail, keys)
        if now.version:
            self._states.put(stream, now, erasures)
        if self._snapshots.is_due(known.version, now.version):
            self._snapshots.take_soon(decider, stream, now)
        return Known(now.state, now.version, now.position)

    async def _history(self, decider: AnyDecider, stream: StreamId) -> tuple[Remembered, Sequence[Placed]]:
        kept, tail = await self._storage.history(stream, decider.fold)
        known = self._snapshots.opened(decider, stream, kept)
        if kept is not None and known is None:
            tail = await self._storage.stream(stream, 0)
        return known or NOTHING, tail

    def _folded(
        self, decider: AnyDecider, known: Remembered, tail: Sequence[Placed], keys: dict[str, SubjectKey]
    ) -> Remembered:
        state = known.state
        for placed in tail:
            state = decider.evolve(state, self._mapper.read(placed.envelope, keys).event)
        subjects = known.subjects.union(key.subject for key in keys.values())
        last = tail[-1] if tail else None
        version = last.envelope.originator_version if last else known.version
        return Remembered(state, version, last.position if last else known.position, subjects)

    async def record(
        self,
        appends: Sequence[Append],
        context: Context,
        *,
        key: IdempotencyKey | None = None,
        answer: Answer | None = None,
    ) -> int:
        _check(appends)
        erasures = self._states.erasures
        kept = self._kept(key, answer)
        for attempt in range(KEY_TRIES):
            draft = await self._drafter.draft(appends, context, kept, look=attempt > 0)
            try:
                first = await self._storage.write(draft.write)
            except KeyMoved:
                self._keyring.moved(draft.ring)
            except ConcurrentWrite:
                for append in appends:
                    self._states.mark_stale(append.stream)
                raise
            else:
                self._keyring.written(draft.ring)
                self._remember(appends, first, draft, erasures)
                return first + len(draft.write.events) - 1
        raise LogBusy(retry_after=1)

    def _kept(self, key: IdempotencyKey | None, answer: Answer | None) -> KeptAnswer | None:
        if key is None or answer is None:
            return None
        return KeptAnswer(
            tenant=key.tenant,
            principal=key.principal,
            key=key.key,
            digest=key.digest,
            status=answer.status,
            body=answer.body,
            expires_at=self._clock.now() + self._answers_kept,
        )

    def _remember(self, appends: Sequence[Append], first: int, draft: Draft, erasures: int) -> None:
        position = first - 1
        for append in appends:
            position += len(append.events)
            if not append.events:
                continue
            if append.becomes is None:
                self._states.mark_stale(append.stream)
                continue
            before = self._states.get(append.stream)
            earlier: frozenset[str] = before.subjects if before else frozenset()
            subjects = earlier | draft.subjects[append.stream]
            version = append.after + len(append.events)
            known = Remembered(append.becomes, version, position, subjects)
            self._states.put(append.stream, known, erasures)
            decider = self._deciders.get(append.stream.category)
            if decider is not None and self._snapshots.is_due(append.after, version):
                self._snapshots.take_soon(decider, append.stream, known)

    async def answered(self, key: IdempotencyKey) -> tuple[Answer, int] | None:
        found = await self._storage.answered(key, self._clock.now())
        if found is None:
            return None
        kept, position = found
        if kept.digest != key.digest:
            raise IdempotencyKeyReused
        return Answer(kept.status, kept.body), position

    async def read(
        self,
        after: int,
        limit: int,
        *,
        tenant: str | None = None,
        categories: Sequence[str] = (),
        names: Sequence[str] = (),
        unseal: bool = False,
    ) -> Sequence[Recorded]:
        found = await self._storage.read(after, limit, tenant=tenant, categories=categories, names=names)
        return await self._recorded(found, tenant, unseal=unseal)

    async def stream(self, stream: StreamId, *, after: int = 0, unseal: bool = True) -> Sequence[Recorded]:
        return await self._recorded(await self._storage.stream(stream, after), stream.tenant, unseal=unseal)

    async def unseal(self, tenant: str, excerpts: Sequence[Excerpt]) -> Sequence[Json]:
        bodies = [canonical_bytes(excerpt.body) for excerpt in excerpts]
        keys = await self._keyring.for_reading(tenant, key_ids(bodies))
        places = [Place(str(excerpt.stream), excerpt.version, excerpt.name) for excerpt in excerpts]
        return [unseal(one.body, place, keys) for one, place in zip(excerpts, places, strict=True)]

    async def head(self) -> int:
        return await self._storage.head()

    async def law_head(self, tenant: str) -> int:
        return await self._storage.law_head(tenant)

    async def follow(
        self, after: int, *, names: Sequence[str] = (), batch: int = 500
    ) -> AsyncGenerator[Sequence[Recorded]]:
        async for found in follow(self._storage, after, names=names, batch=batch):
            yield await self._recorded(found, None, unseal=False)

    async def _recorded(
        self, found: Sequence[Placed], tenant: str | None, *, unseal: bool
    ) -> Sequence[Recorded]:
        keys = None
        if unseal:
            keys = await self._keyring.for_reading(tenant, key_ids(p.envelope.state for p in found))
        return [self._mapper.recorded(placed, keys) for placed in found]

    async def placed(self, after: int, limit: int, *, tenant: str | None = None) -> Sequence[Placed]:
        """Events as they are stored, byte for byte: what the Merkle tree and exports are made of."""
        return await self._storage.read(after, limit, tenant=tenant)

    async def verify_snapshot(self, decider: Decider[C, S, E], stream: StreamId) -> bool | None:
        """Whether the newest snapshot says what its events say; None if there is no usable one."""
        kept = self._snapshots.opened(decider, stream, await self._storage.newest_snapshot(stream))
        if kept is None:
            return None
        history = [p for p in await self._storage.stream(stream, 0) if _version(p) <= kept.version]
        keys = await self._keyring.for_reading(stream.tenant, key_ids(p.envelope.state for p in history))
        folded = self._folded(decider, NOTHING, history, keys)
        return (folded.state, folded.version) == (kept.state, kept.version)

    async def erase(self, tenant: str, subject: str) -> int:
        """Destroy a data subject's keys: its sealed values read "[erased]" from now on. How many keys."""
        destroyed = await self._keyring.erase(tenant, subject)
        self.forget(tenant, subject)
        return destroyed

    def forget(self, tenant: str, subject: str) -> None:
        """Drop from this process's memory what tells of a data subject; call it when one was erased."""
        self._keyring.forget(tenant, subject)
        self._states.forget(tenant, self._master.pseudonym(tenant, subject))

    async def purge_answers(self) -> int:
        """Forget expired idempotency keys; how many."""
        return await self._storage.purge_answers(self._clock.now())


def _version(placed: Placed) -> int:
    return placed.envelope.originator_version


def _check(appends: Sequence[Append]) -> None:
    """What only a mistake in the calling code can break."""
    if not any(append.events for append in appends):
        raise ValueError("there is nothing to record")
    streams = [append.stream for append in appends]
    if len(set(streams)) < len(streams):
        raise ValueError("a stream is named twice in one record: put its events into one append")
    for stream in streams:
        if not stream.tenant or not set(",/").isdisjoint(stream.tenant) or "/" in stream.category:
            raise ValueError("a tenant holds no comma and no slash, a category no slash")
