"""The OpenAI chat format: assistant messages with `tool_calls`, answered by messages of the role `tool`."""

from collections.abc import Iterable, Mapping, Sequence

from api.importing.transcript import CallIds, Malformed, ModelUsed, Proposed, Returned, Step
from api.importing.values import (
    count,
    micro_units,
    moment_in,
    output_of,
    parsed_json,
    plain_text,
    record,
    sequence,
    text,
)
from domain.kernel import Json

ROLES = {"system", "developer", "user", "assistant", "tool"}


def steps_of(document: Mapping[str, Json]) -> Sequence[Step]:
    """The steps of `{"messages": [...]}`, with `choices`, `model` and `usage` where they were kept too."""
    messages = list(sequence(document.get("messages"), "messages"))
    answer = _chosen(document)
    if answer is not None:
        messages.append(answer)
    steps = list(message_steps(messages, "messages", _model(document)))
    if "usage" in document and not any(isinstance(step, ModelUsed) for step in steps):
        steps.append(model_used(document["usage"], "usage", _model(document), "model-call-1"))
    return steps


def message_steps(messages: Sequence[Json], where: str, model: str) -> Iterable[Step]:
    """The steps of a list of messages; also what other formats keep such a list for."""
    ids = CallIds()
    for number, value in enumerate(messages):
        at = f"{where}[{number}]"
        message = record(value, at)
        role = text(message.get("role"), f"{at}.role")
        if role not in ROLES:
            raise Malformed(f"{at}.role is {role!r}; the chat format has {', '.join(sorted(ROLES))}")
        if role == "assistant":
            if message.get("usage") is not None:
                stated = message.get("model") or model
                yield model_used(message["usage"], f"{at}.usage", str(stated), f"model-call-{number + 1}")
            yield from _calls(message, at, ids)
        elif role == "tool":
            yield _returned(message, at, ids)


def model_used(value: Json, where: str, model: str, model_call_id: str) -> ModelUsed:
    """What a model call used; `cost` is in dollars where a router added it."""
    usage = record(value, where)
    details = record(usage.get("prompt_tokens_details") or {}, f"{where}.prompt_tokens_details")
    return ModelUsed(
        model_call_id=model_call_id,
        model=model,
        input_tokens=count(usage.get("prompt_tokens"), f"{where}.prompt_tokens"),
        output_tokens=count(usage.get("completion_tokens"), f"{where}.completion_tokens"),
        cached_tokens=count(details.get("cached_tokens"), f"{where}.prompt_tokens_details.cached_tokens"),
        cost=micro_units(usage.get("cost"), f"{where}.cost"),
    )


def _calls(message: Mapping[str, Json], where: str, ids: CallIds) -> Iterable[Proposed]:
    if message.get("function_call") is not None:
        raise Malformed(f"{where}.function_call is the form before tool_calls, which is not read")
    for number, value in enumerate(sequence(message.get("tool_calls") or [], f"{where}.tool_calls")):
        at = f"{where}.tool_calls[{number}]"
        call = record(value, at)
        function = record(call.get("function"), f"{at}.function")
        yield Proposed(
            call_id=ids.called(str(call.get("id") or "")),
            tool=text(function.get("name"), f"{at}.function.name"),
            arguments=_arguments(function.get("arguments"), f"{at}.function.arguments"),
            at=moment_in(message, where),
        )


def _arguments(value: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(value, str):
        return record({} if value is None else value, where)
    try:
        return record(parsed_json(value or "{}"), where)
    except ValueError as error:
        raise Malformed(f"{where} is not JSON: {error}") from None


def _returned(message: Mapping[str, Json], where: str, ids: CallIds) -> Returned:
    call_id = ids.answered(str(message.get("tool_call_id") or ""), where)
    content = message.get("content")
    said = plain_text(content)
    failed = bool(message.get("is_error")) or (said is not None and said.startswith("Error"))
    return Returned(call_id, said if failed and said is not None else output_of(content), failed)


def _chosen(document: Mapping[str, Json]) -> Json:
    if "choices" not in document:
        return None
    choices = sequence(document["choices"], "choices")
    return record(choices[0], "choices[0]").get("message") if choices else None


def _model(document: Mapping[str, Json]) -> str:
    return str(document.get("model") or "unknown")
