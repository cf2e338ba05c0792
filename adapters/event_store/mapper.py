"""Between domain events and stored ones: names instead of classes, upcasts, and sealed personal fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from pydantic import ValidationError

from adapters.event_store.envelope import Envelope, Placed, body_bytes, canonical_bytes, read_context
from adapters.event_store.sealing import MARK, Place, SubjectKey, seal, unseal
from adapters.event_store.vocabulary import Vocabulary
from domain.kernel import Event, Json
from domain.record import Recorded, StreamId

# The events of one command share their context's bytes.
_read_context = lru_cache(maxsize=1024)(read_context)


class UnknownWord(Exception):
    """The log holds an event whose name or version this build does not know; update it before it reads on."""


class BodyInvalid(Exception):
    """An event's body does not fit its word; the values are left out of this message on purpose."""


@dataclass(frozen=True)
class Written:
    """An event with its place in a stream: what the library calls a domain event."""

    originator_id: str
    originator_version: int
    event: Event
    event_id: str
    context: bytes
    seals: Mapping[str, SubjectKey] = field(default_factory=dict[str, SubjectKey], repr=False)
    """By pointer into the body."""


class EventMapper(Mapper[str]):
    """Stores events under their names; only known names and versions are ever read back."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(JSONTranscoder())
        self._by_name, self._by_class = vocabulary.by_name, vocabulary.by_class
        self._upcasts = vocabulary.upcasts

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> Envelope:
        return self.envelope(cast("Written", domain_event))

    def envelope(self, written: Written) -> Envelope:
        """The event as it is stored. Raises NotStorable; BodyInvalid if sealing broke its shape."""
        word = self._by_class[type(written.event)]
        if written.seals:
            body = written.event.model_dump(mode="json")
            seal(body, Place(written.originator_id, written.originator_version, word.name), written.seals)
            state = canonical_bytes(body)
            # What followers cannot read would stop them all, so it is found out before it is stored.
            self._validated(word.event, state)
        else:
            state = body_bytes(written.event)
        return Envelope(
            originator_id=written.originator_id,
            originator_version=written.originator_version,
            topic=word.name,
            state=state,
            tenant=written.originator_id.partition("/")[0],
            event_id=written.event_id,
            schema_version=word.version,
            context=written.context,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        envelope = cast("Envelope", stored_event)
        return cast("DomainEventProtocol[str]", self.read(envelope))

    def read(self, envelope: Envelope, keys: Mapping[str, SubjectKey] | None = None) -> Written:
        """The event in its newest shape; what `keys` open is opened. Raises UnknownWord, BodyInvalid."""
        word = self._by_name.get(envelope.topic)
        if word is None or envelope.schema_version > word.version:
            raise UnknownWord(envelope.topic, envelope.schema_version)
        state = envelope.state
        opens = keys is not None and MARK in state
        if opens or envelope.schema_version < word.version:
            body: Json = orjson.loads(state)
            if opens and keys is not None:
                place = Place(str(envelope.originator_id), envelope.originator_version, envelope.topic)
                body = unseal(body, place, keys)
            for version in range(envelope.schema_version + 1, word.version + 1):
                body = self._upcasts[word.name, version](body)
            state = canonical_bytes(body)
        return Written(
            originator_id=str(envelope.originator_id),
            originator_version=envelope.originator_version,
            event=self._validated(word.event, state),
            event_id=envelope.event_id,
            context=envelope.context,
        )

    def recorded(self, placed: Placed, keys: Mapping[str, SubjectKey] | None = None) -> Recorded:
        """The event with everything that is known of it."""
        envelope, written = placed.envelope, self.read(placed.envelope, keys)
        return Recorded(
            position=placed.position,
            tenant_position=placed.tenant_position,
            stream=StreamId.parse(written.originator_id),
            version=written.originator_version,
            event_id=written.event_id,
            name=envelope.topic,
            schema_version=envelope.schema_version,
            event=written.event,
            context=_read_context(envelope.context),
        )

    @staticmethod
    def _validated(event: type[Event], state: bytes) -> Event:
        try:
            return event.model_validate_json(state)
        except ValidationError as error:
            places = [".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)]
            raise BodyInvalid(event.__name__, places) from None
