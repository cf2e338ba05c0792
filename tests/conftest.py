"""Fixtures and habits of every test."""

from tests.api.servers import up
from tests.postgres import database, postgres_directory, postgres_url, template_database
from tests.skips import pytest_sessionfinish

__all__ = [
    "database",
    "postgres_directory",
    "postgres_url",
    "pytest_sessionfinish",
    "template_database",
    "up",
]
