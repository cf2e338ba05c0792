"""A furnished application whose read models are in Postgres and follow its log in memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from adapters.clock import SystemClock
from adapters.event_store.memory import MemoryEventLog
from adapters.keys.master import MasterKey
from adapters.policy.engine import CedarEngine
from adapters.read_models.reading import ReadModels
from api.bootstrap import PLATFORM, assemble, following, found_tenant
from api.http.app import web_app
from api.settings import Settings
from api.worker import working
from domain.kernel import Json
from domain.tenants.commands import FoundTenant
from tests.api.house import House, nothing_pending
from tests.postgres import Database


@asynccontextmanager
async def looked_at(database: Database, folder: Path) -> AsyncGenerator[House]:
    """Inside, the house is served and its followers run."""
    clock, master = SystemClock(), MasterKey.fresh()
    log, models = MemoryEventLog(clock, master_key=master), ReadModels(database.url("reader"))
    bare = assemble(Settings(data_dir=folder), log, CedarEngine(), master, clock, nothing_pending)
    app = replace(bare, reading=models)
    transport = httpx.ASGITransport(web_app(app), raise_app_exceptions=False)
    await models.open()
    async with (
        following(app),
        working(log, database.url("follower"), clock),
        httpx.AsyncClient(transport=transport, base_url="http://here") as http,
    ):
        command = FoundTenant(name="Platform", zone="UTC", founder="root", founder_name="Root")
        await found_tenant(app, PLATFORM, command, actor="root")
        await app.desk.law.load()
        house = House(app, http)
        await house.furnish()
        yield house
    await models.close()


async def found(house: House, path: str, *, as_: str = "ada", **query: Json) -> Json:
    """The items of a list, asked for as of now."""
    return (await answered(house, path, as_=as_, **query))["items"]


async def answered(house: House, path: str, *, as_: str = "ada", **query: Json) -> Json:
    head = await house.app.desk.log.head()
    asked = str(httpx.URL(path, params={key.rstrip("_"): str(value) for key, value in query.items()}))
    answer = await house.ask("GET", asked, as_=as_, headers={"Magistrate-Position": str(head)})
    assert answer.is_success, answer.text
    assert int(answer.headers["Magistrate-Position"]) >= head
    return answer.json()


async def refused(house: House, path: str, *, as_: str = "ada", **headers: str) -> tuple[int, str]:
    answer = await house.ask(
        "GET", path, as_=as_, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")
