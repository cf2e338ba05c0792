"""What is true of every agent, whatever is asked of it."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from pydantic import TypeAdapter

from domain.agents.agent import Agent, Standing, agents
from domain.agents.commands import (
    AgentCommand,
    RegisterAgent,
    ReinstateAgent,
    RetireAgent,
    SuspendAgent,
    UpdateAgent,
)
from domain.agents.events import AgentEvent, AgentRegistered, AgentRetired
from tests.domain.always import QUICK, Always

models = st.sampled_from(["m-1", "m-2"])
owners = st.sampled_from(["ada", "bob"])
reasons = st.text(max_size=8)


class AnyAgent(Always[AgentCommand, Agent, AgentEvent]):
    decider = agents
    snapshots = TypeAdapter(Agent)

    @rule(model=models, owner=owners)
    def register(self, model: str, owner: str) -> None:
        self.ask(RegisterAgent(discipline="tester", model=model, owner=owner))

    @rule(model=models, owner=owners)
    def update(self, model: str, owner: str) -> None:
        self.ask(UpdateAgent(discipline="tester", model=model, owner=owner))

    @rule(reason=reasons)
    def suspend(self, reason: str) -> None:
        self.ask(SuspendAgent(reason=reason))

    @rule(reason=reasons)
    def reinstate(self, reason: str) -> None:
        self.ask(ReinstateAgent(reason=reason))

    @rule(reason=reasons)
    def retire(self, reason: str) -> None:
        self.ask(RetireAgent(reason=reason))

    @invariant()
    def registered_once_and_first(self) -> None:
        registrations = [isinstance(event, AgentRegistered) for event in self.history]
        assert registrations == [True] + [False] * (len(self.history) - 1) or not registrations

    @invariant()
    def retirement_is_the_end(self) -> None:
        assert not any(isinstance(event, AgentRetired) for event in self.history[:-1])
        if self.state is not None:
            retired = isinstance(self.history[-1], AgentRetired)
            assert (self.state.standing is Standing.RETIRED) == retired


TestAnyAgent = AnyAgent.TestCase
TestAnyAgent.settings = QUICK
