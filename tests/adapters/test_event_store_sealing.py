"""Personal fields: sealed before they are stored, opened for who asks, gone when their subject is erased."""

import asyncio
import json

import pytest

from adapters.event_store.log import StoredEventLog
from application.ports import Append
from tests.adapters.event_store import (
    WHY,
    Notebook,
    NoteTaken,
    about,
    clock,
    log,
    note,
    notes,
    stream,
)

__all__ = ["clock", "log"]

ERASED = "[erased]"


async def texts(log: StoredEventLog, *, unseal: bool) -> list[object]:
    return [e.event.text for e in await log.read(0, 100, unseal=unseal) if isinstance(e.event, NoteTaken)]


async def test_what_is_personal_is_stored_sealed(log: StoredEventLog) -> None:
    await log.record([about("jo", "the secret")], WHY)
    (placed,) = await log.placed(0, 10)
    assert b"the secret" not in placed.envelope.state
    assert json.loads(placed.envelope.state)["text"].startswith("sealed:v1:")
    assert (await texts(log, unseal=False))[0] == json.loads(placed.envelope.state)["text"]


async def test_it_is_opened_for_deciding_and_for_who_asks(log: StoredEventLog) -> None:
    await log.record([about("jo", {"deep": ["a", 1]})], WHY)
    assert (await log.recall(notes, stream())).state == Notebook(({"deep": ["a", 1]},))
    assert await texts(log, unseal=True) == [{"deep": ["a", 1]}]
    (event,) = await log.stream(stream())
    assert event.event == NoteTaken(text={"deep": ["a", 1]}, subject="jo", about=("",))


async def test_only_the_personal_places_are_sealed(log: StoredEventLog) -> None:
    text = {"name": "Jo", "cards": [{"no": 1}, {"no": 2}], "a/b": {"~": 3}, "flight": "LH1"}
    await log.record([about("jo", text, "/name", "/cards/1/no", "/a~1b/~0", "/absent", "/cards/7")], WHY)
    (sealed,) = await texts(log, unseal=False)
    assert isinstance(sealed, dict)
    assert (sealed["flight"], sealed["cards"][0]) == ("LH1", {"no": 1})
    assert json.dumps(sealed).count("sealed:v1:") == 3
    assert await texts(log, unseal=True) == [text]


async def test_an_erased_subject_cannot_be_read_by_anybody(log: StoredEventLog) -> None:
    await log.record([about("jo", "jo's", name="1")], WHY)
    await log.record([about("al", "al's", name="2")], WHY)
    await log.recall(notes, stream("1"))
    assert await log.erase("acme", "jo") == 1
    assert await log.erase("acme", "jo") == 0
    assert await texts(log, unseal=True) == [ERASED, "al's"]
    assert (await log.recall(notes, stream("1"))).state == Notebook((ERASED,))
    assert await log.erase("other", "al") == 0


async def test_news_of_an_erased_subject_is_sealed_with_another_key(log: StoredEventLog) -> None:
    await log.record([about("jo", "old")], WHY)
    await log.erase("acme", "jo")
    await log.record([about("jo", "new", after=1)], WHY)
    assert await texts(log, unseal=True) == [ERASED, "new"]


async def test_many_first_words_about_one_subject_share_a_key(log: StoredEventLog) -> None:
    await asyncio.gather(*(log.record([about("jo", n, name=str(n))], WHY) for n in range(10)))
    key_ids = {str(text).split(":")[2] for text in await texts(log, unseal=False)}
    assert len(key_ids) == 1
    assert sorted(map(str, await texts(log, unseal=True))) == list("0123456789")


async def test_a_stream_named_like_an_old_subject_uses_its_key(log: StoredEventLog) -> None:
    await log.record([about("note:9", "before there was a stream")], WHY)
    await log.record([about("note:9", "its own", name="9")], WHY)
    assert await texts(log, unseal=True) == ["before there was a stream", "its own"]


async def test_a_sealed_value_opens_nowhere_else(log: StoredEventLog) -> None:
    await log.record([about("jo", "secret")], WHY)
    (token,) = await texts(log, unseal=False)
    await log.record([note(token, "2"), note({"text": token}, "3")], WHY)
    assert await texts(log, unseal=True) == ["secret", token, {"text": token}]


@pytest.mark.parametrize("text", ["sealed:v1:", "sealed:v1:" + "0" * 36 + ":AAAA", "sealed:v1:x:y"])
async def test_what_only_looks_sealed_stays_as_it_is(log: StoredEventLog, text: str) -> None:
    await log.record([note(text)], WHY)
    assert await texts(log, unseal=True) == [text]


async def test_two_subjects_in_one_append(log: StoredEventLog) -> None:
    events = [
        NoteTaken(text="jo's", subject="jo", about=("",)),
        NoteTaken(text="al's", subject="al", about=("",)),
    ]
    await log.record([Append(stream(), 0, events)], WHY)
    await log.erase("acme", "al")
    assert await texts(log, unseal=True) == ["jo's", ERASED]
