"""Runs, newest first, and what happened in one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from adapters.read_models.reading import Row, View

_RUNS: LiteralString = """
    SELECT r.*, c.allowed, c.asked, c.denied, c.model_calls, c.spent
    FROM (
        SELECT r.*, s.standing, s.reason, s.since
        FROM {runs} r JOIN {run_standings} s ON s.tenant = r.tenant AND s.run_id = r.run_id
        WHERE {where}
        ORDER BY r.valid_from DESC LIMIT %(limit)s
    ) r
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE t.verdict = 'allow') AS allowed,
               count(*) FILTER (WHERE t.verdict = 'ask') AS asked,
               count(*) FILTER (WHERE t.verdict = 'deny') AS denied,
               count(*) FILTER (WHERE t.name = 'run.model-call-recorded') AS model_calls,
               coalesce(sum(t.cost), 0)::bigint AS spent
        FROM {run_timeline} t
        WHERE t.tenant = r.tenant AND t.run_id = r.run_id
          AND t.valid_from <= coalesce(%(as_of)s, t.valid_from)
    ) c
    ORDER BY r.valid_from DESC
"""

# The lines of its approvals, of which only the request names the run, join those of the run itself.
_TIMELINE: LiteralString = """
    SELECT * FROM (
        SELECT t.* FROM {run_timeline} t WHERE t.tenant = %(tenant)s AND t.run_id = %(run_id)s
        UNION ALL
        SELECT t.* FROM {run_timeline} t
        WHERE t.tenant = %(tenant)s AND t.run_id IS NULL AND t.approval_id IN (
            SELECT a.approval_id FROM {run_timeline} a
            WHERE a.tenant = %(tenant)s AND a.run_id = %(run_id)s AND a.approval_id IS NOT NULL
        )
    ) t
    WHERE {where}
    ORDER BY t.valid_from LIMIT %(limit)s
"""


@dataclass(frozen=True)
class RunsAsked:
    """Which runs, those before a position; `own` is the principal or agent whose runs alone are shown."""

    limit: int
    before: int | None = None
    run_id: str | None = None
    agent_id: str | None = None
    principal: str | None = None
    standing: str | None = None
    verdict: str | None = None
    own: str | None = None


async def list_runs(view: View, asked: RunsAsked) -> Sequence[Row]:
    """Newest first: each with its standing, and how many calls were decided how."""
    where: list[LiteralString] = ["r.tenant = %(tenant)s", *view.known("r"), *view.held("s")]
    if asked.before is not None:
        where.append("r.valid_from < %(before)s")
    if asked.run_id is not None:
        where.append("r.run_id = %(run_id)s")
    if asked.agent_id is not None:
        where.append("r.agent_id = %(agent_id)s")
    if asked.principal is not None:
        where.append("r.principal = %(principal)s")
    if asked.standing is not None:
        where.append("s.standing = %(standing)s")
    if asked.verdict is not None:
        where.append(
            "EXISTS (SELECT FROM {run_timeline} v WHERE v.tenant = r.tenant AND v.run_id = r.run_id"
            " AND v.verdict = %(verdict)s AND v.valid_from <= coalesce(%(as_of)s, v.valid_from))"
        )
    if asked.own is not None:
        where.append("(r.principal = %(own)s OR r.agent_id = %(own)s)")
    return await view.rows(_RUNS, where, vars(asked))


async def timeline_of(view: View, run_id: str, *, after: int, limit: int) -> Sequence[Row]:
    """A line for every event of the run and of its approvals, oldest first."""
    where: list[LiteralString] = ["t.valid_from > %(after)s", *view.known("t")]
    return await view.rows(_TIMELINE, where, {"run_id": run_id, "after": after, "limit": limit})
