"""Who may do what to the log's tables: tried as each role, because the database refuses, not the code."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest
from psycopg import errors, sql

from application.ports import Answer, IdempotencyKey
from tests.adapters.event_store import WHY, about, note, opened, postgres_log
from tests.postgres import Database

ROLES = ("owner", "writer", "follower", "reader")
TABLES = ("events", "snapshots", "idempotency_keys", "subject_keys")
HISTORY_IS_SAFE = (errors.InsufficientPrivilege, errors.RestrictViolation)


@pytest.fixture
async def two_tenants(database: Database) -> Database:
    """A log in which two tenants have something in every table."""
    async with opened(postgres_log(database)) as log:
        for tenant in ("acme", "other"):
            key = IdempotencyKey(tenant, "ada", "k", b"d")
            await log.record([note(tenant=tenant)], WHY, key=key, answer=Answer(200, b""))
    with psycopg.connect(database.owner_url) as owner:
        for tenant in ("acme", "other"):
            given = {"tenant": tenant}
            owner.execute(
                "INSERT INTO event_log.snapshots VALUES (1, 1, %(tenant)s, %(tenant)s, '{}', '')", given
            )
            owner.execute(
                "INSERT INTO event_log.subject_keys (key_id, tenant, subject, wrapped)"
                " VALUES (gen_random_uuid(), %(tenant)s, 's', '')",
                given,
            )
    return database


def seen_by(database: Database, role: str, table: str, tenants: str | None) -> Sequence[str]:
    with psycopg.connect(database.url(role)) as session:
        if tenants is not None:
            session.execute("SELECT set_config('magistrate.tenants', %s, true)", [tenants])
        query = sql.SQL("SELECT tenant FROM {} ORDER BY tenant").format(sql.Identifier("event_log", table))
        return [str(row[0]) for row in session.execute(query).fetchall()]


@pytest.mark.parametrize("role", ROLES)
def test_no_service_role_is_privileged(database: Database, role: str) -> None:
    with psycopg.connect(database.url(role)) as session:
        found = session.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        assert found == (False, False, False, False)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["owner", "writer", "reader"])
def test_a_transaction_sees_its_tenants_and_no_others(two_tenants: Database, role: str, table: str) -> None:
    if role == "reader" and table in ("idempotency_keys", "subject_keys"):
        with pytest.raises(errors.InsufficientPrivilege):
            seen_by(two_tenants, role, table, "acme")
        return
    assert seen_by(two_tenants, role, table, None) == []
    assert seen_by(two_tenants, role, table, "") == []
    assert seen_by(two_tenants, role, table, "acme") == ["acme"]
    assert seen_by(two_tenants, role, table, "nobody,other") == ["other"]


@pytest.mark.parametrize("table", ["events", "snapshots", "subject_keys"])
def test_followers_see_all_tenants(two_tenants: Database, table: str) -> None:
    assert seen_by(two_tenants, "follower", table, None) == ["acme", "other"]


def test_the_tenant_is_set_for_one_transaction_only(two_tenants: Database) -> None:
    with psycopg.connect(two_tenants.url("writer"), autocommit=True) as session:
        with session.transaction():
            session.execute("SELECT set_config('magistrate.tenants', 'acme', true)")
            assert session.execute("SELECT count(*) FROM event_log.events").fetchone() == (1,)
        assert session.execute("SELECT count(*) FROM event_log.events").fetchone() == (0,)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_log.events SET body = ''",
        "DELETE FROM event_log.events",
        "TRUNCATE event_log.events",
    ],
)
def test_nobody_rewrites_history(two_tenants: Database, role: str, statement: LiteralString) -> None:
    with psycopg.connect(two_tenants.url(role)) as session:
        session.execute("SELECT set_config('magistrate.tenants', 'acme,other', true)")
        with pytest.raises(HISTORY_IS_SAFE):
            session.execute(statement)


def test_not_even_the_superuser_does_by_mistake(two_tenants: Database) -> None:
    with psycopg.connect(two_tenants.owner_url) as session, pytest.raises(errors.RestrictViolation):
        session.execute("DELETE FROM event_log.events")


@pytest.mark.parametrize("role", ["follower", "reader"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO event_log.events SELECT * FROM event_log.events",
        "UPDATE event_log.log_head SET position = 0",
        "UPDATE event_log.tenant_heads SET law_position = 0",
        "DELETE FROM event_log.snapshots",
        "UPDATE event_log.subject_keys SET wrapped = NULL",
        "INSERT INTO event_log.idempotency_keys SELECT * FROM event_log.idempotency_keys",
    ],
)
def test_who_reads_does_not_write(two_tenants: Database, role: str, statement: LiteralString) -> None:
    with psycopg.connect(two_tenants.url(role)) as session, pytest.raises(errors.InsufficientPrivilege):
        session.execute(statement)


def test_the_writer_cannot_write_for_a_tenant_that_is_not_set(two_tenants: Database) -> None:
    with psycopg.connect(two_tenants.url("writer")) as session:
        session.execute("SELECT set_config('magistrate.tenants', 'acme', true)")
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            session.execute(
                "INSERT INTO event_log.events (position, tenant_position, version, event_id, schema_version,"
                " tenant, stream, name, context, body)"
                " VALUES (9, 9, 1, gen_random_uuid(), 1, 'other', 's', 'n', '', '')"
            )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_log.subject_keys SET subject = 'x'",
        "DELETE FROM event_log.subject_keys",
        "DELETE FROM event_log.log_head",
        "DELETE FROM event_log.tenant_heads",
        "DELETE FROM event_log.idempotency_keys",
        "DROP TABLE event_log.events",
        "ALTER TABLE event_log.events DISABLE TRIGGER never_rewritten",
        "CREATE TABLE event_log.mine (x int)",
    ],
)
def test_the_writer_has_no_right_it_does_not_need(database: Database, statement: LiteralString) -> None:
    with psycopg.connect(database.url("writer")) as session, pytest.raises(errors.InsufficientPrivilege):
        session.execute(statement)


def test_nothing_is_open_to_everybody(database: Database) -> None:
    with psycopg.connect(database.owner_url) as session:
        session.execute("CREATE ROLE passer_by NOLOGIN")  # gone with the transaction
        session.execute("SET ROLE passer_by")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("SELECT FROM event_log.log_head")


async def test_expired_answers_are_purged_by_the_follower_and_no_others(database: Database) -> None:
    async with opened(postgres_log(database)) as log:
        for tenant in ("acme", "other"):
            key = IdempotencyKey(tenant, "ada", "k", b"d")
            await log.record([note(tenant=tenant)], WHY, key=key, answer=Answer(200, b""))
        with psycopg.connect(database.owner_url) as owner:
            owner.execute(
                "UPDATE event_log.idempotency_keys SET expires_at = CASE tenant WHEN 'acme'"
                " THEN now() - interval '1 day' ELSE now() + interval '1 day' END"
            )
        later = datetime.now(UTC) + timedelta(days=9)
        assert await log._storage.purge_answers(later) == 1
        assert await log._storage.purge_answers(later) == 0


async def test_subjects_are_stored_under_pseudonyms(database: Database) -> None:
    async with opened(postgres_log(database)) as log:
        await log.record([about("jo@example.org")], WHY)
    with psycopg.connect(database.owner_url) as owner:
        found = owner.execute("SELECT tenant, subject, wrapped FROM event_log.subject_keys").fetchall()
    assert len(found) == 1
    assert "jo" not in found[0][1]
    assert len(found[0][2]) == 40
