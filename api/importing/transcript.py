"""What a recorded conversation comes down to: tool calls, their outputs, and what the model used."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID, uuid5

from domain.kernel import Json

RUN_IDS = UUID("6d616769-7374-7261-7465-72756e696473")
"""The namespace of the run ids that an import gives."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,99}")


class Malformed(Exception):
    """A transcript that cannot be read; the text says what is wrong with it and where inside it."""


@dataclass(frozen=True)
class Proposed:
    """The agent called a tool. `at` where the transcript says when."""

    call_id: str
    tool: str
    arguments: Mapping[str, Json]
    at: datetime | None = None


@dataclass(frozen=True)
class Returned:
    """What the tool gave back; `failed` when it said that it did not do it."""

    call_id: str
    output: Json
    failed: bool


@dataclass(frozen=True)
class ModelUsed:
    """One call of a model. `input_tokens` counts cached ones too; `cost` in micro-units of US dollars."""

    model_call_id: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int | None


Step: TypeAlias = Proposed | Returned | ModelUsed


@dataclass(frozen=True)
class Transcript:
    """One recorded run, with where it stood: `line` and `index` count from 1 and 0."""

    file: str
    line: int
    index: int
    content: str
    """SHA-256 hex of the transcript as it was read."""
    agent: str | None
    """Who ran it, where its `metadata` says so."""
    started_at: datetime | None
    steps: Sequence[Step]

    @property
    def place(self) -> str:
        """Where it can be found, as `file:line`."""
        return f"{self.file}:{self.line}"

    def run_id(self, agent: str, batch: str) -> str:
        """The same for the same transcript, agent and batch, so that importing again changes nothing."""
        name = self.file.replace("\\", "/").rsplit("/", 1)[-1]
        return str(uuid5(RUN_IDS, json.dumps([batch, agent, name, self.index, self.content])))


def content_of(value: Json) -> str:
    """A digest of a transcript that does not depend on how its JSON was laid out."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class CallIds:
    """Gives each call of one transcript an id of its own, and finds the call that an output answers.

    Some recorders count from 0 in every turn, or leave the id out: an output answers the oldest call of
    its id that has no output yet.
    """

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._open: dict[str, list[str]] = {}

    def called(self, recorded: str) -> str:
        """The id for the next call."""
        stem = recorded if _ID.fullmatch(recorded) else "call"
        call_id, number = recorded if stem == recorded else "call-1", 1
        while call_id in self._given:
            number += 1
            call_id = f"{stem}-{number}"
        self._given.add(call_id)
        self._open.setdefault(recorded, []).append(call_id)
        return call_id

    def answered(self, recorded: str, where: str) -> str:
        """The id of the call that is answered; raises Malformed when there was none."""
        waiting = self._open.get(recorded)
        if not waiting:
            raise Malformed(f"{where} answers the call {recorded!r}, which nobody made before it")
        return waiting.pop(0)
