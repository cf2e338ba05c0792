"""What the pages show is true: JSON parses, tools can be registered, policies are valid for them."""

import json
import re

import pytest

from adapters.policy.engine import CedarEngine
from domain.tools.registration import Registration
from tests.architecture.tree import ROOT
from tests.docs.blocks import Block, blocks, pages, tools_of, view

LANGUAGES = {
    "json": "parsed, and registered where it is marked `tool=NAME`",
    "cedar": "validated against the tools of its page",
    "bash": "tests/docs/test_commands.py",
    "text": "a picture or an output: shown only",
    "http": "headers or an answer, shown only: tests/api asserts them",
    "ini": "settings: tests/docs/test_settings.py",
}
"""What becomes of a block in each language; no block is without one."""


def test_every_block_says_what_it_is() -> None:
    assert not [str(block) for block in blocks() if block.language not in LANGUAGES]


@pytest.mark.parametrize("block", list(blocks("json")), ids=str)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", [b for b in blocks("json") if b.mark.startswith("tool=")], ids=str)
def test_a_tool_can_be_registered_as_shown(block: Block) -> None:
    registration = Registration.model_validate_json(block.text)
    CedarEngine().check_tool(view(block.mark.removeprefix("tool="), registration))


@pytest.mark.parametrize("block", list(blocks("cedar")), ids=str)
def test_a_policy_is_valid_for_the_tools_of_its_page(block: Block) -> None:
    elsewhere = block.mark.removeprefix("tools=")
    CedarEngine().check(block.text, tools_of(elsewhere or block.page))


def test_links_between_pages_lead_somewhere() -> None:

    dead = [
        f"{page}: {target}"
        for page, text in pages().items()
        for target in re.findall(r"\]\((?!https?://|mailto:|#)([^)#]+)", text)
        if not ((ROOT / page).parent / target).exists()
    ]
    assert not dead
