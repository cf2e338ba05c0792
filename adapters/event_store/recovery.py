"""What became of a batch whose acknowledgement was lost: asked under the append lock, so it stays true."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from adapters.event_store.writes import Write


async def find_written(
    connection: AsyncConnection[tuple[Any, ...]], lost_name: str, writes: Sequence[Write]
) -> list[int | None]:
    """For each write the position of its first event, or None: it was not written and never will be.

    `lost_name` is the application name of the connection that broke. Its backend may be alive: busy with
    our batch, or not even begun with it, the request still in its buffer. Only when it is gone and we
    hold the append lock is it settled.
    """
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity WHERE application_name = %s",
            [lost_name],
        )
        await connection.execute("SELECT position FROM event_log.log_head FOR UPDATE")
        tenants = {envelope.tenant for write in writes for envelope in write.events}
        await connection.execute(
            "SELECT set_config('magistrate.tenants', %s, true)", [",".join(sorted(tenants))]
        )
        cursor = await connection.execute(
            "SELECT event_id::text, position FROM event_log.events WHERE event_id = ANY (%s::uuid[])",
            [[write.events[0].event_id for write in writes]],
        )
        found: dict[str, int] = dict(await cursor.fetchall())
    # All events of a write are in one transaction: where its first is, the others are too.
    return [found.get(write.events[0].event_id) for write in writes]
