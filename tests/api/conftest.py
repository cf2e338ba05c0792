"""A whole application on a log in memory, asked over HTTP as any client would."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.house import House, on_memory


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A served application with one tenant, `acme`, its people, an agent, two tools and a policy set."""
    async with on_memory(tmp_path) as house:
        await house.furnish()
        yield house
