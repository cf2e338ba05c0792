"""What the image and the compose file would run exists; nothing in them is secret or open to the world."""

import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from api.settings import PREFIX, Settings, read_settings
from tests.architecture.tree import ROOT
from tests.docs.commands import magistrate

COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
KNOWN = {"DATABASE_URL"} | {PREFIX + field.upper() for field in Settings.model_fields}


def test_the_compose_file_is_tidy() -> None:
    command = [sys.executable, "-m", "yamllint", "--strict", "docker-compose.yml"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    magistrate(OURS[name]["command"])


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_set_by_settings_that_exist(name: str) -> None:
    assert set(OURS[name]["environment"]) <= KNOWN


@pytest.mark.parametrize("name", OURS)
def test_a_service_can_change_nothing_and_gain_nothing(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_there_are_no_default_secrets() -> None:
    secret = re.compile(r"PASSWORD|SECRET|KEY|URL")
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if secret.search(name) and not name.endswith("_FILE") and "@" in value:
                assert re.search(r":\$\{[A-Z_]+:\?[^}]+\}@", value), name
            if name.endswith("_FILE"):
                assert value.startswith("/run/secrets/")
    assert not re.search(r"(PASSWORD|SECRET|MASTER_KEY)=", DOCKERFILE)


def test_only_the_migration_knows_the_password_of_the_superuser() -> None:
    knowing = {
        name
        for name, service in OURS.items()
        if "POSTGRES_PASSWORD" in service["environment"]["DATABASE_URL"]
    }
    assert knowing == {"migrate"}


def test_the_image_copies_what_the_wheel_carries() -> None:
    packages = re.search(r"^packages = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages
    copied = set(re.findall(r"^COPY (\S+) \S+$", DOCKERFILE, re.MULTILINE))
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for folder in re.findall(r'"([^"]+)"', packages[1]):
        assert folder in copied
        assert folder in allowed


def test_the_image_does_not_run_as_root() -> None:
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER (?!0|root)\d+:\d+$", last, re.MULTILINE)


def test_the_image_runs_a_command_that_exists() -> None:
    assert 'ENTRYPOINT ["magistrate"]' in DOCKERFILE
    command = re.search(r'^CMD \["([a-z]+)"\]$', DOCKERFILE, re.MULTILINE)
    assert command
    magistrate([command[1]])


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in OURS[name]["environment"].items():
        monkeypatch.setenv(variable, re.sub(r"\$\{[A-Z0-9_]+:\?[^}]+\}", "0123456789abcdef" * 4, value))
    settings = read_settings()
    assert settings.environment == "production"
    assert settings.database_url is not None
