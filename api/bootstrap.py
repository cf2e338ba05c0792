"""The composition root: settings in, the wired application out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from adapters.digests import JsonDigests
from adapters.event_store.vocabulary import VOCABULARY
from adapters.keys.master import MasterKey
from adapters.tokens.issuing import Issuer
from adapters.tokens.keys import public_keys
from adapters.tokens.verifying import Verifier
from api.keyring import token_secret
from api.logs import where
from api.metrics import Metrics
from api.settings import Settings
from application.desk import Desk
from application.handle import Handled, Handler
from application.law import LawBook
from application.lines import Lines
from application.policy import PolicyEngine
from application.ports import Clock, Context, EventLog, StreamId
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
    """What the database's schema still lacks; raises LogUnavailable."""


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


@asynccontextmanager
async def following(app: Application) -> AsyncIterator[Application]:
    """Inside, the law in memory follows the log; without the log it grows old, and decisions stop."""
    follower = asyncio.create_task(_follow(app.desk.law), name="law")
    try:
        yield app
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


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
