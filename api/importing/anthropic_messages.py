"""The Anthropic Messages format: content blocks `tool_use`, answered by `tool_result` in the user's turn."""

from collections.abc import Iterable, Mapping, Sequence

from api.importing.transcript import CallIds, Malformed, ModelUsed, Proposed, Returned, Step
from api.importing.values import (
    count,
    micro_units,
    moment_in,
    output_of,
    plain_text,
    record,
    sequence,
    text,
)
from domain.kernel import Json

ROLES = {"user", "assistant"}


def steps_of(document: Mapping[str, Json]) -> Sequence[Step]:
    """The steps of `{"messages": [...]}`; an assistant's turn may be a whole response with its `usage`."""
    ids = CallIds()
    steps: list[Step] = []
    for number, value in enumerate(sequence(document.get("messages"), "messages")):
        at = f"messages[{number}]"
        message = record(value, at)
        role = text(message.get("role"), f"{at}.role")
        if role not in ROLES:
            raise Malformed(f"{at}.role is {role!r}; the messages format has {', '.join(sorted(ROLES))}")
        if role == "assistant":
            steps.extend(_turn(message, at, ids, str(message.get("model") or _model(document)), number))
        else:
            steps.extend(_results(message, at, ids))
    if document.get("usage") is not None and not any(isinstance(step, ModelUsed) for step in steps):
        steps.append(_model_used(document["usage"], "usage", _model(document), "model-call-1"))
    return steps


def _turn(message: Mapping[str, Json], where: str, ids: CallIds, model: str, number: int) -> Iterable[Step]:
    if message.get("usage") is not None:
        yield _model_used(message["usage"], f"{where}.usage", model, f"model-call-{number + 1}")
    for at, block in _blocks(message, where):
        if block.get("type") == "tool_use":
            yield Proposed(
                call_id=ids.called(str(block.get("id") or "")),
                tool=text(block.get("name"), f"{at}.name"),
                arguments=record({} if block.get("input") is None else block["input"], f"{at}.input"),
                at=moment_in(message, where),
            )


def _results(message: Mapping[str, Json], where: str, ids: CallIds) -> Iterable[Returned]:
    for at, block in _blocks(message, where):
        if block.get("type") == "tool_result":
            call_id = ids.answered(str(block.get("tool_use_id") or ""), at)
            content = block.get("content")
            said = plain_text(content)
            failed = bool(block.get("is_error")) or (said is not None and said.startswith("Error"))
            yield Returned(call_id, said if failed and said is not None else output_of(content), failed)


def _blocks(message: Mapping[str, Json], where: str) -> Iterable[tuple[str, Mapping[str, Json]]]:
    content = message.get("content")
    if isinstance(content, str):
        return
    for number, value in enumerate(sequence(content, f"{where}.content")):
        at = f"{where}.content[{number}]"
        yield at, record(value, at)


def _model_used(value: Json, where: str, model: str, model_call_id: str) -> ModelUsed:
    usage = record(value, where)
    fresh = count(usage.get("input_tokens"), f"{where}.input_tokens")
    read = count(usage.get("cache_read_input_tokens"), f"{where}.cache_read_input_tokens")
    written = count(usage.get("cache_creation_input_tokens"), f"{where}.cache_creation_input_tokens")
    return ModelUsed(
        model_call_id=model_call_id,
        model=model,
        # This format counts what came from the cache apart; elsewhere input means all of it.
        input_tokens=fresh + read + written,
        output_tokens=count(usage.get("output_tokens"), f"{where}.output_tokens"),
        cached_tokens=read,
        cost=micro_units(usage.get("cost"), f"{where}.cost"),
    )


def _model(document: Mapping[str, Json]) -> str:
    return str(document.get("model") or "unknown")
