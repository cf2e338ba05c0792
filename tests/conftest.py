"""Fixtures every test may ask for."""

from tests.postgres import database, postgres_directory, postgres_url, template_database

__all__ = ["database", "postgres_directory", "postgres_url", "template_database"]
