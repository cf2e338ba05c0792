"""The peer on the library's own recorder: our service, but each append goes through it, in a thread.

It keeps what the library can keep: no fence against newer law, no tenant positions, no heads. Runs are
prepared in our log; what is decided later is in the library's table, and read from there.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from fastapi import FastAPI
from pydantic import SecretStr

from adapters.clock import SystemClock
from adapters.event_store.connections import Patience
from adapters.event_store.envelope import Envelope, Placed
from adapters.event_store.log import StoredEventLog
from adapters.event_store.postgres import PostgresEventLog, PostgresStorage
from adapters.event_store.storage import StoredSnapshot
from adapters.event_store.vocabulary import VOCABULARY
from adapters.event_store.writes import Write
from adapters.keys.master import MasterKey
from adapters.policy.engine import CedarEngine
from api.bootstrap import answering, assemble
from api.http import server
from api.http.app import lasting, web_app
from api.keyring import master_key
from api.logs import configure
from api.settings import Settings, read_settings
from application.ports import Clock, ConcurrentWrite, StreamId

TABLE, CONNECTIONS = "stock_events", 10
CUT = b"\x00"
"""Between context and body, for which the library has one place; JSON holds no such byte."""


def recorder(owner: str) -> PostgresApplicationRecorder:
    """The library's, with more connections than there are threads."""
    parts = urlsplit(owner)
    datastore = PostgresDatastore(
        parts.path.lstrip("/"),
        parts.hostname or "",
        parts.port or 0,
        parts.username or "",
        parts.password or "",
        pool_size=CONNECTIONS,
        originator_id_type="text",
    )
    return PostgresApplicationRecorder(datastore, events_table_name=TABLE)


class StockStorage(PostgresStorage):
    """Appends, and the reading of what was appended, by the library."""

    def __init__(self, owner: str, writer: str, follower: str, clock: Clock) -> None:
        super().__init__(writer, follower, frozenset(VOCABULARY.law_names), clock, patience=Patience())
        self._recorder = recorder(owner)

    async def write(self, write: Write) -> int:
        events = [
            StoredEvent(it.originator_id, it.originator_version, it.topic, it.context + CUT + it.state)
            for it in write.events
        ]
        try:
            positions = await asyncio.to_thread(self._recorder.insert_events, events)
        except IntegrityError:
            raise ConcurrentWrite from None
        assert positions is not None
        return int(positions[0])

    async def stream(self, stream: StreamId, after: int) -> Sequence[Placed]:
        prepared = await super().stream(stream, after)
        return [*prepared, *await self._appended(stream, after)]

    async def history(self, stream: StreamId, fold: int) -> tuple[StoredSnapshot | None, Sequence[Placed]]:
        kept, tail = await super().history(stream, fold)
        return kept, [*tail, *await self._appended(stream, kept.version if kept else 0)]

    async def _appended(self, stream: StreamId, after: int) -> list[Placed]:
        found = await asyncio.to_thread(self._recorder.select_events, str(stream), gt=after)
        return [_placed(event, stream.tenant) for event in found]


class StockEventLog(PostgresEventLog):
    """Our log on that storage."""

    def __init__(self, settings: Settings, clock: Clock, master: MasterKey) -> None:
        owner, writer, follower = map(
            _told, (settings.database_url, settings.writer_url, settings.follower_url)
        )
        StoredEventLog.__init__(self, StockStorage(owner, writer, follower, clock), clock, master)


def _told(url: SecretStr | None) -> str:
    assert url is not None, "whoever starts us names them all"
    return url.get_secret_value()


def _placed(event: StoredEvent, tenant: str) -> Placed:
    context, _, body = event.state.partition(CUT)
    stream, version = event.originator_id, event.originator_version
    return Placed(0, 0, Envelope(stream, version, event.topic, body, tenant, "", 1, context))


def built(settings: Settings) -> FastAPI:
    """As `api.http.server.built`, on that log."""
    configure("error")
    master, clock = master_key(settings), SystemClock()

    async def nothing_pending() -> list[str]:
        return []

    log = StockEventLog(settings, clock, master)
    app = assemble(settings, log, CedarEngine(), master, clock, nothing_pending)
    return web_app(app, lasting(answering(app)))


def main() -> None:
    """Serves as `magistrate serve` does."""
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415

    settings = read_settings()
    assert settings.database_url is not None
    recorder(settings.database_url.get_secret_value()).create_table()
    config = server.configured(settings)
    config.app = partial(built, settings)
    Multiprocess(config, sockets=[server.listen(settings.host, settings.port)]).run()


if __name__ == "__main__":
    main()
