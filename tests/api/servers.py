"""A whole installation as users start it: `magistrate up` in a process of its own, in a folder of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app

MAGISTRATE = str(Path(sys.executable).parent / "magistrate")
STOPS_WITHIN = 30


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Served:
    """Where it serves, and the environment in which commands find it."""

    address: str
    directory: Path
    environment: Mapping[str, str]
    process: "subprocess.Popen[str]"

    def magistrate(self, *words: str, **environment: str) -> Said:
        """Runs a command as its user would, but in this process, which is faster."""
        return said(*words, **self.environment, **environment)


def said(*words: str, **environment: str) -> Said:
    """Runs a command in this process; not for those that serve or configure logging."""
    given = surroundings(**environment)
    absent: dict[str, str | None] = {name: None for name in os.environ if name not in given}
    result = CliRunner().invoke(app, list(words), env={**absent, **given})
    return Said(result.exit_code, result.stdout, result.stderr)


def magistrate(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command in a process of its own and waits for it."""
    return subprocess.run(
        [MAGISTRATE, *words],
        env=surroundings(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def surroundings(**environment: str) -> dict[str, str]:
    """Ours without what would lead to another server, and with a terminal of fixed width."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAGISTRATE_", "DATABASE_"))
    }
    return {**clean, "COLUMNS": "200", "NO_COLOR": "1", **environment}


def start(directory: Path, *words: str, **settings: str) -> Served:
    """Starts `magistrate up` and waits until it says where it serves."""
    environment = {**settings, "MAGISTRATE_DATA_DIR": str(directory)}
    process = subprocess.Popen(
        [MAGISTRATE, "up", "--port", "0", "--json", *words],
        env=surroundings(**environment),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"it ended with {process.wait()}"
    return Served(json.loads(line)["address"], directory, environment, process)


def stop(served: Served) -> int:
    """Ctrl-C; returns the exit code."""
    served.process.send_signal(signal.SIGINT)
    code = served.process.wait(STOPS_WITHIN)
    if served.process.stdout is not None:
        served.process.stdout.close()
    return code


@pytest.fixture(scope="session")
def up() -> Iterator[Served]:
    """One installation for all tests that leave room for others in it."""
    directory = new_directory()
    served = start(directory)
    yield served
    assert stop(served) == 0
    shutil.rmtree(directory)


def new_directory() -> Path:
    """A data directory; pytest's own are closed to the account that the database may run under."""
    directory = Path(tempfile.mkdtemp(prefix="magistrate-test-"))
    directory.chmod(0o711)
    return directory
