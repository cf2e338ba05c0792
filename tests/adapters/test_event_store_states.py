"""States in memory and snapshots on disk: faster, and never believed more than the events."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.event_store.envelope import Placed
from adapters.event_store.log import StoredEventLog
from adapters.event_store.sealing import key_ids
from adapters.event_store.snapshots import EVERY
from adapters.event_store.storage import StoredSnapshot
from adapters.event_store.writes import Write
from application.ports import Append, ConcurrentWrite, StreamId
from domain.kernel import Event
from tests.adapters.event_store import WHY, Notebook, NoteTaken, about, clock, log, note, notes, stream

__all__ = ["clock", "log"]


def many(count: int, name: str = "1", *, after: int = 0) -> Append:
    return Append(stream(name), after, [NoteTaken(text=n) for n in range(after, after + count)])


async def forget_states(log: StoredEventLog) -> None:
    log._states._states.clear()


async def snapshot_of(log: StoredEventLog, name: str = "1") -> StoredSnapshot | None:
    await log._snapshots.settle()
    return await log._storage.newest_snapshot(stream(name))


async def test_the_state_an_append_leads_to_is_remembered(log: StoredEventLog) -> None:
    await log.record([replace(note("a"), becomes=Notebook(("a",)))], WHY)
    known = await log.recall(notes, stream())
    assert (known.state, known.version, known.position, known.cached) == (Notebook(("a",)), 1, 1, True)
    assert not (await log.recall(notes, stream(), fresh=True)).cached


async def test_a_refused_append_leaves_no_state(log: StoredEventLog) -> None:
    await log.record([note("a")], WHY)
    with pytest.raises(ConcurrentWrite):
        await log.record([replace(note("b"), becomes=Notebook(("b",)))], WHY)
    assert (await log.recall(notes, stream())).state == Notebook(("a",))


async def test_after_a_conflict_the_tail_is_read(log: StoredEventLog) -> None:
    await log.record([replace(note("a"), becomes=Notebook(("a",)))], WHY)
    await log._storage.write(await _written_elsewhere(log, note("b", after=1)))
    assert (await log.recall(notes, stream())).version == 1
    with pytest.raises(ConcurrentWrite):
        await log.record([note("c", after=1)], WHY)
    known = await log.recall(notes, stream())
    assert (known.state, known.cached) == (Notebook(("a", "b")), False)


async def test_a_fresh_read_sees_what_others_wrote(log: StoredEventLog) -> None:
    await log.record([replace(note("a"), becomes=Notebook(("a",)))], WHY)
    await log._storage.write(await _written_elsewhere(log, note("b", after=1)))
    assert (await log.recall(notes, stream(), fresh=True)).state == Notebook(("a", "b"))


async def _written_elsewhere(log: StoredEventLog, append: Append) -> Write:
    return (await log._drafter.draft([append], WHY, None, look=True)).write


async def test_an_append_that_says_no_state_is_read_back(log: StoredEventLog) -> None:
    await log.record([replace(note("a"), becomes=Notebook(("a",)))], WHY)
    await log.record([note("b", after=1)], WHY)
    assert (await log.recall(notes, stream())).state == Notebook(("a", "b"))


async def test_long_streams_are_snapshot_in_the_background(log: StoredEventLog) -> None:
    await log.record([many(EVERY - 1)], WHY)
    await log.recall(notes, stream())
    assert await snapshot_of(log) is None
    await log.record([many(1, after=EVERY - 1)], WHY)
    await log.recall(notes, stream())
    kept = await snapshot_of(log)
    assert kept is not None
    assert kept.version == EVERY
    assert await log.verify_snapshot(notes, stream()) is True


async def test_a_snapshot_is_read_with_the_tail_behind_it(log: StoredEventLog) -> None:
    await log.record([many(EVERY)], WHY)
    await log.recall(notes, stream())
    await snapshot_of(log)
    await log.record([note("last", after=EVERY)], WHY)
    await forget_states(log)
    _, tail = await log._storage.history(stream(), notes.fold)
    assert len(tail) == 1
    known = await log.recall(notes, stream())
    assert known.state == Notebook((*range(EVERY), "last"))
    assert (known.version, known.position) == (EVERY + 1, EVERY + 1)


async def test_a_state_that_was_read_during_an_erasure_is_not_remembered(log: StoredEventLog) -> None:
    await log.record([about("jo", "jo's")], WHY)
    original = log._storage.history

    async def erasing(stream: StreamId, fold: int) -> tuple[StoredSnapshot | None, Sequence[Placed]]:
        found = await original(stream, fold)
        keys = await log._keyring.for_reading("acme", key_ids(p.envelope.state for p in found[1]))
        await log.erase("acme", "jo")
        log._keyring._by_id.update(keys)
        return found

    log._storage.history = erasing  # type: ignore[method-assign]
    await log.recall(notes, stream())
    assert log._states.get(stream()) is None


async def test_a_snapshot_that_was_changed_or_moved_is_passed_over(log: StoredEventLog) -> None:
    await log.record([many(EVERY, "1"), many(EVERY, "2")], WHY)
    for name in ("1", "2"):
        await log.recall(notes, stream(name))
    one = await snapshot_of(log, "1")
    assert one is not None
    await log.record([note("more", "1", after=EVERY), note("other", "2", after=EVERY)], WHY)
    changed = replace(one, version=EVERY + 1, data=one.data[:-1] + bytes([one.data[-1] ^ 1]))
    await log._storage.keep_snapshot(stream("1"), changed)
    await log._storage.keep_snapshot(stream("2"), replace(one, version=EVERY + 1))
    await forget_states(log)
    assert (await log.recall(notes, stream("1"))).state == Notebook((*range(EVERY), "more"))
    assert (await log.recall(notes, stream("2"))).state == Notebook((*range(EVERY), "other"))
    assert await log.verify_snapshot(notes, stream("1")) is None


async def test_a_snapshot_of_another_fold_is_passed_over(log: StoredEventLog) -> None:
    await log.record([many(EVERY)], WHY)
    await log.recall(notes, stream())
    await snapshot_of(log)

    def evolve(notebook: Notebook | None, event: Event) -> Notebook:
        assert isinstance(event, NoteTaken)
        return Notebook((*(notebook or Notebook()).texts, f"new {event.text}"))

    await forget_states(log)
    newer = replace(notes, evolve=evolve, fold=2)
    assert (await log.recall(newer, stream())).state == Notebook(tuple(f"new {n}" for n in range(EVERY)))


async def test_a_wrong_snapshot_is_found_out(log: StoredEventLog) -> None:
    await log.record([many(EVERY)], WHY)
    await log.recall(notes, stream())
    known = log._states.get(stream())
    assert known is not None
    wrong = replace(known, state=Notebook(("wrong",)), version=EVERY)
    await snapshot_of(log)
    await log._storage.destroy_keys("acme", "nobody", WHY.at)
    await log.record([many(EVERY, after=EVERY)], WHY)
    await log._snapshots.take(notes, stream(), replace(wrong, version=EVERY + 1))
    assert await log.verify_snapshot(notes, stream()) is False


async def test_a_failing_snapshot_harms_nobody(log: StoredEventLog) -> None:
    async def fail(*_: object) -> None:
        raise OSError("disk full")

    log._storage.keep_snapshot = fail  # type: ignore[method-assign, assignment]
    await log.record([many(EVERY)], WHY)
    assert (await log.recall(notes, stream())).version == EVERY
    await log._snapshots.settle()


async def test_erasure_takes_the_snapshots_that_tell_of_the_subject(log: StoredEventLog) -> None:
    await log.record([about("jo", "jo's")], WHY)
    await log.record([many(EVERY, after=1)], WHY)
    await log.record([many(EVERY, "2")], WHY)
    for name in ("1", "2"):
        await log.recall(notes, stream(name))
    kept = await snapshot_of(log)
    assert kept is not None
    assert len(kept.subjects) == 1
    assert "jo" not in kept.subjects[0]
    await log.erase("acme", "jo")
    assert await snapshot_of(log) is None
    assert await snapshot_of(log, "2") is not None
    await log._storage.keep_snapshot(stream(), kept)
    assert await snapshot_of(log) is None, "a snapshot that was on its way when the subject was erased"
    state = (await log.recall(notes, stream())).state
    assert state is not None
    assert state.texts[0] == "[erased]"
