"""Everything on this machine in one process: a Postgres, the API, the followers, a first tenant."""

import asyncio
import fcntl
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from pydantic import SecretStr

from adapters.embedded_postgres import EmbeddedPostgres
from adapters.keys.master import MasterKey
from adapters.migrations import Phase, migrate, set_role_passwords
from api.bootstrap import (
    PLATFORM,
    Application,
    database_url,
    following,
    found_tenant,
    kept,
    tenant_stream,
    wired,
)
from api.cli.failures import Failure
from api.cli.home import FirstTenant, Home
from api.http.app import lasting, web_app
from api.http.server import GRACE, listen
from api.keyring import master_key, role_passwords, role_url
from api.settings import Settings
from api.worker import working
from application.ports import Context
from domain.kernel import Role
from domain.tenants.commands import FoundTenant, GrantRole
from domain.tenants.tenant import tenants


@dataclass(frozen=True)
class Running:
    """A served installation; `done` ends when the server does."""

    address: str
    done: "asyncio.Task[None]"


@asynccontextmanager
async def machine(home: Home, first: FirstTenant, *, zone: str = "UTC") -> AsyncGenerator[Running]:
    """Inside, all of it runs; a first start makes what is missing.

    Raises EmbeddedPostgresError, MigrationError, SettingsInvalid, and Failure for a port that is taken.
    """
    with (
        _alone(home),
        _listening(home.settings) as listening,
        own_or_given(home.settings, last_to_leave=True) as settings,
    ):
        bring_up_to_date(database_url(settings), master_key(settings))
        async with kept(home.settings), wired(settings) as app:
            await _found(app, first, zone)
            await app.desk.law.load()  # so that the very first request finds it
            log, clock = app.desk.log, app.desk.clock
            async with working(log, follower_url(settings), clock), _serving(app, listening) as running:
                yield running


@contextmanager
def _alone(home: Home) -> Generator[None]:
    """One of us at a time in a data directory: whoever leaves stops the database."""
    home.directory.mkdir(parents=True, exist_ok=True)
    with (home.directory / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = home.address()
            raise Failure(
                f"it is running already{f' at {where}' if where else ''}, with its data in {home.directory}",
                "Use that one, stop it, or set MAGISTRATE_DATA_DIR to another directory.",
            ) from None
        yield


@contextmanager
def _listening(settings: Settings) -> Generator[socket.socket]:
    """Bound before anything else starts, so that a taken port is told at once."""
    try:
        listening = listen(settings.host, settings.port)
    except OSError as error:
        raise Failure(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}",
            "Is a server running there already? Choose another port: --port 0 takes any free one.",
        ) from None
    with listening:
        yield listening


@contextmanager
def own_or_given(settings: Settings, *, last_to_leave: bool = False) -> Generator[Settings]:
    """The settings with the database they name, else with this machine's own, which runs meanwhile.

    It is stopped afterwards if it was started here, or by whoever is the `last_to_leave`.
    """
    if settings.database_url is not None:
        yield settings
        return
    with EmbeddedPostgres(settings.data_dir / "postgres") as postgres:
        try:
            yield settings.model_copy(update={"database_url": SecretStr(postgres.url)})
        finally:
            if last_to_leave:
                postgres.stop()


def follower_url(settings: Settings) -> str:
    """Where the follower role finds the database."""
    return role_url(database_url(settings), "follower", master_key(settings), settings.follower_url)


def bring_up_to_date(owner_url: str, master: MasterKey, phase: Phase = "all") -> list[str]:
    """Migrates the schema and lets the service's roles log in; returns what was applied."""
    applied = migrate(owner_url, phase=phase)
    set_role_passwords(owner_url, role_passwords(master))
    return applied


async def _found(app: Application, first: FirstTenant, zone: str) -> None:
    """The platform, and the first tenant with an admin who may also drive runs."""
    for tenant, name in ((PLATFORM, "Platform"), (first.tenant, first.tenant)):
        known = await app.desk.log.recall(tenants, tenant_stream(tenant), fresh=True)
        if known.state is not None:
            continue
        founding = FoundTenant(name=name, zone=zone, founder=first.admin, founder_name=first.admin)
        await found_tenant(app, tenant, founding, actor=first.admin)
        context = Context(actor=first.admin, at=app.desk.clock.now(), correlation_id=app.desk.clock.new_id())
        operator = GrantRole(principal=first.admin, role=Role.OPERATOR)
        await app.handler.handle(tenants, tenant_stream(tenant), operator, context)


class _Server(uvicorn.Server):
    """Leaves signals to whoever started it, and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def _serving(app: Application, listening: socket.socket) -> AsyncGenerator[Running]:
    web = web_app(app, lasting(following(app)))
    config = uvicorn.Config(
        web,
        http="httptools",
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE,
        server_header=False,
    )
    server = _Server(config)
    done = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    try:
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait([ready, done], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if done.done():
            raise Failure("the server did not start", "Its log above says why.")
        host, port = listening.getsockname()[:2]
        yield Running(f"http://{host}:{port}", done)
    finally:
        server.should_exit = True
        await done
