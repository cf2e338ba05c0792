"""A served application with a tenant, its people, an agent, tools and policies."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr

from adapters.clock import SystemClock
from adapters.event_store.memory import MemoryEventLog
from adapters.keys.master import MasterKey
from adapters.policy.engine import CedarEngine
from api.bootstrap import PLATFORM, Application, assemble, assembled, connected, following, found_tenant
from api.http.app import web_app
from api.settings import Settings
from domain.kernel import Json, Role
from domain.tenants.commands import FoundTenant
from tests.postgres import Database

POLICIES = """
@id("reading")
permit (principal, action, resource) when { resource.risk == "read" };

@id("small-payments")
@reason("Payments of up to 100 are fine.")
permit (principal, action == Action::"pay", resource) when { context.args.amount <= 100 };

@id("larger-payments")
@reason("A payment above 100 needs consent.")
permit (principal, action == Action::"pay", resource);

@id("consent")
@ask("approver")
@quorum("1")
@expires("30m")
@reason("Somebody must have looked at a payment above 100.")
forbid (principal, action == Action::"pay", resource) when { context.args.amount > 100 };

@id("never-so-much")
@reason("Nobody pays more than 1000.")
forbid (principal, action == Action::"pay", resource) when { context.args.amount > 1000 };
"""

PAY: Mapping[str, Json] = {
    "risk": "write",
    "arguments": {
        "type": "object",
        "properties": {"to": {"type": "string"}, "amount": {"type": "integer"}},
        "required": ["to", "amount"],
        "additionalProperties": False,
    },
}
LOOK: Mapping[str, Json] = {
    "risk": "read",
    "arguments": {"type": "object", "properties": {}, "additionalProperties": False},
}

PEOPLE = {
    "ada": (),
    "olga": (Role.OPERATOR,),
    "anna": (Role.APPROVER,),
    "bert": (Role.APPROVER,),
    "audie": (Role.AUDITOR,),
    "nobody": (),
}


@dataclass
class House:
    """An application and a client to it; `as_` says who asks."""

    app: Application
    http: httpx.AsyncClient
    tokens: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def token(self, who: str, tenant: str = "acme", **how: object) -> str:
        """A token for a principal."""
        assert self.app.issuer is not None
        return self.app.issuer.issue(who, tenant, **how)  # type: ignore[arg-type]

    async def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        as_: str = "ada",
        tenant: str = "acme",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A request of a principal."""
        token = self.tokens.setdefault((who := as_, tenant), self.token(who, tenant))
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        content = {"json": body} if body is not None else {}
        return await self.http.request(method, path, headers=sent, **content)

    async def done(self, method: str, path: str, body: Json = None, *, as_: str = "ada") -> Json:
        """The body of an answer that must be fine."""
        answer = await self.ask(method, path, body, as_=as_)
        assert answer.is_success, answer.text
        return answer.json()

    async def furnish(self) -> None:
        """The tenant and what is in it."""
        await self.found("acme", "ada")
        for who, roles in PEOPLE.items():
            if who != "ada":
                await self.done("POST", "/v1/tenant/members", {"principal": who, "display_name": who.title()})
            for role in roles:
                await self.done("PUT", f"/v1/tenant/members/{who}/roles/{role}")
        robot = {"agent_id": "robot", "discipline": "developer", "model": "m1", "owner": "olga"}
        await self.done("POST", "/v1/agents", robot)
        await self.done("POST", "/v1/tools", {"name": "pay", "registration": PAY})
        await self.done("POST", "/v1/tools", {"name": "look", "registration": LOOK})
        draft = await self.done("POST", "/v1/policy-sets", {"text": POLICIES})
        await self.done("POST", f"/v1/policy-sets/{draft['digest']}/activate")

    async def found(self, tenant: str, founder: str) -> None:
        """A tenant, founded by the platform's own admin."""
        body = {"id": tenant, "name": tenant, "founder": {"principal": founder, "display_name": founder}}
        answer = await self.ask("POST", "/v1/tenants", body, as_="root", tenant=PLATFORM)
        assert answer.status_code == 201, answer.text

    async def run(self, run_id: str = "r1", *, as_: str = "robot") -> str:
        """A started run."""
        return str(
            (await self.done("POST", "/v1/runs", {"run_id": run_id, "purpose": "p"}, as_=as_))["run_id"]
        )

    async def pay(self, amount: int, call_id: str, run_id: str = "r1") -> Json:
        """A decided payment."""
        body = {"call_id": call_id, "tool": "pay", "arguments": {"to": "bob", "amount": amount}}
        return await self.done("POST", f"/v1/runs/{run_id}/tool-calls", body, as_="robot")


async def nothing_pending() -> list[str]:
    """The schema of a log in memory lacks nothing."""
    return []


@asynccontextmanager
async def asked(app: Application) -> AsyncGenerator[House]:
    """A connected application with the platform founded, and a client to it."""
    transport = httpx.ASGITransport(web_app(app), raise_app_exceptions=False)
    async with following(app), httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        command = FoundTenant(name="Platform", zone="UTC", founder="root", founder_name="Root")
        await found_tenant(app, PLATFORM, command, actor="root")
        await app.desk.law.load()
        yield House(app, http)


@asynccontextmanager
async def on_memory(folder: Path, **settings: object) -> AsyncGenerator[House]:
    """An application on a log in memory."""
    clock, master = SystemClock(), MasterKey.fresh()
    given = Settings(data_dir=folder, **settings)  # type: ignore[arg-type]
    log = MemoryEventLog(clock, master_key=master)
    async with asked(assemble(given, log, CedarEngine(), master, clock, nothing_pending)) as house:
        yield house


def settings_on(database: Database, folder: Path, **settings: object) -> Settings:
    """Settings for a test's own database, whose roles have the tests' password."""
    urls = {f"{role}_url": SecretStr(database.url(role)) for role in ("writer", "reader", "follower")}
    owner = SecretStr(database.owner_url)
    return Settings(data_dir=folder, database_url=owner, **urls, **settings)  # type: ignore[arg-type]


@asynccontextmanager
async def on_postgres(database: Database, folder: Path, **settings: object) -> AsyncGenerator[House]:
    """An application on a log in Postgres."""
    app = assembled(settings_on(database, folder, **settings))
    async with connected(app), asked(app) as house:
        yield house
