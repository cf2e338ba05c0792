"""Transcripts in three formats come down to the same steps; what is wrong with one is told with its place."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.importing.files import Format, Unreadable, read
from api.importing.transcript import ModelUsed, Proposed, Returned, Transcript
from domain.kernel import Json

OPENAI: dict[str, Json] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "hello"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"found": 1}'},
    ],
}

ANTHROPIC: dict[str, Json] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "hello"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "x"}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": '{"found": 1}'}],
        },
    ],
}

TAU: dict[str, Json] = {"task_id": 3, "trial": 0, "reward": 1.0, "traj": OPENAI["messages"]}

STEPS = [Proposed("c1", "look", {"at": "x"}), Returned("c1", {"found": 1}, failed=False)]


def written(folder: Path, *documents: Json, name: str = "some.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    return path


def transcripts(path: Path, as_written: Format = Format.AUTO) -> list[Transcript]:
    found = list(read(path, as_written))
    assert not [one for one in found if isinstance(one, Unreadable)]
    return [one for one in found if isinstance(one, Transcript)]


def complaints(path: Path) -> list[str]:
    return [str(one).removeprefix(str(path)) for one in read(path) if isinstance(one, Unreadable)]


@pytest.mark.parametrize("document", [OPENAI, ANTHROPIC, TAU, OPENAI["messages"]])
def test_each_format_is_recognised_and_says_the_same(tmp_path: Path, document: Json) -> None:
    (transcript,) = transcripts(written(tmp_path, document))
    assert list(transcript.steps) == STEPS


def test_formats_may_be_mixed_in_one_file(tmp_path: Path) -> None:
    path = written(tmp_path, OPENAI, ANTHROPIC, TAU)
    assert [list(one.steps) for one in transcripts(path)] == [STEPS] * 3
    assert [(one.index, one.line) for one in transcripts(path)] == [(0, 1), (1, 2), (2, 3)]


def test_one_document_may_span_lines_and_a_list_may_hold_several(tmp_path: Path) -> None:
    path = tmp_path / "pretty.json"
    path.write_text(json.dumps(OPENAI, indent=2))
    assert [list(one.steps) for one in transcripts(path)] == [STEPS]
    path.write_text(json.dumps([OPENAI, TAU], indent=2))
    assert [list(one.steps) for one in transcripts(path)] == [STEPS, STEPS]


def test_usage_becomes_model_calls_with_their_cost(tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
        "cost": 0.0025,
    }
    (transcript,) = transcripts(written(tmp_path, {**OPENAI, "usage": usage}))
    assert transcript.steps[-1] == ModelUsed("model-call-1", "m", 10, 2, 4, 2_500)


def test_cached_input_counts_as_input_in_every_format(tmp_path: Path) -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 2,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 3,
    }
    answer = {**ANTHROPIC["messages"][1], "model": "other", "usage": usage}
    document = {"messages": [ANTHROPIC["messages"][0], answer, ANTHROPIC["messages"][2]]}
    (transcript,) = transcripts(written(tmp_path, document))
    assert transcript.steps[0] == ModelUsed("model-call-2", "other", 17, 2, 4, None)


@pytest.mark.parametrize(
    ("content", "step"),
    [
        ("Error: no seats", Returned("c1", "Error: no seats", failed=True)),
        ("plain words", Returned("c1", "plain words", failed=False)),
        ("", Returned("c1", "", failed=False)),
        ("NaN", Returned("c1", "NaN", failed=False)),
        ([{"type": "text", "text": "[1, 2]"}], Returned("c1", [1, 2], failed=False)),
    ],
)
def test_outputs_are_read_as_json_where_they_are_json(tmp_path: Path, content: Json, step: Returned) -> None:
    answer = {**OPENAI["messages"][2], "content": content}
    (transcript,) = transcripts(written(tmp_path, {"messages": [*OPENAI["messages"][:2], answer]}))
    assert transcript.steps[1] == step


def test_an_output_marked_as_an_error_has_failed(tmp_path: Path) -> None:
    block = {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": "502"}
    document = {"messages": [*ANTHROPIC["messages"][:2], {"role": "user", "content": [block]}]}
    (transcript,) = transcripts(written(tmp_path, document))
    assert transcript.steps[1] == Returned("c1", "502", failed=True)


def test_ids_that_repeat_within_a_run_are_told_apart(tmp_path: Path) -> None:
    turn = OPENAI["messages"][1:]
    (transcript,) = transcripts(written(tmp_path, {"messages": [*turn, *turn, *turn]}))
    assert [step.call_id for step in transcript.steps] == ["c1", "c1", "c1-2", "c1-2", "c1-3", "c1-3"]  # type: ignore[union-attr]


def test_a_transcript_says_who_ran_it_and_when(tmp_path: Path) -> None:
    said = {"metadata": {"agent": "clerk"}, "created": 1788775200}
    (transcript,) = transcripts(written(tmp_path, {**OPENAI, **said}))
    assert transcript.agent == "clerk"
    assert transcript.started_at == datetime(2026, 9, 7, 10, 0, tzinfo=UTC)


def test_run_ids_are_the_same_each_time_and_differ_by_transcript_agent_and_batch(tmp_path: Path) -> None:
    path = written(tmp_path, OPENAI, OPENAI)
    first, second = transcripts(path)
    assert transcripts(path)[0].run_id("a", "") == first.run_id("a", "")
    assert (
        len(
            {first.run_id("a", ""), first.run_id("b", ""), first.run_id("a", "again"), second.run_id("a", "")}
        )
        == 4
    )


def test_a_bad_line_is_told_with_its_place_and_the_others_go_on(tmp_path: Path) -> None:
    path = written(tmp_path, OPENAI)
    with path.open("a") as file:
        file.write('{"messages": [}\n\n{"other": 1}\n7\n')
        file.write(json.dumps(TAU) + "\n")
    found = list(read(path))
    assert [isinstance(one, Transcript) for one in found] == [True, False, False, False, True]
    assert complaints(path) == [
        ":2: not JSON: Expecting value at column 15",
        ":4: it holds neither `messages` nor `traj`, so it is in none of the formats that are read",
        ":5: the transcript is a number, not an object",
    ]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ("x", "messages is text, not a list"),
        ([{"content": "x"}], "messages[0].role is missing, not a text"),
        ([{"role": "robot"}], "messages[0].role is 'robot'; the chat format has"),
        (
            [{"role": "tool", "tool_call_id": "c9", "content": ""}],
            "messages[0] answers the call 'c9', which nobody made before it",
        ),
        (
            [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{"}}],
                }
            ],
            "messages[0].tool_calls[0].function.arguments is not JSON",
        ),
        (
            [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "[]"}}],
                }
            ],
            "messages[0].tool_calls[0].function.arguments is a list, not an object",
        ),
        (
            [{"role": "assistant", "content": "x", "usage": {"prompt_tokens": -1}}],
            "messages[0].usage.prompt_tokens is a number, not a whole number from 0",
        ),
    ],
)
def test_what_is_wrong_with_a_transcript_is_told_precisely(
    tmp_path: Path, messages: Json, complaint: str
) -> None:
    (told,) = complaints(written(tmp_path, {"messages": messages}))
    assert complaint in told


def test_a_broken_document_that_spans_lines_is_told_once_with_the_line_of_the_break(tmp_path: Path) -> None:
    path = tmp_path / "pretty.json"
    path.write_text(json.dumps(OPENAI, indent=2).replace('"role": "tool"', '"role": tool'))
    (told,) = complaints(path)
    assert told.startswith(":23: not JSON")


def test_bytes_that_are_no_text_and_an_empty_file_are_told_or_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b"\xff\xfe{}\n")
    assert complaints(path) == [":1: not UTF-8: invalid start byte at byte 0"]
    path.write_bytes(b"\n\n")
    assert list(read(path)) == []
