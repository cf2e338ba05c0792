"""The stream of events while its server and the database are killed: each event once, in order."""

import asyncio
import signal

from tests.faults.caller import Caller
from tests.faults.installation import Installation
from tests.faults.processes import database, send
from tests.faults.service import Service, calling, served, until
from tests.faults.test_kills import Load

CALLERS, EACH = 8, 60


class Reader:
    """Reads on from the last event that it saw, whenever its connection breaks."""

    def __init__(self, caller: Caller, after: int) -> None:
        self._caller, self._after = caller, after
        self.seen: list[int] = []
        self.connections = 0

    async def read(self) -> None:
        """Until it is cancelled."""
        while True:
            self.connections += 1
            last = self.seen[-1] if self.seen else self._after
            async for line in self._caller.stream("/v1/events", last_event_id=str(last)):
                if line.startswith("id:"):
                    self.seen.append(int(line.removeprefix("id:")))
            await asyncio.sleep(0.05)


async def test_a_reader_that_comes_back_sees_every_event_once_whoever_is_killed(home: Installation) -> None:
    begun = home.head()
    with served(home, workers=2) as service:
        readers = await read_under_blows(home, service, begun)
    recorded = home.rows(
        "SELECT position FROM event_log.events WHERE tenant = 'acme' AND position > %s ORDER BY 1", begun
    )
    for reader in readers:
        assert reader.seen == [position for (position,) in recorded]
        assert reader.connections >= 3


async def read_under_blows(home: Installation, service: Service, begun: int) -> list[Reader]:
    """Two readers, and callers for them to hear of; returns when both have seen the last event."""
    load = Load()
    async with (
        calling(service, home.token("robot"), CALLERS) as callers,
        calling(service, home.token("ada"), 2) as watching,
        asyncio.timeout(100),
    ):
        readers = [Reader(caller, begun) for caller in watching]
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        work = [
            asyncio.create_task(load.call(caller, f"streamed-{number}", EACH))
            for number, caller in enumerate(callers)
        ]
        for number in range(1, 4):
            await until(lambda n=number: len(load.verdicts) >= n * CALLERS * EACH // 5, "load")  # type: ignore[misc]
            await until(lambda: all(reader.seen for reader in readers), "something to read")
            assert send(signal.SIGKILL, database(home.database) if number == 2 else service.workers()) > 1
        await asyncio.gather(*work)
        last = home.head()
        await until(lambda: all(reader.seen[-1] == last for reader in readers), "the last event")
        for task in reading:
            task.cancel()
        return readers
