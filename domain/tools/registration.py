"""What is known of a tool before anyone calls it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domain.facts.spec import FactSpec
from domain.kernel import Json, Message, Name, Text

Pointer = Annotated[str, StringConstraints(max_length=512, pattern=r"^(/[^/]*)*$")]
"""An RFC 6901 JSON pointer; `*` stands for every element of a list."""


class Outputs(StrEnum):
    """What is kept of a tool's raw output: a what-if over new facts needs it, privacy may not."""

    NONE = "none"
    DIGEST = "digest"
    ENCRYPTED = "encrypted"


class PersonalPlace(Message):
    """A part of a tool's arguments, output or facts that belongs to a data subject.

    `subject` is `run` (whomever the run declared, else the run itself) or `arg:<pointer>`, the argument
    that names the subject. In `facts` the pointer is `/<kind>/<field>`.
    """

    within: Literal["arguments", "output", "facts"] = "arguments"
    pointer: Pointer
    subject: Annotated[str, StringConstraints(pattern=r"^(run|arg:(/[^/]*)+)$", max_length=512)] = "run"


class Registration(Message):
    """What an agent may call: shape of its arguments, risk, labels, facts, personal places.

    `reads` are labels that its output puts on the run; `sinks` are labels a run must not carry when it
    calls this tool. A call of risk `read` changes nothing outside; every other risk counts as a write.
    """

    description: Text = ""
    risk: Name = "write"
    arguments: Mapping[str, Json]
    reads: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    sinks: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    facts: FactSpec = FactSpec()
    personal: Annotated[tuple[PersonalPlace, ...], Field(max_length=64)] = ()
    outputs: Outputs = Outputs.DIGEST
    allow_for: Annotated[int, Field(ge=1, le=86_400)] = 300
    """Seconds after which an allowance that was not dispatched expires."""

    @property
    def writes(self) -> bool:
        """Whether a call of this tool can change anything outside."""
        return self.risk != "read"
