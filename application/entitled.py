"""Commands on one stream that need a role: who asks is checked under the very law the log then enforces."""

from collections.abc import Callable

from application.access import Caller, Deed
from application.attempts import until_recorded
from application.desk import Desk
from application.handle import Handled, Handler
from application.ports import Answer, Context, IdempotencyKey, StreamId
from domain.kernel import C, Decider, E, S


async def carry_out(
    desk: Desk,
    handler: Handler,
    caller: Caller,
    deed: Deed,
    decider: Decider[C, S, E],
    stream_id: str,
    command: C,
    context: Context,
    *,
    if_version: int | None = None,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[S]], Answer] | None = None,
) -> Handled[S]:
    """A command of the caller's own tenant; a role withdrawn before it in the log stops it.

    Raises Forbidden, VersionMoved, AlreadyAnswered, and what the rules raise.
    """
    stream = StreamId(caller.tenant, decider.category, stream_id)

    async def attempt(fresh: bool) -> Handled[S]:
        if fresh:
            await desk.law.refresh(caller.tenant)
        law = desk.law.peek(caller.tenant)
        caller.under(law.roles_of(caller.principal)).must(deed)
        return await handler.handle(
            decider,
            stream,
            command,
            context,
            if_version=if_version,
            key=key,
            answer=answer,
            law_seen=law.position,
        )

    return await until_recorded(attempt, catch_up=desk.law.catch_up)
