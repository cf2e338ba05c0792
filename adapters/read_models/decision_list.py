"""The audit trail, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from adapters.read_models.reading import Row, View
from projections.decisions import indexed

_DECISIONS: LiteralString = """
    SELECT d.*, history.stages
    FROM (
        SELECT d.*, r.agent_id, p.tool
        FROM {decisions} d
        JOIN {decision_runs} r ON r.tenant = d.tenant AND r.run_id = d.run_id
        JOIN {decision_proposals} p ON p.tenant = d.tenant AND p.run_id = d.run_id AND p.call_id = d.call_id
        WHERE {where}
        ORDER BY d.valid_from DESC LIMIT %(limit)s
    ) d
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
    "before": "d.valid_from < %(before)s",
    "run_id": "d.run_id = %(run_id)s",
    "call_id": "d.call_id = %(call_id)s",
    "agent_id": "r.agent_id = %(agent_id)s",
    "tool": "p.tool = %(tool)s",
    "verdict": "d.verdict = %(verdict)s",
    "policy": "EXISTS (SELECT FROM {decision_policies} o WHERE o.tenant = d.tenant AND o.policy = %(policy)s"
    " AND o.valid_from = d.valid_from)",
    "since": "d.at >= %(since)s",
    "until": "d.at < %(until)s",
    "own": "(r.principal = %(own)s OR r.agent_id = %(own)s)",
}


async def list_decisions(view: View, asked: DecisionsAsked) -> Sequence[Row]:
    """Newest first: each with its grounds, and the stages its call has been through since."""
    values = vars(asked)
    given = [name for name in _CONDITIONS if values[name] is not None]
    where: list[LiteralString] = ["d.tenant = %(tenant)s", *view.known("d")]
    where.extend(_CONDITIONS[name] for name in given)
    policy = None if asked.policy is None else indexed(asked.policy)
    return await view.rows(_DECISIONS, where, {**values, "policy": policy})
