"""A batch of commands for one transaction: what may stand in it together, as parameters, and its outcome."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8

from adapters.event_store import rows
from adapters.event_store.writes import KeyMoved, Write
from application.ports import AlreadyAnswered, Answer, ConcurrentWrite, IdempotencyKeyReused, StaleLaw

APPEND = "SELECT * FROM event_log.append(%b, %b, %b, %b, %b, %b, %b, %b, %b)"

Outcome = int | Exception
"""The position of a command's first event, or why it was not written."""


@dataclass
class Claims:
    """What the commands of a batch touch: a command that touches the same waits for the next batch.

    The database could not tell the first of two from the second within one statement.
    """

    touched: set[Hashable] = field(default_factory=set[Hashable])
    law_tenants: set[str] = field(default_factory=set[str])

    def admit(self, write: Write, law_names: frozenset[str]) -> bool:
        """Whether the command may stand in this batch; if so it does from now on."""
        if self.law_tenants and any(fence.tenant in self.law_tenants for fence in write.fences):
            return False
        touches = [*_touched(write)]
        if not self.touched.isdisjoint(touches):
            return False
        self.touched.update(touches)
        for envelope in write.events:
            if envelope.topic in law_names:
                self.law_tenants.add(envelope.tenant)
        return True


def _touched(write: Write) -> Iterator[Hashable]:
    for head in write.heads:
        yield head.stream
    for use in write.keys:
        if use.wrapped is not None:
            yield "subject", use.tenant, use.subject
    if write.answer is not None:
        yield "key", write.answer.tenant, write.answer.principal, write.answer.key


def parameters(writes: Sequence[Write], law_names: frozenset[str], now: datetime) -> list[Any]:
    """The arguments of `event_log.append`."""
    counts = Counter(e.tenant for write in writes for e in write.events)
    place = 1 - sum(counts.values())
    tenant_places = {tenant: 1 - count for tenant, count in counts.items()}
    events: list[bytes] = []
    law: set[str] = set()
    for command, write in enumerate(writes):
        for envelope in write.events:
            tenant = envelope.tenant
            events.append(rows.event(command, place, tenant_places[tenant], envelope))
            place += 1
            tenant_places[tenant] += 1
            if envelope.topic in law_names:
                law.add(envelope.topic)
    tenants = {*counts, *(head.tenant for write in writes for head in write.heads)}
    return [
        list(tenants),
        [Int8(counts[tenant]) for tenant in tenants],
        list(law),
        now,
        rows.Events(events),
        rows.Heads([rows.head(n, head) for n, write in enumerate(writes) for head in write.heads]),
        rows.Fences([rows.fence(n, fence) for n, write in enumerate(writes) for fence in write.fences]),
        rows.Keys([rows.key(n, use) for n, write in enumerate(writes) for use in write.keys]),
        rows.Answers([rows.answer(n, w.answer) for n, w in enumerate(writes) if w.answer is not None]),
    ]


def outcomes(writes: Sequence[Write], answer: Sequence[tuple[Any, ...]]) -> list[Outcome]:
    """What became of each command, from the rows that `event_log.append` returned."""
    refused: dict[int, Exception] = {}
    for command, *why in answer:
        if command >= 0:
            refused[command] = _refusal(writes[int(command)], *why)
    head: int = next(row[3] for row in answer if row[0] < 0)
    return list(_outcomes(writes, refused, head))


def _outcomes(writes: Sequence[Write], refused: dict[int, Exception], head: int) -> Iterator[Outcome]:
    written = sum(len(write.events) for n, write in enumerate(writes) if n not in refused)
    position = head - written + 1
    for n, write in enumerate(writes):
        if n in refused:
            yield refused[n]
        else:
            yield position
            position += len(write.events)


def _refusal(write: Write, reason: str, tenant: str, at: int, status: int, body: bytes) -> Exception:
    match reason:
        case "answered":
            return AlreadyAnswered(Answer(status, body), at)
        case "reused":
            return IdempotencyKeyReused()
        case "stale":
            return StaleLaw(tenant, at)
        case "key":
            return KeyMoved()
        case _:
            return ConcurrentWrite(*(head.stream for head in write.heads))


def has_moved(write: Write, written: dict[str, int]) -> bool:
    """Whether a command is sure to conflict with what was just written (stream -> newest version)."""
    return write.answer is None and any(
        head.after is not None and head.after < written.get(head.stream, 0) for head in write.heads
    )


def versions(writes: Sequence[Write], results: Sequence[Outcome]) -> dict[str, int]:
    """The newest version of every stream that was written."""
    newest: defaultdict[str, int] = defaultdict(int)
    for write, result in zip(writes, results, strict=True):
        if isinstance(result, int):
            for envelope in write.events:
                stream = str(envelope.originator_id)
                newest[stream] = max(newest[stream], envelope.originator_version)
    return newest
