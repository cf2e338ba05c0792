"""The path of a command on one stream: recall, decide, record."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from application.attempts import until_recorded
from application.lines import Lines
from application.ports import (
    AlreadyAnswered,
    Answer,
    Append,
    Context,
    EventLog,
    IdempotencyKey,
    Known,
    StreamId,
)
from domain.kernel import C, Decider, E, Rejected, S, fold

EMPTY: Known[Any] = Known(None, 0, cached=True)
"""What a stream that nobody has begun adds up to."""


class VersionMoved(Rejected):
    """It changed since you last read it. Read it again and decide on what it is now."""

    kind = "precondition"


@dataclass(frozen=True)
class Handled(Generic[S]):
    """What is true after a command: the state, its version, and the log position to read it at."""

    state: S
    version: int
    position: int
    changed: bool


class Handler:
    """Runs commands against single streams, one caller at a time per stream and process."""

    def __init__(self, log: EventLog, lines: Lines) -> None:
        self._log, self._lines = log, lines

    async def handle(
        self,
        decider: Decider[C, S, E],
        stream: StreamId,
        command: C,
        context: Context,
        *,
        if_version: int | None = None,
        key: IdempotencyKey | None = None,
        answer: Callable[[Handled[S]], Answer] | None = None,
        law_seen: int | None = None,
        begins: bool = False,
    ) -> Handled[S]:
        """Decides and records; a command that changes nothing answers with what is already true.

        `begins` says that the stream should not exist yet: it is not read first, since the log refuses an
        append to one that does, and only then is it looked at.

        Raises what the rules raise, VersionMoved when `if_version` no longer holds, and AlreadyAnswered
        when `key` was used before.
        """

        async def attempt(fresh: bool) -> Handled[S]:
            unread = begins and not fresh
            known = EMPTY if unread else await self._log.recall(decider, stream, fresh=fresh)
            try:
                _must_be_at(if_version, known)
                events = decider.decide(command, known.state)
            except Rejected:
                await self._must_be_new(key)
                raise
            if not events and known.cached:  # nothing is appended that would catch staleness: look again
                return await attempt(True)
            if not events:
                await self._must_be_new(key)
                return _unchanged(known)
            state = fold(decider, events, known.state)
            assert state is not None
            handled = Handled(state, known.version + len(events), 0, changed=True)
            position = await self._log.record(
                [Append(stream, known.version, events, becomes=state, law_seen=law_seen)],
                context,
                key=key,
                answer=answer(handled) if answer and key else None,
            )
            return Handled(state, handled.version, position, changed=True)

        async with self._lines.at(stream):
            return await until_recorded(attempt)

    async def _must_be_new(self, key: IdempotencyKey | None) -> None:
        # What was done under this key may be why it is now refused, or has nothing left to do.
        before = await self._log.answered(key) if key else None
        if before is not None:
            raise AlreadyAnswered(*before)


def _must_be_at(version: int | None, known: Known[S]) -> None:
    if version is not None and known.version != version:
        raise VersionMoved(expected=version, found=known.version)


def _unchanged(known: Known[S]) -> Handled[S]:
    assert known.state is not None, "only a stream with a history can be asked for nothing new"
    return Handled(known.state, known.version, known.position, changed=False)
