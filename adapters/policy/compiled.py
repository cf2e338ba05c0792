"""One policy text compiled for one tool: only the policies that can apply, only the context they look at."""

import re
from collections.abc import Mapping, Sequence
from typing import cast
from zoneinfo import ZoneInfo

import cedarpy
import orjson
from cachetools import LRUCache

from adapters.policy.cedar import Answer, ask, entities, policy_set
from adapters.policy.reach import looked_at
from adapters.policy.schema import AGENT, CALL, TOOL, groups_of
from adapters.policy.shapes import Record, pruned, written
from adapters.policy.texts import MAX_REASON, Policy
from application.policy import Ask, Determined, Question, Ruling, ToolView
from domain.kernel import Json, Verdict

_UTC = ZoneInfo("UTC")
_BLAMED = re.compile(r"policy `([^`]+)`")
ENGINE = "engine"
"""What determines when Cedar itself gives no answer."""
AGENTS_KEPT = 256
"""Entities are kept per agent, as they are worth more than parsing them for each call."""


class Compiled:
    """The policies of a text that are about one tool."""

    def __init__(self, policies: Sequence[Policy], tool: ToolView, context: Record) -> None:
        applicable = [policy for policy in policies if policy.is_about(tool.name, *groups_of(tool))]
        self._policies = {policy.id: policy for policy in applicable}
        self._all = _set_of(applicable)
        # The same request without the ask policies: decides whether there is anything to ask for.
        self._unasked = _set_of([policy for policy in applicable if policy.consent is None])
        self._tool = tool
        self._entities: LRUCache[object, cedarpy.Entities] = LRUCache(AGENTS_KEPT)
        self.context = pruned(context, looked_at(policy.body for policy in applicable))

    def rule(self, question: Question, context: Mapping[str, Json], zone: ZoneInfo) -> Ruling:
        """What the policies say; `context` is the values behind `self.context`.

        Raises Unrepresentable where the context does not have the declared shape.
        """
        told = orjson.dumps(written(self.context, context, zone)).decode()
        request: dict[str, Json] = {
            "principal": {"type": "Agent", "id": question.agent_id},
            "action": {"type": "Action", "id": self._tool.name},
            "resource": {"type": "Tool", "id": self._tool.name},
            "context": told,
        }
        known = self._entities_for(question)
        answer = ask(request, self._all, known)
        if answer.allowed or answer.errors:
            return self._ruling(answer)
        asking = [each for each in answer.determining if self._policies[each].consent is not None]
        if not asking or len(asking) < len(answer.determining):
            plain = tuple(each for each in answer.determining if each not in asking)
            return self._ruling(Answer(allowed=False, determining=plain, errors=()))
        unasked = ask(request, self._unasked, known)
        if not unasked.allowed or unasked.errors:
            return self._ruling(unasked)
        return self._asking(asking)

    def _ruling(self, answer: Answer) -> Ruling:
        if answer.errors:
            return denied("error", *((_blamed(error), error) for error in answer.errors))
        if not answer.determining:
            return denied("default", ("default", f"No policy permits calls of {self._tool.name}."))
        determined = tuple(
            Determined(policy=policy.id, effect=policy.effect, reason=policy.reason)
            for policy in map(self._policies.__getitem__, sorted(answer.determining))
        )
        verdict = Verdict.ALLOW if answer.allowed else Verdict.DENY
        return Ruling(verdict=verdict, determined=determined, asks=(), evidence={})

    def _asking(self, ids: Sequence[str]) -> Ruling:
        asks: list[Ask] = []
        for policy in map(self._policies.__getitem__, sorted(ids)):
            assert policy.consent is not None
            asks.append(
                Ask(
                    policy=policy.id,
                    role=policy.consent.role,
                    quorum=policy.consent.quorum,
                    expires_in=policy.consent.expires_in,
                    reason=policy.reason,
                )
            )
        determined = tuple(Determined(policy=ask.policy, effect="ask", reason=ask.reason) for ask in asks)
        return Ruling(verdict=Verdict.ASK, determined=determined, asks=tuple(asks), evidence={})

    def _entities_for(self, question: Question) -> cedarpy.Entities:
        key = (question.agent_id, question.roles, *question.agent.values())
        known = self._entities.get(key)
        if known is None:
            known = self._entities[key] = _entities(question, self._tool)
        return known


def denied(effect: str, *grounds: tuple[str, str]) -> Ruling:
    """A denial for reasons of the engine's own."""
    determined = tuple(
        Determined(policy=policy, effect=effect, reason=why[:MAX_REASON]) for policy, why in sorted(grounds)
    )
    return Ruling(verdict=Verdict.DENY, determined=determined, asks=(), evidence={})


def _set_of(policies: Sequence[Policy]) -> cedarpy.PolicySet:
    return policy_set({policy.id: policy.body for policy in policies})


def _blamed(error: str) -> str:
    named = _BLAMED.search(error)
    return named.group(1) if named else ENGINE


def _entities(question: Question, tool: ToolView) -> cedarpy.Entities:
    agent = {**question.agent, "roles": sorted(question.roles)}
    attributes = {"risk": tool.risk, "reads": list(tool.reads), "sinks": list(tool.sinks)}
    groups = groups_of(tool)
    told = [
        _entity("Agent", question.agent_id, written(AGENT, agent, _UTC)),
        _entity("Tool", tool.name, written(TOOL, attributes, _UTC)),
        _entity("Action", tool.name, {}, groups),
        *(_entity("Action", group, {}) for group in dict.fromkeys((CALL, *groups))),
    ]
    return entities(told)


def _entity(kind: str, name: str, attributes: Json, parents: Sequence[str] = ()) -> dict[str, Json]:
    return {
        "uid": {"type": kind, "id": name},
        "attrs": cast("dict[str, Json]", attributes),
        "parents": [{"type": "Action", "id": parent} for parent in parents],
    }
