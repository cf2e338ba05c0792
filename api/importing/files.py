"""From files to transcripts: JSON or JSON lines, in whichever format each of them is written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from json import JSONDecodeError
from pathlib import Path
from typing import BinaryIO

from api.importing import anthropic_messages, openai_chat, tau_bench
from api.importing.transcript import Malformed, Step, Transcript, content_of
from api.importing.values import is_record, is_sequence, moment_in, parsed_json, record, sequence, text
from domain.kernel import Json


class Format(StrEnum):
    """How a transcript is written; `auto` looks at each one."""

    AUTO = "auto"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    TAU = "tau"


@dataclass(frozen=True)
class Unreadable:
    """A transcript that was passed over, with where it stands and what is wrong."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


READERS: Mapping[Format, Callable[[Mapping[str, Json]], Sequence[Step]]] = {
    Format.OPENAI: openai_chat.steps_of,
    Format.ANTHROPIC: anthropic_messages.steps_of,
    Format.TAU: tau_bench.steps_of,
}


def read(path: Path, written: Format = Format.AUTO) -> Iterator[Transcript | Unreadable]:
    """The transcripts of a file in order; the bad ones are told and the others go on. Raises OSError."""
    for index, (line, document) in enumerate(_documents(path)):
        if isinstance(document, Unreadable):
            yield document
        else:
            try:
                yield _transcript(path, line, index, document, written)
            except Malformed as wrong:
                yield Unreadable(str(path), line, str(wrong))


ANTHROPIC_BLOCKS = {"tool_use", "tool_result", "thinking"}


def _transcript(path: Path, line: int, index: int, value: Json, written: Format) -> Transcript:
    # A bare list of messages is the chat format at its barest.
    document = record({"messages": value} if is_sequence(value) else value, "the transcript")
    reader = READERS[_recognised(document) if written is Format.AUTO else written]
    return Transcript(
        file=str(path),
        line=line,
        index=index,
        content=content_of(document),
        agent=_agent(document),
        started_at=moment_in(document, "the transcript"),
        steps=reader(document),
    )


def _agent(document: Mapping[str, Json]) -> str | None:
    stated = record(document.get("metadata") or {}, "metadata").get("agent")
    return text(stated, "metadata.agent") if stated is not None else None


def _recognised(document: Mapping[str, Json]) -> Format:
    if "traj" in document:
        return Format.TAU
    if "messages" not in document:
        raise Malformed(
            "it holds neither `messages` nor `traj`, so it is in none of the formats that are read"
        )
    for number, value in enumerate(sequence(document["messages"], "messages")):
        message = record(value, f"messages[{number}]")
        if message.get("tool_calls") or message.get("role") in ("tool", "system", "developer"):
            return Format.OPENAI
        if message.get("type") == "message" or ANTHROPIC_BLOCKS & _kinds(message.get("content")):
            return Format.ANTHROPIC
    return Format.ANTHROPIC if "system" in document else Format.OPENAI


def _kinds(content: Json) -> set[str]:
    if not is_sequence(content):
        return set()
    return {str(block.get("type")) for block in content if is_record(block)}


def _documents(path: Path) -> Iterator[tuple[int, Json | Unreadable]]:
    """Each transcript's JSON with the line it starts on: JSON lines, or one document that spans the file."""
    with path.open("rb") as file:
        start = list(islice(_filled(file), 2))
    broken = [isinstance(_parsed(path, number, raw), Unreadable) for number, raw in start]
    if len(start) > 1 and not all(broken):
        with path.open("rb") as file:
            yield from ((number, _parsed(path, number, raw)) for number, raw in _filled(file))
    elif start:
        # Neither of the first lines is JSON by itself, or there is only one.
        document = _parsed(path, 1, path.read_bytes())
        yield from ((start[0][0], entry) for entry in _entries(document))


def _filled(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    return ((number, raw) for number, raw in enumerate(file, start=1) if raw.strip())


def _parsed(path: Path, line: int, raw: bytes) -> Json | Unreadable:
    try:
        return parsed_json(raw.decode())
    except UnicodeDecodeError as error:
        return Unreadable(str(path), line, f"not UTF-8: {error.reason} at byte {error.start}")
    except RecursionError:
        return Unreadable(str(path), line, "nested too deeply")
    except JSONDecodeError as error:
        said = f"not JSON: {error.msg} at column {error.colno}"
        return Unreadable(str(path), line + error.lineno - 1, said)
    except ValueError as error:
        return Unreadable(str(path), line, f"not JSON: {error}")


def _entries(document: Json | Unreadable) -> list[Json | Unreadable]:
    """A list may be several transcripts or the messages of one."""
    if is_sequence(document) and any(_is_transcript(entry) for entry in document):
        return list(document)
    return [document]


def _is_transcript(entry: Json) -> bool:
    return is_sequence(entry) or (is_record(entry) and bool({"messages", "traj"} & entry.keys()))
