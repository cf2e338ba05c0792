"""The page of settings lists every setting, with its default."""

import re

from pydantic_core import PydanticUndefined

from api.settings import PREFIX, Settings
from tests.docs.blocks import pages

PAGE = pages()["docs/reference/settings.md"].split("as a client")[0]
ROWS = dict(re.findall(r"^\| `([A-Z0-9_]+)` \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))


def environment_name(field: str) -> str:
    return "DATABASE_URL" if field == "database_url" else PREFIX + field.upper()


def test_every_setting_is_on_the_page_and_nothing_else() -> None:
    assert set(ROWS) == {environment_name(field) for field in Settings.model_fields}


def test_the_defaults_are_those_of_the_code() -> None:
    for field, declared in Settings.model_fields.items():
        if declared.default is not PydanticUndefined and declared.default is not None:
            assert ROWS[environment_name(field)] == f"`{declared.default}`", field
