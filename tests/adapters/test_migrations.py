"""Migrations: applied once, in order, all or nothing, by one process at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from adapters.migrations import MigrationError, check, migrate, read_migrations, set_role_passwords

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """A database without any schema, unlike the fixture `database`."""
    name = sql.Identifier(f"magistrate_test_{uuid4().hex}")
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name.as_string()[1:-1]}"))
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three migrations whose order matters, and whose names sort differently from it."""
    (tmp_path / "0001_pre_events.sql").write_text("CREATE TABLE events (id int); CREATE TABLE old (id int);")
    (tmp_path / "0001_post_events.sql").write_text("DROP TABLE old;")
    (tmp_path / "0002_pre_kind.sql").write_text("ALTER TABLE events ADD kind text;")
    return tmp_path


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """Ask in a session of its own."""
    with psycopg.connect(url, autocommit=True) as session:
        return session.execute(query.encode()).fetchall()


def test_all_files_are_applied_once_by_number_with_pre_before_post(url: str, files: Path) -> None:
    assert migrate(url, directory=files) == [
        "0001_pre_events.sql",
        "0001_post_events.sql",
        "0002_pre_kind.sql",
    ]
    assert migrate(url, directory=files) == []


def test_phases_are_applied_apart(url: str, files: Path) -> None:
    assert migrate(url, phase="pre", directory=files) == ["0001_pre_events.sql", "0002_pre_kind.sql"]
    assert migrate(url, phase="pre", directory=files) == []
    assert migrate(url, phase="post", directory=files) == ["0001_post_events.sql"]


def test_the_schema_is_up_to_date_for_code_once_pre_is_applied(url: str, files: Path) -> None:
    assert check(url, directory=files) == ["0001_pre_events.sql", "0002_pre_kind.sql"]
    migrate(url, phase="pre", directory=files)
    assert check(url, directory=files) == []
    assert check(url, phase="all", directory=files) == ["0001_post_events.sql"]


def test_older_code_is_content_with_a_newer_schema_but_does_not_migrate_it(url: str, files: Path) -> None:
    migrate(url, directory=files)
    (files / "0002_pre_kind.sql").unlink()
    assert check(url, directory=files) == []
    with pytest.raises(MigrationError, match=r"not among the files: 0002_pre_kind\.sql"):
        migrate(url, directory=files)


def test_a_changed_file_is_refused(url: str, files: Path) -> None:
    migrate(url, directory=files)
    (files / "0001_pre_events.sql").write_text("CREATE TABLE events (id bigint);")
    with pytest.raises(MigrationError, match="changed after it was applied"):
        migrate(url, directory=files)
    with pytest.raises(MigrationError, match="changed after it was applied"):
        check(url, directory=files)


def test_a_failing_file_leaves_nothing_behind_and_the_ones_before_it_stay(url: str, files: Path) -> None:
    (files / "0002_pre_kind.sql").write_text("CREATE TABLE half (id int); SELECT 1/0;")
    with pytest.raises(MigrationError, match=r"0002_pre_kind\.sql failed and left nothing behind: division"):
        migrate(url, directory=files)
    assert check(url, phase="all", directory=files) == ["0002_pre_kind.sql"]
    assert rows(url, "SELECT to_regclass('half') IS NULL, to_regclass('events') IS NULL") == [(True, False)]


def test_a_file_may_not_end_its_own_transaction(url: str, files: Path) -> None:
    (files / "0002_pre_kind.sql").write_text("CREATE TABLE kinds (id int); COMMIT;")
    with pytest.raises(MigrationError, match="ends its own transaction"):
        migrate(url, directory=files)


def test_what_a_file_sets_does_not_reach_the_next(url: str, files: Path) -> None:
    (files / "0001_pre_events.sql").write_text(
        "CREATE TABLE old (id int); SET search_path = pg_catalog; SET ROLE pg_monitor;"
    )
    (files / "0002_pre_kind.sql").write_text("CREATE TABLE here AS SELECT current_user AS me")
    migrate(url, directory=files)
    assert rows(url, "SELECT me = session_user FROM public.here") == [(True,)]


@pytest.mark.parametrize(
    "name", ["1_pre_short.sql", "0003_during_x.sql", "0003_pre_X.sql", "0002_pre_twin.sql"]
)
def test_a_misnamed_file_is_refused(files: Path, name: str) -> None:
    (files / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match=name):
        read_migrations(files)


def test_many_starting_at_once_apply_each_file_once(url: str, files: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(migrate, url, directory=files) for _ in range(6)]
    assert sorted(len(run.result()) for run in runs) == [0, 0, 0, 0, 0, 3]


def test_a_run_killed_in_the_middle_leaves_nothing_half_done_and_no_lock(url: str, files: Path) -> None:
    slow = files / "0002_pre_kind.sql"
    slow.write_text("CREATE TABLE half (id int); SELECT pg_sleep(60) /* slow migration */;")
    code = (
        "import sys; from pathlib import Path; from adapters.migrations import migrate\n"
        f"migrate(sys.stdin.read(), directory=Path({str(files)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True, cwd=ROOT) as runner:
        assert runner.stdin is not None
        runner.stdin.write(url)
        runner.stdin.close()
        busy = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        deadline = time.monotonic() + 20
        while not rows(url, busy):
            assert time.monotonic() < deadline, "the migration never began"
            time.sleep(0.05)
        os.kill(runner.pid, signal.SIGKILL)
    slow.write_text("CREATE TABLE half (id int, whole bool);")
    began = time.monotonic()
    assert migrate(url, directory=files) == ["0002_pre_kind.sql"]
    assert time.monotonic() - began < 10


def test_roles_can_log_in_with_their_passwords_and_no_plain_text_is_kept(url: str) -> None:
    role, password = f"test_{uuid4().hex}", 'it\'s \\ "quoted" %s'
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        try:
            set_role_passwords(url, {role: password})
            with psycopg.connect(url, user=role, password=password) as own:
                assert own.execute("SELECT current_user").fetchone() == (role,)
            kept = session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role]).fetchone()
            assert kept is not None
            assert kept[0].startswith("SCRAM-SHA-256$")
        finally:
            session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_passwords_are_set_for_all_roles_or_none(url: str) -> None:
    with pytest.raises(MigrationError, match="role nobody_knows does not exist"):
        set_role_passwords(url, {"nobody_knows": "x"})


def test_any_role_may_ask_whether_the_schema_is_up_to_date(url: str, files: Path) -> None:
    migrate(url, directory=files)
    with psycopg.connect(url) as session:
        session.execute("SET ROLE pg_monitor")
        assert session.execute("SELECT count(*) FROM public.schema_migrations").fetchone() == (3,)
