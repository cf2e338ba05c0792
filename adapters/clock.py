"""The only place that asks what time it is, makes identifiers, and draws random bits."""

import secrets
from datetime import UTC, datetime, timedelta

import uuid_utils


class SystemClock:
    """The Clock port on the machine's clock and random source."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> str:
        return str(uuid_utils.uuid7())

    def salt(self) -> str:
        return secrets.token_hex(16)


class FixedClock:
    """A Clock for tests: it stands still until it is told, and its ids and salts count up."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._made = 0

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._now += by

    def now(self) -> datetime:
        return self._now

    def new_id(self) -> str:
        self._made += 1
        # RFC 9562: 48 bits of milliseconds, version 7, variant 2; the rest counts, so order is by age.
        milliseconds = int(self._now.timestamp() * 1000)
        digits = f"{milliseconds:012x}7{0:03x}8{self._made:015x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def salt(self) -> str:
        self._made += 1
        return f"{self._made:032x}"
