"""Specifications read as sentences: given these events, when this is asked, then that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import pytest

from domain.kernel import C, Decider, E, Rejected, S, fold


@dataclass(frozen=True)
class Asked(Generic[C, S, E]):
    """A command put to a history, and what is expected of the answer."""

    decider: Decider[C, S, E]
    history: Sequence[E]
    command: C

    def decided(self) -> list[E]:
        return list(self.decider.decide(self.command, fold(self.decider, self.history)))

    def then(self, *events: E) -> None:
        assert self.decided() == list(events)

    def then_nothing(self) -> None:
        assert self.decided() == []

    def then_rejected(self, reason: type[Rejected], **evidence: object) -> None:
        with pytest.raises(reason) as no:
            self.decided()
        assert type(no.value) is reason
        assert evidence.items() <= no.value.evidence.items()


@dataclass(frozen=True)
class Given(Generic[C, S, E]):
    """A history, to which one thing is asked."""

    decider: Decider[C, S, E]
    history: Sequence[E]

    def when(self, command: C) -> Asked[C, S, E]:
        return Asked(self.decider, self.history, command)

    def state(self) -> S:
        known = fold(self.decider, self.history)
        assert known is not None, "a state needs a history"
        return known


@dataclass(frozen=True)
class Spec(Generic[C, S, E]):
    """`given = Spec(tenants)`, then `given(...).when(...).then(...)`."""

    decider: Decider[C, S, E]

    def __call__(self, *history: E) -> Given[C, S, E]:
        return Given(self.decider, history)
