"""The composition root: settings in, the wired application out."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from psycopg import OperationalError

from adapters import migrations
from adapters.clock import SystemClock
from adapters.digests import JsonDigests
from adapters.embedded_postgres import ensure_running, kept_running
from adapters.event_store.postgres import PostgresEventLog
from adapters.event_store.vocabulary import VOCABULARY
from adapters.keys.master import MasterKey
from adapters.policy.engine import CedarEngine
from adapters.read_models.reading import ReadModels
from adapters.tokens.issuing import Issuer
from adapters.tokens.keys import public_keys
from adapters.tokens.verifying import Verifier
from api.keyring import master_key, role_url, token_secret
from api.logs import where
from api.metrics import Metrics
from api.settings import Settings
from application.desk import Desk
from application.handle import Handled, Handler
from application.law import LawBook
from application.lines import Lines
from application.policy import PolicyEngine
from application.ports import Clock, Context, EventLog, LogUnavailable, StreamId
from domain.kernel import Rejected
from domain.tenants.commands import FoundTenant
from domain.tenants.tenant import Tenant, tenants

PLATFORM = "platform"
"""The reserved tenant whose admins found other tenants."""

PAUSE = 0.5


@dataclass(frozen=True)
class Application:
    """Everything wired: what routes, followers and the command line work with."""

    settings: Settings
    desk: Desk
    handler: Handler
    verifier: Verifier
    issuer: Issuer | None
    metrics: Metrics
    pending_migrations: Callable[[], Awaitable[list[str]]]
    """What the database's schema lacks, or what else is wrong with it; raises LogUnavailable."""
    reading: ReadModels | None = None


def assemble(
    settings: Settings,
    log: EventLog,
    policy: PolicyEngine,
    master: MasterKey,
    clock: Clock,
    pending_migrations: Callable[[], Awaitable[list[str]]],
) -> Application:
    """The application on given parts; nothing is connected or started here."""
    law = LawBook(log, clock, VOCABULARY.law_names, bound=timedelta(seconds=settings.law_bound_seconds))
    lines = Lines()
    secret = token_secret(settings, master)
    names = {
        "issuer": settings.issuer,
        "audience": settings.audience,
        "environment": settings.environment,
    }
    return Application(
        settings=settings,
        desk=Desk(log, lines, law, policy, clock, JsonDigests()),
        handler=Handler(log, lines),
        verifier=Verifier(
            clock, **names, secret=secret, keys=public_keys(settings.jwks) if settings.jwks else None
        ),
        issuer=Issuer(clock, **names, secret=secret) if secret else None,
        metrics=Metrics(law.lag),
        pending_migrations=pending_migrations,
    )


def assembled(settings: Settings) -> Application:
    """The application on this machine's settings, not yet connected to anything.

    Starts the embedded database where no other is named. Raises SettingsInvalid, EmbeddedPostgresError.
    """
    master, clock = master_key(settings), SystemClock()
    owner = database_url(settings)
    writer = role_url(owner, "writer", master, settings.writer_url)
    follower = role_url(owner, "follower", master, settings.follower_url)
    reader = role_url(owner, "reader", master, settings.reader_url)

    async def pending() -> list[str]:
        try:
            return await asyncio.to_thread(migrations.check, writer)
        except OperationalError:
            raise LogUnavailable(retry_after=1) from None
        except migrations.MigrationError as error:
            return [str(error)]

    log = PostgresEventLog(writer, follower, clock, master)
    app = assemble(settings, log, CedarEngine(), master, clock, pending)
    return replace(app, reading=ReadModels(reader))


def database_url(settings: Settings) -> str:
    """Where the database is: as the settings say, else the one in the data directory, started if need be."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return ensure_running(settings.data_dir / "postgres")


@asynccontextmanager
async def kept(settings: Settings) -> AsyncGenerator[None]:
    """Inside, this machine's own database comes back whenever it is gone; a named one is others' care."""
    if settings.database_url is not None:
        yield
        return
    async with kept_running(settings.data_dir / "postgres"):
        yield


@asynccontextmanager
async def connected(app: Application) -> AsyncGenerator[Application]:
    """Inside, the log can be read and written. Raises LogUnavailable."""
    log = app.desk.log
    assert isinstance(log, PostgresEventLog), "other logs need no connection"
    async with AsyncExitStack() as stack:
        await log.open()
        stack.push_async_callback(log.close)
        if app.reading is not None:
            await app.reading.open()
            stack.push_async_callback(app.reading.close)
        yield app


@asynccontextmanager
async def wired(settings: Settings) -> AsyncGenerator[Application]:
    """The application of these settings, connected. Raises SettingsInvalid, LogUnavailable."""
    async with connected(await asyncio.to_thread(assembled, settings)) as app:
        yield app


@asynccontextmanager
async def serving(app: Application) -> AsyncGenerator[Application]:
    """Inside, the application is connected and follows the law; waits for a database that is not there."""
    async with kept(app.settings), AsyncExitStack() as stack:
        await _connect(app, stack)
        async with following(app):
            yield app


@asynccontextmanager
async def answering(app: Application) -> AsyncGenerator[Application]:
    """As `serving`, but waits inside: until the database is there, whatever is asked is refused."""
    async with kept(app.settings), AsyncExitStack() as stack:
        if await _connected_now(app, stack):
            with suppress(LogUnavailable):  # gone again: then the follower reads it later
                await app.desk.law.load()  # else the first requests would be refused for want of it
        else:
            connecting = asyncio.create_task(_connect(app, stack), name="connecting")
            stack.push_async_callback(_cancelled, connecting)
        async with following(app):
            yield app


async def _connect(app: Application, stack: AsyncExitStack) -> None:
    while not await _connected_now(app, stack):  # noqa: ASYNC110  # a database sends no event
        await asyncio.sleep(PAUSE)


async def _connected_now(app: Application, stack: AsyncExitStack) -> bool:
    """Connects until the stack ends, if the database is there and its schema is current."""
    told = structlog.get_logger("start")
    try:
        pending = await app.pending_migrations()
        if not pending:
            # It may be gone again between the look and the connection.
            await stack.enter_async_context(connected(app))
            return True
    except LogUnavailable:
        told.warning("waiting for the database")
    else:
        told.warning("waiting for the schema: run magistrate migrate", pending=pending)
    return False


@asynccontextmanager
async def following(app: Application) -> AsyncGenerator[Application]:
    """Inside, the law in memory follows the log; without the log it grows old, and decisions stop."""
    follower = asyncio.create_task(_follow(app.desk.law), name="law")
    try:
        yield app
    finally:
        await _cancelled(follower)


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def found_tenant(app: Application, tenant: str, command: FoundTenant, *, actor: str) -> Handled[Tenant]:
    """Founds a tenant, for the operator of this machine. Raises TenantExists."""
    clock = app.desk.clock
    context = Context(actor=actor, at=clock.now(), correlation_id=clock.new_id())
    return await app.handler.handle(tenants, tenant_stream(tenant), command, context)


def tenant_stream(tenant: str) -> StreamId:
    """Where a tenant's own history is kept."""
    return StreamId(tenant, tenants.category, tenant)


async def _follow(law: LawBook) -> None:
    """Follows for ever. What stops it is told and tried again: the law's age says meanwhile how it stands."""
    told = structlog.get_logger("law")
    while True:
        try:
            await law.load()
            await law.follow()
        except Rejected as no:
            told.warning("the law cannot be followed just now", reason=type(no).__name__)
        except Exception as fault:  # noqa: BLE001  # whatever it is, decisions must be able to resume
            told.error("the law cannot be followed just now", **where(fault))
        await asyncio.sleep(PAUSE)
