"""The embedded Postgres after kill -9: of the server, of its supervisor, of both, and in the middle."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.embedded_postgres import EmbeddedPostgres, PasswordRefused
from tests.adapters.embedded import ROOT, ask, postmaster_pid

SUPERVISE = """
import sys, time
from pathlib import Path
from adapters.embedded_postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).start()
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def server(postgres_directory: Path) -> Iterator[EmbeddedPostgres]:
    embedded = EmbeddedPostgres(postgres_directory)
    yield embedded
    embedded.start()
    embedded.stop()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something, at most 20 seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def supervisor(directory: Path) -> subprocess.Popen[str]:
    """Another process that starts the server."""
    command = [sys.executable, "-c", SUPERVISE, str(directory)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_server(directory: Path) -> int:
    pid = postmaster_pid(directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_killed_server_is_started_again_with_all_that_was_acknowledged(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    url = server.start()
    ask(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    for kills in range(1, 4):
        killed = kill_server(postgres_directory)
        url = server.start()
        assert postmaster_pid(postgres_directory) != killed
        assert ask(url, "SELECT count(*) FROM kept") == [(999 + kills,)]
        ask(url, "INSERT INTO kept VALUES (0)")


def test_a_backend_that_outlived_its_server_does_not_keep_a_new_one_out(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    url = server.start()

    def compute() -> None:
        with pytest.raises(psycopg.OperationalError):
            ask(url, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b")

    busy = threading.Thread(target=compute)
    busy.start()
    until(
        lambda: ask(
            url,
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%100000) a, gen%' AND pid <> "
            "pg_backend_pid() AND state = 'active'",
        ),
        "the long statement",
    )
    kill_server(postgres_directory)
    assert ask(server.start(), "SELECT 1") == [(1,)]
    busy.join(timeout=20)
    assert not busy.is_alive()


def test_the_server_of_a_killed_supervisor_goes_on_and_is_adopted(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    with supervisor(postgres_directory) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        os.kill(other.pid, signal.SIGKILL)
    running = postmaster_pid(postgres_directory)
    assert running is not None
    assert ask(server.start(), "SELECT 1") == [(1,)]
    assert postmaster_pid(postgres_directory) == running
    server.stop()
    assert postmaster_pid(postgres_directory) is None


def test_after_both_were_killed_it_starts_again(server: EmbeddedPostgres, postgres_directory: Path) -> None:
    with supervisor(postgres_directory) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        kill_server(postgres_directory)
        os.kill(other.pid, signal.SIGKILL)
    assert ask(server.start(), "SELECT 1") == [(1,)]


@pytest.mark.parametrize("moment", ["data.new", "data", "port", "data/postmaster.pid"])
def test_a_supervisor_killed_while_creating_the_database_leaves_nothing_in_the_way(
    server: EmbeddedPostgres, postgres_directory: Path, moment: str
) -> None:
    with supervisor(postgres_directory) as other:
        until((postgres_directory / moment).exists, moment)
        os.kill(other.pid, signal.SIGKILL)
    assert ask(server.start(), "SELECT 1") == [(1,)]
    assert not (postgres_directory / "data.new").exists()


def test_a_recorded_process_id_that_now_belongs_to_another_program_is_no_obstacle(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    server.start()
    data = postgres_directory / "data"
    owner = data.stat().st_uid
    recorded = (data / "postmaster.pid").read_text()
    kill_server(postgres_directory)
    account = None if owner == os.geteuid() else owner
    with subprocess.Popen(["/bin/sleep", "600"], user=account) as innocent:
        (data / "postmaster.pid").write_text(recorded.replace(recorded.split()[0], str(innocent.pid), 1))
        assert ask(server.start(), "SELECT 1") == [(1,)]
        assert innocent.poll() is None, "a bystander was hurt"
        innocent.kill()


def test_stopping_a_server_that_was_killed_is_harmless(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    server.start()
    kill_server(postgres_directory)
    server.stop()


def test_a_server_that_does_not_accept_our_password_is_not_adopted(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    server.start()
    password = postgres_directory / "password"
    right = password.read_text()
    password.write_text("wrong")
    with pytest.raises(PasswordRefused, match="Put the right one back"):
        EmbeddedPostgres(postgres_directory).start()
    password.write_text(right)


def test_the_server_is_out_of_reach_of_a_terminals_ctrl_c(
    server: EmbeddedPostgres, postgres_directory: Path
) -> None:
    server.start()
    pid = postmaster_pid(postgres_directory)
    assert pid is not None
    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)
