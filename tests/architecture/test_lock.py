"""The lock pins every dependency by hash, and says nothing of where anybody got it."""

import re
import tomllib

import pytest

from tests.architecture.tree import ROOT

LOCKS = {name: (ROOT / name).read_text() for name in ("requirements.lock", "deploy/requirements.lock")}
"""What a checkout installs, and the part of it that the image is made of."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def entries(lock: str) -> set[str]:
    return {re.sub(r"\n +# .*", "", entry) for entry in re.split(r"\n(?=[A-Za-z0-9])", lock.strip())}


def normal(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_a_lock_has_no_addresses(lock: str) -> None:
    assert not re.search(r"://|--(index-url|extra-index-url|find-links)|@ file", lock)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_every_pin_has_a_hash(lock: str) -> None:
    assert entries(lock)
    for entry in entries(lock):
        assert re.match(r"[A-Za-z0-9._-]+==", entry)
        assert "--hash=sha256:" in entry


def test_the_image_runs_the_very_versions_that_were_tested() -> None:
    assert entries(LOCKS["deploy/requirements.lock"]) < entries(LOCKS["requirements.lock"])


def test_every_dependency_is_pinned() -> None:
    groups: dict[str, list[str | dict[str, str]]] = PROJECT["dependency-groups"]
    wanted = {normal(each) for each in PROJECT["project"]["dependencies"]}
    wanted |= {normal(each) for group in groups.values() for each in group if isinstance(each, str)}
    assert not wanted - {normal(entry) for entry in entries(LOCKS["requirements.lock"])}
