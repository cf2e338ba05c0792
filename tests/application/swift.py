"""An event loop on which waiting takes no time, so that patience can be tested without any."""

import asyncio
import selectors
from selectors import SelectorKey


class _Impatient(selectors.DefaultSelector):
    """Does not wait for what is scheduled: it says how long that would have taken."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits for somebody else")
        self.waited += max(timeout, 0.0)
        return super().select(0)


class SwiftLoop(asyncio.SelectorEventLoop):
    """Time passes only while everybody waits, and then at once; the same story takes the same course."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        return self._impatient.waited
