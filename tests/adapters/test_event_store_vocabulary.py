"""Every event ever recorded can still be read, under the name and in the shape it was recorded in."""

import json
from typing import Any

import pytest

from adapters.event_store.envelope import Envelope, NotStorable, body_bytes, canonical_bytes
from adapters.event_store.mapper import BodyInvalid, EventMapper, UnknownWord, Written
from adapters.event_store.vocabulary import VOCABULARY, Vocabulary, Word
from domain.kernel import Event
from domain.runs.events import ToolCallProposed
from tests.golden.generate import EVENTS, path_of, shape

EVERY_VERSION = [(word, version) for word in VOCABULARY.words for version in range(1, word.version + 1)]
NAMES = [f"{word.name}.v{version}" for word, version in EVERY_VERSION]


def golden(word: Word, version: int) -> dict[str, Any]:
    path = path_of(word.name, version)
    assert path.exists(), f"no golden file for {path.stem}: run python -m tests.golden.generate"
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def stored(name: str, version: int, body: object, stream: str = "t/c/1") -> Envelope:
    return Envelope(stream, 1, name, canonical_bytes(body), "t", "id", version, b"{}")


@pytest.mark.parametrize(("word", "version"), EVERY_VERSION, ids=NAMES)
def test_every_version_is_still_read(word: Word, version: int) -> None:
    file = golden(word, version)
    read = EventMapper(VOCABULARY).read(stored(word.name, version, file["recorded"]))
    assert read.event.model_dump(mode="json") == file["reads_as"]


@pytest.mark.parametrize("word", VOCABULARY.words, ids=lambda word: word.name)
def test_a_body_is_written_as_its_dump_would_be(word: Word) -> None:
    event = word.event.model_validate_json(json.dumps(golden(word, word.version)["reads_as"]))
    assert body_bytes(event) == canonical_bytes(event.model_dump(mode="json"))


def test_what_json_cannot_say_is_not_storable() -> None:
    proposed = ToolCallProposed(call_id="c", tool="t", arguments={"n": 2**80})
    with pytest.raises(NotStorable):
        body_bytes(proposed)


@pytest.mark.parametrize("word", VOCABULARY.words, ids=lambda word: word.name)
def test_a_changed_shape_is_a_new_version(word: Word) -> None:
    assert shape(word.event) == golden(word, word.version)["schema"], (
        f"{word.name} changed: raise its version, add an upcast, run python -m tests.golden.generate"
        " (with --again only if this version was never released)"
    )


def test_no_golden_file_is_left_without_its_word() -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == set(NAMES)


def test_every_event_of_the_domain_has_one_name() -> None:
    def leaves(kind: type[Event]) -> set[type[Event]]:
        found: set[type[Event]] = set()
        return found.union(*map(leaves, kind.__subclasses__())) if kind.__subclasses__() else {kind}

    events = {event for event in leaves(Event) if event.__module__.startswith("domain.")}
    assert {word.event for word in VOCABULARY.words} == events
    assert len(VOCABULARY.by_name) == len(VOCABULARY.by_class) == len(VOCABULARY.words)


def test_every_version_after_the_first_has_an_upcast() -> None:
    later = {(word.name, version) for word in VOCABULARY.words for version in range(2, word.version + 1)}
    assert set(VOCABULARY.upcasts) == later


class Moved(Event):
    distance: int
    unit: str


NEWER = Vocabulary(
    (Word("thing.moved", 3, Moved),),
    {
        ("thing.moved", 2): lambda old: {"distance": old["far"]},
        ("thing.moved", 3): lambda old: {**old, "unit": "m"},
    },
)


@pytest.mark.parametrize(
    ("version", "body"), [(1, {"far": 5}), (2, {"distance": 5}), (3, {"distance": 5, "unit": "m"})]
)
def test_older_versions_are_brought_up_step_by_step(version: int, body: dict[str, object]) -> None:
    read = EventMapper(NEWER).read(stored("thing.moved", version, body))
    assert read.event == Moved(distance=5, unit="m")


@pytest.mark.parametrize(("name", "version"), [("thing.flown", 1), ("thing.moved", 4)])
def test_what_this_build_does_not_know_is_not_guessed_at(name: str, version: int) -> None:
    with pytest.raises(UnknownWord):
        EventMapper(NEWER).read(stored(name, version, {}))


def test_what_is_read_is_validated_and_its_values_stay_out_of_the_error() -> None:
    with pytest.raises(BodyInvalid) as wrong:
        EventMapper(NEWER).read(stored("thing.moved", 3, {"distance": "secret", "unit": "m"}))
    assert "secret" not in str(wrong.value)
    assert wrong.value.__cause__ is None


def test_no_class_path_is_ever_stored() -> None:
    envelope = EventMapper(NEWER).envelope(Written("t/c/1", 1, Moved(distance=1, unit="m"), "id", b"{}"))
    assert envelope.topic == "thing.moved"
    assert envelope.state == b'{"distance":1,"unit":"m"}'
