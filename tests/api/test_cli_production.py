"""Processes as production runs them, on a database that somebody else looks after."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.embedded_postgres import EmbeddedPostgres
from tests.api.servers import MAGISTRATE, magistrate, new_directory, said, start, stop, surroundings
from tests.architecture.tree import ROOT


@pytest.fixture
def directory() -> Iterator[Path]:
    found = new_directory()
    yield found
    shutil.rmtree(found)


@pytest.fixture
def given(directory: Path) -> Iterator[Mapping[str, str]]:
    """A database of its own, and the settings that name it."""
    with EmbeddedPostgres(directory / "somebody-elses") as postgres:
        yield {"MAGISTRATE_DATA_DIR": str(directory / "ours"), "DATABASE_URL": postgres.url}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(*words: str, **environment: str) -> Generator[None]:
    process = subprocess.Popen(
        [MAGISTRATE, *words, "--json"],
        env=surroundings(**environment),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline(), "it says when it has begun"
    yield
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0, words


def test_migrate_up_serve_and_work_share_a_database(given: Mapping[str, str], directory: Path) -> None:
    first = magistrate("migrate", **given)
    assert first.returncode == 0, first.stderr
    assert "applied 0001_pre_" in first.stdout
    assert "0001_pre_" not in magistrate("migrate", "--phase", "pre", **given).stdout
    founding = start(directory / "ours", "--tenant", "shop", **given)
    assert stop(founding) == 0
    port = free_port()
    client = {**given, "MAGISTRATE_URL": f"http://127.0.0.1:{port}"}
    with running("serve", "--port", str(port), **given), running("work", **given):
        deadline = time.monotonic() + 60
        while (told := said("runs", **client)).returncode and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "No runs yet" in told.stdout, told.stderr


def test_up_survives_the_death_of_its_database(directory: Path) -> None:
    served = start(directory)
    postmaster = int((directory / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while served.magistrate("runs").returncode and time.monotonic() < deadline:
        time.sleep(0.1)
    assert served.magistrate("runs").returncode == 0
    imported = served.magistrate("import", str(ROOT / "examples/fleet/transcripts/clerk-mail.anthropic.json"))
    assert imported.returncode == 0, imported.stderr
    assert stop(served) == 0
