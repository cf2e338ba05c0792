"""The lock pins every dependency by hash, and says nothing of where anybody got it."""

import re
import tomllib

from tests.architecture.tree import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PINS = {match[1].lower() for match in re.finditer(r"^([A-Za-z0-9._-]+)==", LOCK, re.MULTILINE)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def normal(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_the_lock_has_no_addresses() -> None:
    assert not re.search(r"://|--(index-url|extra-index-url|find-links)|@ file", LOCK)


def test_every_pin_has_a_hash() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())
    unhashed = [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert PINS
    assert not unhashed


def test_every_dependency_is_pinned() -> None:
    groups = PROJECT["dependency-groups"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(each for group in groups for each in group)]
    assert not {normal(each) for each in wanted} - {normal(pin) for pin in PINS}
