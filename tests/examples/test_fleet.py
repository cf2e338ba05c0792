"""The fleet's tools and policies hold together, and its transcripts can be read."""

import json
from pathlib import Path

import pytest

from adapters.policy.engine import CedarEngine
from api.importing.files import Unreadable, read
from application.law import view_of
from domain.tools.registration import Registration
from domain.tools.tool import Tool

FLEET = Path(__file__).parents[2] / "examples" / "fleet"
TRANSCRIPTS = sorted((FLEET / "transcripts").iterdir())


def test_the_policies_are_valid_for_the_tools() -> None:
    engine = CedarEngine()
    registered = json.loads((FLEET / "tools.json").read_text())
    views = [
        view_of(name, Tool(registration=Registration.model_validate_json(json.dumps(one))))
        for one in registered
        if (name := one.pop("name"))
    ]
    for view in views:
        engine.check_tool(view)
    engine.check((FLEET / "policies.cedar").read_text(), views)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.name)
def test_every_transcript_can_be_read_and_names_a_registered_agent(path: Path) -> None:
    agents = [agent["agent_id"] for agent in json.loads((FLEET / "agents.json").read_text())]
    for one in read(path):
        assert not isinstance(one, Unreadable), one
        assert one.agent in agents
        assert one.steps
