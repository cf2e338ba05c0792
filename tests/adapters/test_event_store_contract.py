"""What every event log keeps its word on, whatever keeps its bytes: appending, recalling, reading."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.clock import FixedClock
from adapters.event_store.envelope import NotStorable
from adapters.event_store.log import StoredEventLog
from application.ports import (
    AlreadyAnswered,
    Answer,
    Append,
    ConcurrentWrite,
    Context,
    IdempotencyKey,
    IdempotencyKeyReused,
    StaleLaw,
)
from tests.adapters.event_store import (
    WHY,
    Notebook,
    NoteTaken,
    clock,
    log,
    note,
    notes,
    rule,
    stream,
)

__all__ = ["clock", "log"]

KEY = IdempotencyKey("acme", "ada", "key-1", b"digest")
ANSWER = Answer(201, b'{"ok":true}')


async def refused(*attempts: asyncio.Task[int]) -> list[type[BaseException]]:
    results = await asyncio.gather(*attempts, return_exceptions=True)
    return [type(result) for result in results if isinstance(result, BaseException)]


async def test_what_was_recorded_is_recalled(log: StoredEventLog) -> None:
    assert await log.record([Append(stream(), 0, [NoteTaken(text="a"), NoteTaken(text="b")])], WHY) == 2
    known = await log.recall(notes, stream())
    assert (known.state, known.version, known.position) == (Notebook(("a", "b")), 2, 2)


async def test_an_unknown_stream_is_empty(log: StoredEventLog) -> None:
    known = await log.recall(notes, stream("nobody"))
    assert (known.state, known.version, known.position) == (None, 0, 0)


async def test_an_empty_log_has_no_head(log: StoredEventLog) -> None:
    assert (await log.head(), await log.law_head("acme")) == (0, 0)


async def test_everything_about_an_event_is_read_back(log: StoredEventLog) -> None:
    why = Context(
        actor="ada",
        at=datetime(2026, 5, 4, 3, 2, 1, 7, tzinfo=UTC),
        correlation_id="c-2",
        on_behalf_of="grace",
        causation_id="cause",
        idempotency_key="key",
    )
    await log.record([note("earlier", "0", tenant="other")], WHY)
    await log.record([note({"b": [1, 2.5, None, True], "a": "é\u2028"})], why)
    (_, event) = await log.read(0, 10)
    assert (event.position, event.tenant_position, event.stream, event.version) == (2, 1, stream(), 1)
    assert (event.name, event.schema_version, event.context) == ("note.taken", 1, why)
    assert event.event == NoteTaken(text={"a": "é\u2028", "b": [1, 2.5, None, True]})


async def test_only_the_first_of_two_writers_wins(log: StoredEventLog) -> None:
    await log.record([note("first")], WHY)
    with pytest.raises(ConcurrentWrite):
        await log.record([note("second")], WHY)
    assert (await log.recall(notes, stream(), fresh=True)).state == Notebook(("first",))


async def test_a_stream_has_no_gaps(log: StoredEventLog) -> None:
    with pytest.raises(ConcurrentWrite):
        await log.record([note(after=1)], WHY)
    assert await log.head() == 0


async def test_an_append_on_many_streams_is_all_or_nothing(log: StoredEventLog) -> None:
    await log.record([note("taken", "2")], WHY)
    with pytest.raises(ConcurrentWrite):
        await log.record([note("a", "1"), note("b", "2"), note("c", "3")], WHY)
    assert await log.head() == 1
    assert await log.record([note("a", "1"), note("b", "2", after=1), note("c", "3")], WHY) == 4


async def test_a_stream_can_be_held_still_without_writing_to_it(log: StoredEventLog) -> None:
    await log.record([note("a", "1")], WHY)
    assert await log.record([Append(stream("1"), 1, []), note("b", "2")], WHY) == 2
    with pytest.raises(ConcurrentWrite):
        await log.record([Append(stream("1"), 0, []), note("c", "3")], WHY)


@pytest.mark.parametrize(
    "appends",
    [[], [Append(stream(), 0, [])], [note("a"), note("b", after=1)], [note(tenant="a,b")], [note(tenant="")]],
)
async def test_mistakes_of_the_calling_code_are_refused(log: StoredEventLog, appends: list[Append]) -> None:
    with pytest.raises(ValueError, match=r"nothing|twice|comma"):
        await log.record(appends, WHY)


async def test_conflicts_leave_no_holes(log: StoredEventLog) -> None:
    await log.record([note()], WHY)
    for _ in range(3):
        with pytest.raises(ConcurrentWrite):
            await log.record([note()], WHY)
    await log.record([note(name="2", tenant="other")], WHY)
    await log.record([note(after=1)], WHY)
    placed = [(e.position, e.stream.tenant, e.tenant_position) for e in await log.read(0, 10)]
    assert placed == [(1, "acme", 1), (2, "other", 1), (3, "acme", 2)]


async def test_many_at_once_are_all_written_once(log: StoredEventLog) -> None:
    appends = [note(n, str(n), tenant=f"t{n % 3}") for n in range(200)]
    positions = await asyncio.gather(*(log.record([append], WHY) for append in appends))
    assert sorted(positions) == list(range(1, 201))
    written = await log.read(0, 1000)
    assert [e.position for e in written] == list(range(1, 201))
    for tenant in ("t0", "t1", "t2"):
        of_tenant = [e.tenant_position for e in written if e.stream.tenant == tenant]
        assert of_tenant == list(range(1, len(of_tenant) + 1))


async def test_of_many_on_one_stream_one_wins_each_round(log: StoredEventLog) -> None:
    for version in range(3):
        tries = [asyncio.ensure_future(log.record([note(n, after=version)], WHY)) for n in range(20)]
        assert await refused(*tries) == [ConcurrentWrite] * 19
    assert await log.head() == 3


async def test_what_cannot_be_written_does_not_harm_its_neighbours(log: StoredEventLog) -> None:
    tries = [asyncio.ensure_future(log.record([note(n, str(n))], WHY)) for n in (1, 2**70, "\ud800", 3)]
    assert await refused(*tries) == [NotStorable, NotStorable]
    assert [e.event for e in await log.read(0, 10)] == [NoteTaken(text=1), NoteTaken(text=3)]


async def test_a_decision_on_old_law_is_refused(log: StoredEventLog) -> None:
    position = await log.record([rule("1")], WHY)
    assert await log.law_head("acme") == position
    with pytest.raises(StaleLaw) as stale:
        await log.record([replace(note(), law_seen=position - 1)], WHY)
    assert (stale.value.tenant, stale.value.position) == ("acme", position)
    await log.record([replace(note(), law_seen=position)], WHY)


async def test_the_law_of_another_tenant_does_not_matter(log: StoredEventLog) -> None:
    await log.record([rule("1", tenant="other")], WHY)
    await log.record([replace(note(), law_seen=0)], WHY)
    assert await log.law_head("acme") == 0


async def test_no_decision_stands_after_law_it_has_not_seen(log: StoredEventLog) -> None:
    commands = [replace(note(name=str(n)), law_seen=0) for n in range(40)]
    commands[20:20] = [rule("1")]
    results = await asyncio.gather(*(log.record([c], WHY) for c in commands), return_exceptions=True)
    law = await log.law_head("acme")
    for append, result in zip(commands, results, strict=True):
        if append.law_seen is not None:
            assert isinstance(result, StaleLaw) or (isinstance(result, int) and result < law)
    assert isinstance(results[-1], StaleLaw)


async def test_asking_twice_happens_once(log: StoredEventLog) -> None:
    assert await log.answered(KEY) is None
    position = await log.record([note()], WHY, key=KEY, answer=ANSWER)
    with pytest.raises(AlreadyAnswered) as again:
        await log.record([note()], WHY, key=KEY, answer=Answer(500, b""))
    assert (again.value.answer, again.value.position) == (ANSWER, position)
    assert await log.answered(KEY) == (ANSWER, position)
    assert await log.head() == 1


async def test_asking_twice_at_once_happens_once(log: StoredEventLog) -> None:
    tries = [
        asyncio.ensure_future(log.record([note()], WHY, key=KEY, answer=ANSWER)),
        asyncio.ensure_future(log.record([note()], WHY, key=KEY, answer=ANSWER)),
    ]
    assert await refused(*tries) == [AlreadyAnswered]


async def test_a_key_is_for_one_request(log: StoredEventLog) -> None:
    await log.record([note()], WHY, key=KEY, answer=ANSWER)
    other = replace(KEY, digest=b"other")
    with pytest.raises(IdempotencyKeyReused):
        await log.record([note(after=1)], WHY, key=other, answer=ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        await log.answered(other)
    await log.record([note(after=1)], WHY, key=replace(other, principal="grace"), answer=ANSWER)


async def test_a_refused_command_keeps_no_answer(log: StoredEventLog) -> None:
    await log.record([note()], WHY)
    with pytest.raises(ConcurrentWrite):
        await log.record([note()], WHY, key=KEY, answer=ANSWER)
    assert await log.answered(KEY) is None


async def test_answers_are_kept_for_their_time(log: StoredEventLog, clock: FixedClock) -> None:
    await log.record([note()], WHY, key=KEY, answer=ANSWER)
    clock.advance(timedelta(hours=25))
    assert await log.answered(KEY) is None
    position = await log.record([note(after=1)], WHY, key=replace(KEY, digest=b"new"), answer=ANSWER)
    assert await log.answered(replace(KEY, digest=b"new")) == (ANSWER, position)


async def test_reading_is_by_tenant_category_and_name(log: StoredEventLog) -> None:
    await log.record([note("a", "1"), rule("1")], WHY)
    await log.record([note("b", "1", tenant="other"), rule("1", tenant="other")], WHY)
    await log.record([note("c", "2")], WHY)

    async def positions(after: int = 0, limit: int = 10, **only: object) -> list[int]:
        return [e.position for e in await log.read(after, limit, **only)]  # type: ignore[arg-type]

    assert await positions() == [1, 2, 3, 4, 5]
    assert await positions(2, 2) == [3, 4]
    assert await positions(tenant="acme") == [1, 2, 5]
    assert await positions(1, tenant="acme") == [2, 5]
    assert await positions(4, tenant="other") == []
    assert await positions(tenant="nobody") == []
    assert await positions(categories=["rule"]) == [2, 4]
    assert await positions(names=["note.taken"], tenant="other") == [3]
    assert [e.version for e in await log.stream(stream("1"))] == [1]
    assert await log.stream(stream("1"), after=1) == []
