"""An installation in a folder of its own, with a tenant that has all it needs, served by real processes."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from adapters.embedded_postgres import EmbeddedPostgres
from api.cli.home import Home
from api.settings import Settings
from tests.api.house import PAY, POLICIES
from tests.api.servers import start, stop

STRICTER = """
@id("no-payments")
@reason("Nobody pays anything just now.")
forbid (principal, action == Action::"pay", resource);
"""
"""Forbids every payment, whatever else there is."""


@dataclass
class Installation:
    """Its folder, its database, and who may ask."""

    directory: Path
    postgres: EmbeddedPostgres

    @property
    def database(self) -> Path:
        return self.directory / "postgres"

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.directory)

    def token(self, who: str) -> str:
        return Home(self.settings).token("acme", who, lifetime=timedelta(hours=1))

    def rows(self, query: str, *given: object) -> list[tuple[Any, ...]]:
        """What the log's tables hold, seen by the superuser."""
        with psycopg.connect(self.postgres.url, autocommit=True) as session:
            return session.execute(query.encode(), given).fetchall()

    def head(self) -> int:
        return int(self.rows("SELECT position FROM event_log.log_head")[0][0])

    def positions_are_whole(self) -> None:
        """Positions and tenant positions are contiguous from 1, and what the heads say."""
        one_by_one = (
            "SELECT count(*) = max({place}) AND min({place}) = 1 AND max({place}) ="
            " (SELECT position FROM event_log.{head}) FROM event_log.events e {where}"
        )
        everything = one_by_one.format(place="position", head="log_head", where="")
        assert self.rows(everything) == [(True,)]
        for (tenant,) in self.rows("SELECT tenant FROM event_log.tenant_heads"):
            own = one_by_one.format(
                place="tenant_position", head="tenant_heads WHERE tenant = %s", where="WHERE tenant = %s"
            )
            assert self.rows(own, tenant, tenant) == [(True,)], tenant


@contextmanager
def installed(directory: Path) -> Generator[Installation]:
    """A tenant `acme` with an admin `ada`, an agent `robot`, a tool `pay` and policies for it."""
    up = start(directory)
    try:
        token = Home(Settings(data_dir=directory)).token("acme", "ada", lifetime=timedelta(hours=1))
        with httpx.Client(
            base_url=up.address, headers={"Authorization": f"Bearer {token}"}, timeout=30
        ) as http:
            _furnish(http)
    finally:
        stop(up)
    postgres = EmbeddedPostgres(directory / "postgres")
    try:
        yield Installation(directory, postgres)
    finally:
        postgres.start()  # whoever started it last, it is stopped here
        postgres.stop()


def _furnish(http: httpx.Client) -> None:
    def post(path: str, body: Mapping[str, object] | None = None) -> Any:
        answer = http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    post("/v1/agents", {"agent_id": "robot", "discipline": "developer", "model": "m1", "owner": "ada"})
    post("/v1/tools", {"name": "pay", "registration": PAY})
    post(f"/v1/policy-sets/{post('/v1/policy-sets', {'text': POLICIES})['digest']}/activate")
