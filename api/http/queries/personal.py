"""Personal fields in answers: opened for those who are entitled, a mark for everybody else."""

import re
from collections.abc import Sequence
from typing import cast

from application.access import Caller, Deed
from application.ports import EventLog, Excerpt
from domain.kernel import Json

SEALED = "[sealed]"

_TOKEN = re.compile(r"sealed:v1:[0-9a-f-]{36}:[A-Za-z0-9_-]+")


def may_open(caller: Caller, *people: str | None) -> bool:
    """Whether the caller reads everything of the tenant, or is one of those it is about."""
    return caller.may(Deed.READ_EVERYTHING) or caller.principal in people


async def shown(
    log: EventLog, caller: Caller, excerpts: Sequence[Excerpt], may: Sequence[bool]
) -> Sequence[Json]:
    """The bodies: with personal fields where the caller may see them, else with marks in their place."""
    entitled = [excerpt for excerpt, so in zip(excerpts, may, strict=True) if so]
    opened = iter(await log.unseal(caller.tenant, entitled) if entitled else ())
    return [next(opened) if so else masked(one.body) for one, so in zip(excerpts, may, strict=True)]


def masked(value: Json) -> Json:
    """The value with a mark instead of whatever is sealed."""
    if isinstance(value, str):
        return SEALED if _TOKEN.fullmatch(value) else value
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in cast("dict[str, Json]", value).items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]  # Json is Any
    return value
