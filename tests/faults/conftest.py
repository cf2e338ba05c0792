"""One installation for all tests of this folder; each of them leaves it whole."""

import shutil
from collections.abc import Iterator

import pytest

from tests.api.servers import new_directory
from tests.faults.installation import Installation, installed


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """Made once."""
    directory = new_directory()
    with installed(directory) as ready:
        yield ready
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def home(installation: Installation) -> Installation:
    """The installation with its database running."""
    installation.postgres.start()
    return installation
