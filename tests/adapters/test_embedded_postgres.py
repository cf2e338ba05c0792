"""The embedded Postgres: its settings, what it refuses, and two at once; faults have a file of their own."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.embedded_postgres import DirectoryUnusable, EmbeddedPostgres, StartFailed, StartTimedOut
from adapters.embedded_postgres.configuration import ADDRESS, choose_port
from tests.adapters.embedded import ROOT, ask, postmaster_pid

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can lend the server another account")


@pytest.fixture
def server(postgres_directory: Path) -> Iterator[EmbeddedPostgres]:
    embedded = EmbeddedPostgres(postgres_directory)
    yield embedded
    if postmaster_pid(postgres_directory) is not None:
        embedded.start()
        embedded.stop()


def test_it_is_durable_local_utf8_and_asks_for_a_password(server: EmbeddedPostgres) -> None:
    url = server.start()
    settings = dict(
        ask(url, "SELECT name, setting FROM pg_settings WHERE source <> 'default' OR name = 'fsync'")
    )
    assert settings["fsync"] == settings["synchronous_commit"] == "on"
    assert settings["listen_addresses"] == "127.0.0.1"
    assert settings["unix_socket_directories"] == ""
    found = ask(
        url, "SELECT pg_encoding_to_char(encoding), datlocale FROM pg_database WHERE datname = 'postgres'"
    )
    assert found == [("UTF8", "C.UTF-8")]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url, password="guess")
    assert ask(url, "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [("scram-sha-256",)]


def test_the_password_is_in_one_private_file_and_values_are_in_no_log(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    url = server.start()
    with pytest.raises(psycopg.Error):
        ask(url, "SELECT 'a private value'::int")
    with pytest.raises(psycopg.Error):
        ask(url, "CREATE TEMP TABLE t (v text UNIQUE); INSERT INTO t VALUES ('private'), ('private')")
    server.stop()
    password = postgres_directory / "password"
    assert password.stat().st_mode & 0o777 == 0o600
    log = (postgres_directory / "server.log").read_text()
    assert "private" not in log
    assert password.read_text() not in log
    assert password.read_text() not in (postgres_directory / "postgresql.conf").read_text()


def test_starting_and_stopping_again_is_harmless(server: EmbeddedPostgres) -> None:
    url = server.start()
    assert server.start() == url == server.url
    server.stop()
    server.stop()
    with pytest.raises(RuntimeError):
        _ = server.url
    assert server.start() == url, "the port is remembered"


def test_a_block_stops_what_it_started_but_not_what_it_adopted(postgres_directory: Path) -> None:
    with EmbeddedPostgres(postgres_directory) as first:
        with EmbeddedPostgres(postgres_directory) as second:
            assert second.url == first.url
        assert ask(first.url, "SELECT 1") == [(1,)]
    assert postmaster_pid(postgres_directory) is None


def test_stopping_touches_no_server_it_was_not_asked_to_start(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    url = server.start()
    EmbeddedPostgres(postgres_directory).stop()
    assert ask(url, "SELECT 1") == [(1,)]


def test_a_taken_port_is_replaced(server: EmbeddedPostgres) -> None:
    before = server.start()
    server.stop()
    port = int(before.rpartition(":")[2].partition("/")[0])
    with socket.create_server((ADDRESS, port)):
        after = server.start()
    assert after != before
    assert ask(after, "SELECT 1") == [(1,)]


def test_a_port_taken_between_the_look_and_the_start_is_replaced(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((ADDRESS, 0)) as taken:
        ports: list[int] = [taken.getsockname()[1]]

        def choose(remembered: int | None) -> int:
            return ports.pop() if ports else choose_port(remembered)

        monkeypatch.setattr("adapters.embedded_postgres.cluster.choose_port", choose)
        assert ask(server.start(), "SELECT 1") == [(1,)]


def test_two_processes_starting_at_once_share_one_server(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from adapters.embedded_postgres import ensure_running\n"
        "print(ensure_running(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(postgres_directory)]
    starting = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    urls = {process.communicate(timeout=60)[0].strip() for process in starting}
    assert urls == {server.start()}
    assert (postgres_directory / "server.log").read_text().count("starting PostgreSQL") == 1


def test_a_server_that_cannot_start_is_quoted(server: EmbeddedPostgres, postgres_directory: Path) -> None:
    server.start()
    server.stop()
    settings = postgres_directory / "data" / "postgresql.auto.conf"
    settings.write_text("shared_buffers = 'plenty'")
    with pytest.raises(StartFailed, match=r"shared_buffers.*plenty"):
        server.start()
    settings.write_text("")
    assert ask(server.start(), "SELECT 1") == [(1,)]


def test_a_start_that_takes_too_long_says_so_and_goes_on(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    server.start()
    server.stop()
    with pytest.raises(StartTimedOut, match="goes on doing so"):
        EmbeddedPostgres(postgres_directory, start_timeout=0).start()
    assert ask(server.start(), "SELECT 1") == [(1,)]


def test_a_folder_with_other_files_is_refused_untouched(postgres_directory: Path) -> None:
    (postgres_directory / "thesis.txt").write_text("do not lose")
    with pytest.raises(DirectoryUnusable, match="holds other files"):
        EmbeddedPostgres(postgres_directory).start()
    assert [path.name for path in postgres_directory.iterdir()] == ["thesis.txt"]


def test_data_of_another_version_or_without_its_password_is_refused(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    server.start()
    server.stop()
    (postgres_directory / "password").rename(postgres_directory / "kept")
    with pytest.raises(DirectoryUnusable, match="password is missing"):
        server.start()
    (postgres_directory / "kept").rename(postgres_directory / "password")
    (postgres_directory / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(DirectoryUnusable, match="made by Postgres 17, and this is 18"):
        server.start()


@as_root
def test_root_lends_the_server_another_account_and_keeps_the_folder(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    server.start()
    assert postgres_directory.stat().st_uid == 0
    assert (postgres_directory / "data").stat().st_uid != 0
    assert Path(f"/proc/{postmaster_pid(postgres_directory)}").stat().st_uid != 0


@as_root
def test_root_is_told_which_folder_is_closed_to_the_server(postgres_directory: Path) -> None:
    assert postgres_directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(DirectoryUnusable, match=rf"may not pass through {postgres_directory}\. Allow it"):
        EmbeddedPostgres(postgres_directory / "below").start()


@as_root
def test_programs_the_server_cannot_reach_are_copied(postgres_directory: Path) -> None:
    packages = Path(psycopg.__file__).parents[1]
    closed, data = postgres_directory / "closed", postgres_directory / "data"
    closed.mkdir(mode=0o700)
    postgres_directory.chmod(0o711)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, closed / name)
    code = (
        "import sys; from pathlib import Path; from adapters.embedded_postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres(Path(sys.argv[1])): print('up')"
    )
    environment = {**os.environ, "PYTHONPATH": str(closed)}
    command = [sys.executable, "-c", code, str(data)]
    assert subprocess.check_output(command, cwd=ROOT, env=environment, timeout=60) == b"up\n"
    assert [path.name for path in data.glob("programs-*")] != []


@as_root
def test_an_ordinary_user_runs_the_server_as_themselves(postgres_directory: Path) -> None:
    os.chown(postgres_directory, NOBODY, NOBODY)
    # Imported first: the interpreter itself may be in a place closed to the other user.
    code = (
        "import os, sys, encodings.idna, psycopg; from pathlib import Path\n"
        "from adapters.embedded_postgres import EmbeddedPostgres\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "with EmbeddedPostgres(Path(sys.argv[1])) as server:\n"
        "    psycopg.connect(server.url).close(); print('up')\n"
    )
    command = [sys.executable, "-c", code, str(postgres_directory)]
    assert subprocess.check_output(command, cwd=ROOT, timeout=60) == b"up\n"
    assert (postgres_directory / "data").stat().st_uid == NOBODY
