"""An event log in front of which callers hesitate, so that workers meet in every order."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from random import Random

from application.ports import (
    Answer,
    Append,
    Context,
    EventLog,
    Excerpt,
    IdempotencyKey,
    Known,
    Recorded,
    StreamId,
)
from domain.kernel import C, Decider, E, Json, S


class Hesitating:
    """Any EventLog; before and after each step some turns of the loop pass, as chance will have it."""

    def __init__(self, log: EventLog, chance: Random) -> None:
        self._log, self._chance = log, chance

    async def _hesitate(self) -> None:
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)

    async def recall(self, decider: Decider[C, S, E], stream: StreamId, *, fresh: bool = False) -> Known[S]:
        await self._hesitate()
        known = await self._log.recall(decider, stream, fresh=fresh)
        await self._hesitate()
        return known

    async def record(
        self,
        appends: Sequence[Append],
        context: Context,
        *,
        key: IdempotencyKey | None = None,
        answer: Answer | None = None,
    ) -> int:
        await self._hesitate()
        position = await self._log.record(appends, context, key=key, answer=answer)
        await self._hesitate()
        return position

    async def answered(self, key: IdempotencyKey) -> tuple[Answer, int] | None:
        await self._hesitate()
        return await self._log.answered(key)

    async def read(
        self,
        after: int,
        limit: int,
        *,
        tenant: str | None = None,
        categories: Sequence[str] = (),
        names: Sequence[str] = (),
        unseal: bool = False,
    ) -> Sequence[Recorded]:
        await self._hesitate()
        found = await self._log.read(
            after, limit, tenant=tenant, categories=categories, names=names, unseal=unseal
        )
        await self._hesitate()
        return found

    async def stream(self, stream: StreamId, *, after: int = 0, unseal: bool = True) -> Sequence[Recorded]:
        return await self._log.stream(stream, after=after, unseal=unseal)

    async def unseal(self, tenant: str, excerpts: Sequence[Excerpt]) -> Sequence[Json]:
        return await self._log.unseal(tenant, excerpts)

    async def head(self) -> int:
        return await self._log.head()

    async def law_head(self, tenant: str) -> int:
        await self._hesitate()
        return await self._log.law_head(tenant)

    async def follow(
        self, after: int, *, names: Sequence[str] = (), batch: int = 500
    ) -> AsyncGenerator[Sequence[Recorded]]:
        async for found in self._log.follow(after, names=names, batch=batch):
            await self._hesitate()
            yield found
