"""The audit trail, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from adapters.read_models.reading import Row, View
from projections.decisions import indexed

# The page is cut from one index in the order of positions, and only then joined with the rest: with the
# joins inside, the planner would take their result for small and join everything before it sorts.
_DECISIONS: LiteralString = """
    SELECT d.*, r.agent_id, p.tool, history.stages
    FROM (SELECT d.* FROM {source} WHERE {where} ORDER BY o.valid_from DESC LIMIT %(limit)s) d
    JOIN {decision_runs} r ON r.tenant = d.tenant AND r.run_id = d.run_id
    JOIN {decision_proposals} p ON p.tenant = d.tenant AND p.run_id = d.run_id AND p.call_id = d.call_id
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_object(
            'stage', s.stage, 'position', s.valid_from, 'actor', s.actor, 'detail', s.detail,
            'at', to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) ORDER BY s.valid_from), '[]') AS stages
        FROM {decision_stages} s
        WHERE s.tenant = d.tenant AND s.run_id = d.run_id AND s.call_id = d.call_id
          AND s.valid_from <= coalesce(%(as_of)s, s.valid_from)
    ) history
    ORDER BY d.valid_from DESC
"""

# LIMIT 1 keeps the planner from turning the lookup into a join of everything.
_ALL: LiteralString = "{decisions} o CROSS JOIN LATERAL (SELECT o.*) d"
_OF_POLICY: LiteralString = (
    "{decision_policies} o CROSS JOIN LATERAL (SELECT * FROM {decisions} d WHERE d.tenant = o.tenant"
    " AND d.run_id = o.run_id AND d.call_id = o.call_id LIMIT 1) d"
)
_OF_TOOL: LiteralString = (
    "{decision_proposals} o CROSS JOIN LATERAL (SELECT * FROM {decisions} d WHERE d.tenant = o.tenant"
    " AND d.run_id = o.run_id AND d.call_id = o.call_id LIMIT 1) d"
)


@dataclass(frozen=True)
class DecisionsAsked:
    """Which decisions; `own` is the principal or agent of whose runs alone they are shown.

    `since` is the first instant, `until` the one after the last.
    """

    limit: int
    before: int | None = None
    run_id: str | None = None
    call_id: str | None = None
    agent_id: str | None = None
    tool: str | None = None
    verdict: str | None = None
    policy: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    own: str | None = None


_CONDITIONS: dict[str, LiteralString] = {
    "before": "o.valid_from < %(before)s AND d.valid_from < %(before)s",
    "run_id": "d.run_id = %(run_id)s",
    "call_id": "d.call_id = %(call_id)s",
    "verdict": "d.verdict = %(verdict)s",
    "since": "d.at >= %(since)s",
    "until": "d.at < %(until)s",
    "agent_id": "EXISTS (SELECT FROM {decision_runs} r WHERE r.tenant = d.tenant AND r.run_id = d.run_id"
    " AND r.agent_id = %(agent_id)s)",
    "own": "EXISTS (SELECT FROM {decision_runs} r WHERE r.tenant = d.tenant AND r.run_id = d.run_id"
    " AND (r.principal = %(own)s OR r.agent_id = %(own)s))",
}
_TOOL_TOO: LiteralString = (
    "EXISTS (SELECT FROM {decision_proposals} p WHERE p.tenant = d.tenant AND p.run_id = d.run_id"
    " AND p.call_id = d.call_id AND p.tool = %(tool)s)"
)


async def list_decisions(view: View, asked: DecisionsAsked) -> Sequence[Row]:
    """Newest first: each with its grounds, and the stages its call has been through since."""
    values = vars(asked)
    where: list[LiteralString] = ["o.tenant = %(tenant)s", *view.known("d")]
    where.extend(_CONDITIONS[name] for name in _CONDITIONS if values[name] is not None)
    source = _ALL
    if asked.policy is not None:
        source = _OF_POLICY
        where.append("o.policy = %(policy)s")
        values = {**values, "policy": indexed(asked.policy)}
    if asked.tool is not None and asked.policy is not None:
        where.append(_TOOL_TOO)
    elif asked.tool is not None:
        source = _OF_TOOL
        where.append("o.tool = %(tool)s")
    return await view.rows(_DECISIONS, where, values, source=source)
