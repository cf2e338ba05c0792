"""The parts of the guide to production, started in its order on one database, make a service."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from adapters.embedded_postgres import EmbeddedPostgres

MAGISTRATE = str(Path(sys.executable).parent / "magistrate")
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(directory: Path, port: int) -> Mapping[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAGISTRATE_")}
    return {
        **inherited,
        "MAGISTRATE_ENVIRONMENT": "production",
        "MAGISTRATE_MASTER_KEY": b64encode(secrets.token_bytes(32)).decode(),
        "MAGISTRATE_HS256_SECRET": secrets.token_hex(32),
        "MAGISTRATE_DATA_DIR": str(directory / "data"),
        "MAGISTRATE_PORT": str(port),
    }


def told(environment: Mapping[str, str], *words: str) -> str:
    """What a command says; it must not fail."""
    run = subprocess.run([MAGISTRATE, *words], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()


@contextmanager
def running(environment: Mapping[str, str], *words: str) -> Generator[None]:
    process = subprocess.Popen([MAGISTRATE, *words], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM)


def until_ready(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{address} is not ready")


@pytest.mark.timeout(240)
def test_the_parts_make_a_service_and_only_the_migration_knows_the_owner(
    postgres_directory: Path, tmp_path: Path
) -> None:
    port = free_port()
    address, given = f"http://127.0.0.1:{port}", settings(tmp_path, port)
    with EmbeddedPostgres(postgres_directory) as postgres:
        place = urlsplit(postgres.url)
        nobody = urlunsplit(place._replace(netloc=place.netloc.rpartition("@")[2]))
        owner, service = ({**given, "DATABASE_URL": url} for url in (postgres.url, nobody))
        assert "0001_pre" in told(owner, "migrate", "--phase", "pre")
        with running(owner, "up", "--tenant", "acme", "--admin", "ada"):
            until_ready(address)
        with running(service, "serve"), running(service, "work"):
            until_ready(address)
            token = told(service, "token", "--tenant", "acme", "--sub", "ada")
            answer = httpx.get(f"{address}/v1/tenant", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["members"][0]["roles"] == ["admin", "operator"]
