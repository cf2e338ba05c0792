"""Proposals as they come in: read with msgspec, bounded, closed to unknown fields."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from api.http.bodies import check_depth
from api.http.bodies import decode as decode_any
from api.http.rejections import MalformedBody, RequestInvalid
from application.ports import Clock
from application.tool_calls.propose import Proposal

MOST = 100
"""Proposals in one batch."""

EARLIEST, LATEST = 1970, 9998
"""Years a call may have been made in; outside them a time zone could leave the calendar."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

T = TypeVar("T")

# As domain.kernel's Id and Name: looked at here, because the hot path builds no model for it.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,127}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

_PLACE = re.compile(r"^(?P<said>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


class Asked(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One proposal. Without a call id we make one; `at` is for recorded runs."""

    tool: str
    arguments: dict[str, Any]
    call_id: str | None = None
    at: Moment | None = None


class AskedOf(Asked, frozen=True, kw_only=True):
    """One proposal of a batch, with its run."""

    run_id: str


class Batch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Proposals of any of the tenant's runs, each decided on its own."""

    proposals: list[AskedOf]


ONE = msgspec.json.Decoder(Asked)
MANY = msgspec.json.Decoder(Batch)


def read_one(body: bytes, run_id: str, clock: Clock) -> Proposal:
    """The proposal of a body. Raises MalformedBody, BodyTooDeep, RequestInvalid."""
    return _proposal(run_id, _read(ONE, body), "", clock)


def read_many(body: bytes, clock: Clock) -> Sequence[Proposal]:
    """The proposals of a batch. Raises MalformedBody, BodyTooDeep, RequestInvalid."""
    items = _read(MANY, body).proposals
    if not 1 <= len(items) <= MOST:
        raise _invalid("/proposals", f"Expected from 1 to {MOST} proposals")
    return [_proposal(item.run_id, item, f"/proposals/{index}", clock) for index, item in enumerate(items)]


def is_id(text: str) -> bool:
    """Whether a text can name a run or a call."""
    return _ID.fullmatch(text) is not None


def _read(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    check_depth(body, lambda: decode_any(body))
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(*_placed(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(reason=str(error)) from None


def _proposal(run_id: str, asked: Asked, place: str, clock: Clock) -> Proposal:
    if not _ID.fullmatch(run_id):
        raise _invalid(f"{place}/run_id", "Expected an id")
    if asked.call_id is not None and not _ID.fullmatch(asked.call_id):
        raise _invalid(f"{place}/call_id", "Expected an id")
    if not _NAME.fullmatch(asked.tool):
        raise _invalid(f"{place}/tool", "Expected the name of a tool")
    if asked.at is not None and not EARLIEST <= asked.at.year <= LATEST:
        raise _invalid(f"{place}/at", f"Expected a year from {EARLIEST} to {LATEST}")
    return Proposal(run_id, asked.call_id or clock.new_id(), asked.tool, asked.arguments, asked.at)


def _invalid(pointer: str, message: str) -> RequestInvalid:
    return RequestInvalid(errors=[{"pointer": pointer, "message": message}])


def _placed(message: str) -> tuple[str, str]:
    """A complaint's place as a pointer, and what it says: `... - at `$.proposals[0].tool`` is at its end."""
    match = _PLACE.match(message)
    assert match is not None, "every text matches"
    steps = [step for step in re.split(r"[.\[\]]+", match["path"] or "") if step]
    if unknown := _UNKNOWN.search(match["said"]):
        steps.append(unknown["name"])
    return "".join(f"/{step}" for step in steps), match["said"]
