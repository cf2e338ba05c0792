"""Clocks: aware, in UTC, with ids in the order of time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from adapters.clock import FixedClock, SystemClock


def test_the_time_is_aware_and_in_utc() -> None:
    for clock in (SystemClock(), FixedClock()):
        assert clock.now().tzinfo is UTC


def test_ids_are_version_7_unique_and_in_order() -> None:
    for clock in (SystemClock(), FixedClock()):
        ids = [clock.new_id() for _ in range(1000)]
        assert ids == sorted(set(ids))
        assert {UUID(made).version for made in ids} == {7}


def test_an_id_tells_its_millisecond() -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(timedelta(seconds=1))
    made = UUID(clock.new_id())
    assert made.int >> 80 == int(clock.now().timestamp() * 1000)
    assert str(made) == str(UUID(str(made)))


def test_salts_are_128_bits_and_differ() -> None:
    for clock in (SystemClock(), FixedClock()):
        salts = {clock.salt() for _ in range(100)}
        assert len(salts) == 100
        assert {len(bytes.fromhex(salt)) for salt in salts} == {16}
