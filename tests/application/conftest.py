"""Fixtures of the use cases' tests."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.application.swift import SwiftLoop
from tests.application.world import World, founded


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Nobody here waits for real."""
    return {"swift": SwiftLoop}


@pytest.fixture
async def world() -> World:
    return await founded()
