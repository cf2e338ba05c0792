"""Approvals that wait for people, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString

from adapters.read_models.reading import Row, View

_FOR_ME: LiteralString = (
    "(w.roles && %(roles)s::text[] AND %(me)s <> ALL (w.barred) AND NOT EXISTS ("
    "SELECT FROM {approval_steps} said WHERE said.tenant = w.tenant AND said.approval_id = w.approval_id"
    " AND said.step = 'granted-by' AND said.who = %(me)s"
    " AND said.valid_from <= coalesce(%(as_of)s, said.valid_from)))"
)
_OWN: LiteralString = "(w.requested_by = %(me)s OR w.agent_id = %(me)s)"

_WAITING: LiteralString = """
    SELECT w.*, history.steps
    FROM {approvals_waiting} w
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_object(
            'step', s.step, 'position', s.valid_from, 'who', s.who, 'note', s.note,
            'at', to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) ORDER BY s.valid_from), '[]') AS steps
        FROM {approval_steps} s
        WHERE s.tenant = w.tenant AND s.approval_id = w.approval_id
          AND s.valid_from <= coalesce(%(as_of)s, s.valid_from)
    ) history
    WHERE {where}
    ORDER BY w.valid_from LIMIT %(limit)s
"""


@dataclass(frozen=True)
class ApprovalsAsked:
    """Which approvals, for whom: `me` with `roles`; unless `all_of_tenant`, one's own and those for one.

    `now` leaves out those whose deadline has passed; without it they are shown, as in any past.
    """

    limit: int
    me: str
    roles: Sequence[str] = field(default=())
    after: int | None = None
    run_id: str | None = None
    for_me: bool = False
    all_of_tenant: bool = False
    now: datetime | None = None


async def list_waiting(view: View, asked: ApprovalsAsked) -> Sequence[Row]:
    """Oldest first: each with who has said what so far."""
    where: list[LiteralString] = ["w.tenant = %(tenant)s", *view.held("w")]
    if asked.after is not None:
        where.append("w.valid_from > %(after)s")
    if asked.run_id is not None:
        where.append("w.run_id = %(run_id)s")
    if asked.for_me:
        where.append(_FOR_ME)
    elif not asked.all_of_tenant:
        where.append("(" + _OWN + " OR " + _FOR_ME + ")")
    if asked.now is not None and view.as_of is None:
        where.append("w.deadline > %(now)s")
    return await view.rows(_WAITING, where, {**vars(asked), "roles": list(asked.roles)})
