"""A policy text taken apart: each policy with id, line, annotations and the actions it is about."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

import cedarpy
import orjson

from domain.kernel import Json

Fault: TypeAlias = dict[str, str | int]
"""What a caller is told: `policy`, `line` where known, `message`."""

LABELS: Final = "labels"
RESERVED: Final = frozenset({LABELS, "default", "arguments", "facts", "engine", "policy-set"})
"""Names under which the engine itself determines; together with `derived.<name>`."""

MAX_TEXT: Final = 1_000_000
MAX_QUORUM: Final = 20
MAX_REASON: Final = 1_000
MAX_EXPIRY: Final = 30 * 86_400
DEFAULT_EXPIRY: Final = "24h"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")
_SKIPPED: Final = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;|\S', re.DOTALL)


class TextInvalid(Exception):
    """A policy text with its faults."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


@dataclass(frozen=True)
class Consent:
    """What an ask policy wants: a role, how many of it, within how many seconds."""

    role: str
    quorum: int
    expires_in: int


@dataclass(frozen=True)
class Policy:
    """One policy of a text. `actions` are those its scope names, groups among them; None: it is about all."""

    id: str
    line: int
    effect: str
    reason: str
    consent: Consent | None
    actions: frozenset[str] | None
    body: Mapping[str, Json]

    def is_about(self, *names: str) -> bool:
        """Whether its scope takes in an action of these names: a tool's own and those of its groups."""
        return self.actions is None or not self.actions.isdisjoint(names)


def parsed(text: str) -> list[Policy]:
    """The policies of a text in their order; raises TextInvalid with all faults that can be told at once."""
    if len(text) > MAX_TEXT:
        raise TextInvalid([{"policy": "", "message": f"is longer than {MAX_TEXT} characters"}])
    policies: list[Policy] = []
    faults: list[Fault] = []
    for line, statement in _statements(text):
        try:
            policies.append(_policy(statement, line))
        except TextInvalid as no:
            faults += no.faults
    first: dict[str, int] = {}
    for policy in policies:
        if policy.id in first:
            message = f"has the id of the policy in line {first[policy.id]}"
            faults.append({"policy": policy.id, "line": policy.line, "message": message})
        first.setdefault(policy.id, policy.line)
    if faults:
        raise TextInvalid(faults)
    return policies


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the line it begins in: a fault in one must not hide those in others."""
    begin: int | None = None
    line, counted = 1, 0
    for match in _SKIPPED.finditer(text):
        if match.group().startswith("//"):
            continue
        if begin is None:
            begin = match.start()
            line, counted = line + text.count("\n", counted, begin), begin
        if match.group() == ";":
            yield line, text[begin : match.end()]
            begin = None
    if begin is not None:
        yield line, text[begin:]


def _policy(statement: str, line: int) -> Policy:
    try:
        told = orjson.loads(cedarpy.policies_to_json_str(statement))
    except ValueError as no:
        named = re.search(r'@id\s*\(\s*"([^"]*)"', statement)
        raise _fault(named.group(1) if named else "", line, f"does not parse: {no}") from None
    if told["templates"]:
        raise _fault("", line, "is a template; templates decide nothing until linked, and nothing links them")
    body = cast("dict[str, Json]", next(iter(told["staticPolicies"].values())))
    annotations = cast("dict[str, str | None]", body.get("annotations", {}))
    name = annotations.get("id") or ""
    if not name:
        raise _fault("", line, 'has no @id("…"), by which decisions would name it')
    if _ID.fullmatch(name) is None or name in RESERVED or name.startswith("derived."):
        raise _fault(name, line, "has an id that is reserved or not a plain name")
    if len(annotations.get("reason") or "") > MAX_REASON:
        raise _fault(name, line, f"has a @reason of more than {MAX_REASON} characters")
    consent = _consent(name, line, str(body["effect"]), annotations)
    return Policy(
        id=name,
        line=line,
        effect=str(body["effect"]),
        reason=annotations.get("reason") or _sentence(name),
        consent=consent,
        actions=_actions(body),
        body=body,
    )


def _consent(name: str, line: int, effect: str, annotations: Mapping[str, str | None]) -> Consent | None:
    if "ask" not in annotations:
        stray = [name for name in ("quorum", "expires") if name in annotations]
        if stray:
            raise _fault(name, line, f"has @{stray[0]} but no @ask")
        return None
    if effect != "forbid":
        raise _fault(name, line, "has @ask on a permit; it belongs on a forbid")
    role, quorum = annotations["ask"] or "", annotations.get("quorum", "1") or ""
    if _NAME.fullmatch(role) is None:
        raise _fault(name, line, '@ask wants the name of a role, such as @ask("approver")')
    if re.fullmatch(r"[0-9]{1,3}", quorum) is None or not 1 <= int(quorum) <= MAX_QUORUM:
        raise _fault(name, line, f"@quorum wants a number from 1 to {MAX_QUORUM}")
    expiry = re.fullmatch(r"([0-9]{1,7})([smhd])", annotations.get("expires", DEFAULT_EXPIRY) or "")
    seconds = int(expiry.group(1)) * _SECONDS[expiry.group(2)] if expiry else 0
    if not 1 <= seconds <= MAX_EXPIRY:
        raise _fault(name, line, '@expires wants a time such as "30m", "2h" or "7d", at most 30 days')
    return Consent(role, int(quorum), seconds)


def _actions(body: Mapping[str, Json]) -> frozenset[str] | None:
    scope = body["action"]
    if scope["op"] == "All":
        return None
    entities = scope["entities"] if "entities" in scope else [scope["entity"]]
    return frozenset(entity["id"] for entity in entities)


def _sentence(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").replace(".", " ").strip().capitalize() + "."


def _fault(policy: str, line: int, message: str) -> TextInvalid:
    return TextInvalid([{"policy": policy, "line": line, "message": message}])
