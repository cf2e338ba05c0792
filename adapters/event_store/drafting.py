"""From a command's appends to what is written: named, enveloped, sealed, and what must hold for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.event_store.envelope import Envelope, context_bytes
from adapters.event_store.keyring import Keyring, Ring, Subject
from adapters.event_store.mapper import EventMapper, Written
from adapters.event_store.sealing import SubjectKey
from adapters.event_store.writes import Fence, Head, KeptAnswer, Write
from application.ports import Append, Clock, Context, StreamId
from domain.kernel import Personal


@dataclass(frozen=True)
class Draft:
    """What is to be written, the keys it is sealed with, and of whom each stream's events tell."""

    write: Write
    ring: Ring
    subjects: dict[StreamId, frozenset[str]]


Marks = Sequence[Sequence[Personal]]
"""The personal places of an append, event by event."""


NOBODY = frozenset[str]()
NO_SEALS: Mapping[str, SubjectKey] = {}


class Drafter:
    """Turns appends into drafts."""

    def __init__(self, mapper: EventMapper, keyring: Keyring, clock: Clock) -> None:
        self._mapper, self._keyring, self._clock = mapper, keyring, clock

    async def draft(
        self, appends: Sequence[Append], context: Context, kept: KeptAnswer | None, *, look: bool
    ) -> Draft:
        """`look` says to look even for keys that should not be there yet. Raises NotStorable."""
        marks = [[tuple(event.personal()) for event in append.events] for append in appends]
        subjects = set(_subjects(appends, marks))
        ring = Ring()
        if subjects:
            surely_new = set[Subject]() if look else set(_beginning(appends))
            ring = await self._keyring.for_writing(subjects, surely_new)
        about = context_bytes(context)
        events: list[Envelope] = []
        told: dict[StreamId, frozenset[str]] = {}
        for append, places in zip(appends, marks, strict=True):
            events += self._enveloped(append, places, about, ring)
            told[append.stream] = _told(append.stream.tenant, places, ring)
        write = Write(events, _heads(appends), _fences(appends), ring.uses, kept)
        return Draft(write, ring, told)

    def _enveloped(self, append: Append, marks: Marks, about: bytes, ring: Ring) -> list[Envelope]:
        name, tenant, first = str(append.stream), append.stream.tenant, append.after + 1
        return [
            self._mapper.envelope(
                Written(name, first + place, event, self._clock.new_id(), about, _seals(tenant, mine, ring))
            )
            for place, (event, mine) in enumerate(zip(append.events, marks, strict=True))
        ]


def _seals(tenant: str, marks: Sequence[Personal], ring: Ring) -> Mapping[str, SubjectKey]:
    return {mark.pointer: ring.by_subject[tenant, mark.subject] for mark in marks} if marks else NO_SEALS


def _told(tenant: str, marks: Marks, ring: Ring) -> frozenset[str]:
    if not any(marks):
        return NOBODY
    return frozenset(ring.by_subject[tenant, mark.subject].subject for mine in marks for mark in mine)


def _subjects(appends: Sequence[Append], marks: Sequence[Marks]) -> Iterator[Subject]:
    for append, events in zip(appends, marks, strict=True):
        for places in events:
            for place in places:
                yield append.stream.tenant, place.subject


def _beginning(appends: Sequence[Append]) -> Iterator[Subject]:
    """Streams that begin here: nothing can have been sealed for them before, so they have no key yet."""
    for append in appends:
        if append.after == 0:
            yield append.stream.tenant, f"{append.stream.category}:{append.stream.id}"


def _heads(appends: Sequence[Append]) -> list[Head]:
    return [Head(a.stream.tenant, str(a.stream), a.after, a.after + 1) for a in appends]


def _fences(appends: Sequence[Append]) -> list[Fence]:
    return [Fence(a.stream.tenant, a.law_seen) for a in appends if a.law_seen is not None]
