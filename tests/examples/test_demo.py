"""The demo goes as it must, quickly, and leaves nothing behind."""

import json
import tempfile
from pathlib import Path

from tests.api.servers import magistrate


def test_the_demo_tells_its_story_and_cleans_up(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="magistrate-demo-") as folder:
        Path(folder).chmod(0o711)
        told = magistrate("demo", TMPDIR=folder)
        assert told.returncode == 0, told.stdout + told.stderr
        assert "15 steps went as they must." in told.stdout
        for part in (
            "denied",
            "asked",
            "may not",
            "suspends the stevedore",
            "Approved",
            "The approval was used",
        ):
            assert part in told.stdout
        assert not list(Path(folder).iterdir())


def test_for_programs_it_is_a_list_of_steps() -> None:
    told = magistrate("demo", "--json")
    assert told.returncode == 0, told.stderr
    story = json.loads(told.stdout)
    assert story["right"] is True
    assert {step["found"] for step in story["steps"]} >= {"allow", "deny", "ask", "403"}
