"""Recorded conversations of airline agents: their tool calls in order, and what a correct agent would do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.kernel import Json


@dataclass(frozen=True)
class Turn:
    """One tool call of a recorded run with what came of it."""

    run: str
    tool: str
    arguments: Mapping[str, Json]
    output: str | None

    @property
    def failed(self) -> bool:
        """Whether the airline's API refused it; a call without an output never got there."""
        return self.output is None or self.output.startswith("Error")


@dataclass(frozen=True)
class RecordedRun:
    """A recorded conversation: its tool calls in order, the calls a correct agent makes, how it ended."""

    id: str
    turns: tuple[Turn, ...]
    correct: tuple[tuple[str, Mapping[str, Json]], ...]
    ended_right: bool


def recorded_runs(folder: Path) -> list[RecordedRun]:
    """The runs of a folder's `*.jsonl`, file by file, in the OpenAI chat format."""
    return [
        _recorded(json.loads(line), path.stem)
        for path in transcripts(folder)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]


def transcripts(folder: Path) -> list[Path]:
    """The files with recorded runs."""
    return sorted(folder.glob("*.jsonl"))


def _recorded(told: dict[str, Any], file: str) -> RecordedRun:
    run = f"{file}.{told['task_id']}.{told['trial']}"
    turns: list[Turn] = []
    waiting: list[tuple[str, str, dict[str, Json]]] = []
    for message in told["traj"]:
        calls: list[dict[str, Any]] = message.get("tool_calls") or []
        for call in calls:
            asked = call["function"]
            waiting.append((call["id"], asked["name"], json.loads(asked["arguments"])))
        if message["role"] == "tool" and waiting:
            # Call ids repeat within a run, so an output belongs to the oldest call of its id that has none.
            at = next((i for i, each in enumerate(waiting) if each[0] == message["tool_call_id"]), 0)
            _, tool, arguments = waiting.pop(at)
            turns.append(Turn(run, tool, arguments, str(message["content"])))
    turns += [Turn(run, tool, arguments, None) for _, tool, arguments in waiting]
    correct = tuple((action["name"], action["kwargs"]) for action in told["info"]["task"]["actions"])
    return RecordedRun(run, tuple(turns), correct, told["reward"] == 1)
