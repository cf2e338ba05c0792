"""What is true of every slice, whatever is asked of it in whatever order."""

from typing import Any, Generic

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant
from pydantic import TypeAdapter

from domain.kernel import C, Decider, E, Rejected, S, fold

QUICK = settings(max_examples=40, stateful_step_count=25, deadline=None)
"""Enough to meet every pair of commands, and over in a moment."""


class Always(RuleBasedStateMachine, Generic[C, S, E]):
    """Asks commands of one stream and checks after each what must hold for all slices.

    The state is the fold of the history; asking again yields nothing; a snapshot reads back as it was.
    """

    decider: Decider[C, S, E]
    snapshots: TypeAdapter[Any]

    def __init__(self) -> None:
        super().__init__()
        self.state: S | None = None
        self.history: list[E] = []

    def ask(self, command: C, *, repeatable: bool = False, once: bool = False) -> list[E]:
        """Decides and folds. `repeatable` commands stand each time, `once` ones are refused if repeated."""
        try:
            events = list(self.decider.decide(command, self.state))
        except Rejected:
            return []
        for event in events:
            self.state = self.decider.evolve(self.state, event)
        self.history.extend(events)
        if once and events:
            with pytest.raises(Rejected):
                self.decider.decide(command, self.state)
        elif not repeatable:
            assert list(self.decider.decide(command, self.state)) == []
        return events

    @invariant()
    def state_is_the_fold_of_history(self) -> None:
        assert fold(self.decider, self.history) == self.state

    @invariant()
    def snapshots_read_back_as_they_were(self) -> None:
        if self.state is not None:
            assert self.snapshots.validate_json(self.snapshots.dump_json(self.state)) == self.state
