"""The command line: what it says when it cannot, what it never shows, and how fast it answers."""

import json
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from tests.api.servers import Served, magistrate, new_directory, said, start, stop

COMMANDS = ("up", "demo", "serve", "work", "migrate", "token", "import", "runs", "show", "rebuild")


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """A machine on which nothing was ever started."""
    return {"MAGISTRATE_DATA_DIR": str(tmp_path / "none")}


@pytest.fixture
def directory() -> Iterator[Path]:
    found = new_directory()
    yield found
    shutil.rmtree(found)


def test_help_teaches_every_command() -> None:
    for command in COMMANDS:
        told = CliRunner().invoke(app, [command, "--help"])
        assert told.exit_code == 0
        assert "--json" in told.output


def test_help_takes_no_half_second() -> None:
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    took: list[float] = []
    for _ in range(3):
        before = spent()  # of the processor, so that busy neighbours do not count
        assert magistrate("--help").returncode == 0
        took.append(spent() - before)
    assert min(took) < 0.5


def test_help_imports_nothing_heavy() -> None:
    heavy = "('fastapi', 'psycopg', 'pydantic', 'httpx')"
    script = f"import sys, api.cli.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("show",),
        ("import", "no-such-file.jsonl"),
        ("import", "x", "--format", "morse"),
        ("token", "--tenant", "acme", "--sub", "ada", "--for", "a while"),
        ("token", "--tenant", "acme", "--sub", "ada", "--role", "king"),
        ("rebuild", "no-such-model"),
    ],
)
def test_what_is_not_understood_exits_with_two(words: tuple[str, ...], nowhere: dict[str, str]) -> None:
    done = said(*words, **nowhere)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("runs",), ("show", "r1"), ("token",), ("import", __file__)])
def test_without_a_server_it_says_how_to_start_one(words: tuple[str, ...], nowhere: dict[str, str]) -> None:
    done = said(*words, **nowhere)
    assert done.returncode == 1
    assert "magistrate up" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(nowhere["MAGISTRATE_DATA_DIR"]).exists(), "looking leaves nothing behind"


def test_an_address_where_nobody_answers_is_told(nowhere: dict[str, str]) -> None:
    done = said("runs", MAGISTRATE_URL="http://127.0.0.1:9", MAGISTRATE_TOKEN="t", **nowhere)
    assert done.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in done.stderr


@pytest.mark.parametrize(
    ("command", "environment", "told"),
    [
        ("migrate", {}, "DATABASE_URL is not set"),
        ("serve", {"MAGISTRATE_PORT": "many"}, "MAGISTRATE_PORT"),
        ("serve", {"MAGISTRATE_ENVIRONMENT": "production"}, "MAGISTRATE_MASTER_KEY"),
        ("migrate", {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, "does not answer"),
    ],
)
def test_wrong_settings_are_told_by_name(
    command: str, environment: dict[str, str], told: str, nowhere: dict[str, str]
) -> None:
    done = said(command, **nowhere, **environment)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_says_who_for_how_long_and_with_which_roles(up: Served) -> None:
    done = up.magistrate("token", "--tenant", "other", "--sub", "eve", "--role", "auditor", "--for", "30m")
    claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
    assert (claims["tenant"], claims["sub"], claims["roles"]) == ("other", "eve", ["auditor"])
    assert claims["exp"] - claims["iat"] == 1800


def test_an_unknown_run_is_told_in_words(up: Served) -> None:
    done = up.magistrate("show", "no-such-run")
    assert done.returncode == 1
    assert "There is no such run" in done.stderr


def test_a_token_of_somebody_else_is_refused_in_words(up: Served) -> None:
    done = up.magistrate("runs", MAGISTRATE_URL=up.address, MAGISTRATE_TOKEN="x.y.z")
    assert done.returncode == 1
    assert "401" in done.stderr
    assert "magistrate token" in done.stderr


def test_read_models_are_rebuilt_while_the_server_runs(up: Served) -> None:
    done = magistrate("rebuild", "runs", "--json", **up.environment)
    assert done.returncode == 0, done.stderr
    assert [one["model"] for one in json.loads(done.stdout)] == ["runs"]


def test_secrets_are_the_owners_alone(up: Served) -> None:
    key = up.directory / "master.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_second_one_in_the_same_directory_is_told_of_the_first(up: Served) -> None:
    done = magistrate("up", "--port", "0", **up.environment)
    assert done.returncode == 1
    assert f"running already at {up.address}" in done.stderr


def test_a_port_that_is_taken_is_told_at_once(up: Served, directory: Path) -> None:
    port = up.address.rsplit(":", 1)[1]
    done = magistrate("up", "--port", port, MAGISTRATE_DATA_DIR=str(directory))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_it_stops_cleanly_and_finds_everything_again(directory: Path) -> None:
    first = start(directory, "--tenant", "shop", "--admin", "maren")
    token = first.magistrate("token").stdout.strip()
    assert stop(first) == 0
    assert first.magistrate("runs").returncode == 1, "nobody is there"
    again = start(directory)
    done = again.magistrate("runs", MAGISTRATE_URL=again.address, MAGISTRATE_TOKEN=token)
    assert (done.returncode, "No runs yet" in done.stdout) == (0, True), done.stderr
    again.process.send_signal(signal.SIGKILL)
    again.process.wait()
    assert again.process.stdout is not None
    again.process.stdout.close()
    last = start(directory)
    assert last.magistrate("runs").returncode == 0
    assert stop(last) == 0


def test_at_rest_it_is_small(up: Served) -> None:
    assert up.magistrate("runs").returncode == 0
    rollup = Path(f"/proc/{up.process.pid}/smaps_rollup").read_text()
    kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert kilobytes < 200 * 1024
