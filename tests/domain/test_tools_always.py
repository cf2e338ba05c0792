"""What is true of every tool's registration, whatever is asked of it."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from pydantic import TypeAdapter

from domain.facts.spec import Derived, Effect, FactSpec, Reference, Yield
from domain.tools.commands import (
    ReclassifyTool,
    RegisterTool,
    ReinstateTool,
    RetireTool,
    SuspendTool,
    ToolCommand,
)
from domain.tools.events import ToolEvent, ToolReclassified, ToolRegistered, ToolRetired
from domain.tools.registration import Outputs, PersonalPlace, Registration
from domain.tools.tool import Standing, Tool, tools
from tests.domain.always import QUICK, Always

FACTS = FactSpec(
    yields=(Yield(kind="booking", key=("/id",), fields={"cabin": "/cabin"}),),
    points_at=(Reference(name="booking", kind="booking", key=("/id",), types={"cabin": "string"}),),
    effects=(Effect(on="booking", set={"cabin": "arg:/cabin"}, mark={"changed": True}),),
    derives=(Derived(name="basic", type="bool", cel="facts.booking.cabin == 'basic'"),),
)
registrations = st.builds(
    Registration,
    risk=st.sampled_from(["read", "write"]),
    arguments=st.sampled_from([{}, {"type": "object", "properties": {"id": {"type": "string"}}}]),
    reads=st.sampled_from([(), ("personal",)]),
    facts=st.sampled_from([FactSpec(), FACTS]),
    personal=st.sampled_from([(), (PersonalPlace(pointer="/to", subject="arg:/to"),)]),
    outputs=st.sampled_from(list(Outputs)),
)
reasons = st.text(max_size=8)


class AnyTool(Always[ToolCommand, Tool, ToolEvent]):
    decider = tools
    snapshots = TypeAdapter(Tool)

    @rule(registration=registrations)
    def register(self, registration: Registration) -> None:
        self.ask(RegisterTool(registration=registration))

    @rule(registration=registrations)
    def reclassify(self, registration: Registration) -> None:
        self.ask(ReclassifyTool(registration=registration))

    @rule(reason=reasons)
    def suspend(self, reason: str) -> None:
        self.ask(SuspendTool(reason=reason))

    @rule(reason=reasons)
    def reinstate(self, reason: str) -> None:
        self.ask(ReinstateTool(reason=reason))

    @rule(reason=reasons)
    def retire(self, reason: str) -> None:
        self.ask(RetireTool(reason=reason))

    @invariant()
    def what_stands_is_what_was_registered_last(self) -> None:
        known = [
            event.registration
            for event in self.history
            if isinstance(event, ToolRegistered | ToolReclassified)
        ]
        if self.state is not None:
            assert (self.state.registration, self.state.edition) == (known[-1], len(known))

    @invariant()
    def retirement_is_the_end(self) -> None:
        assert not any(isinstance(event, ToolRetired) for event in self.history[:-1])
        if self.state is not None:
            retired = isinstance(self.history[-1], ToolRetired)
            assert (self.state.standing is Standing.RETIRED) == retired


TestAnyTool = AnyTool.TestCase
TestAnyTool.settings = QUICK
