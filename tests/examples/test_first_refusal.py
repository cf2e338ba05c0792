"""The guide docs/guides/first-refusal.md, done step by step by somebody in a hurry."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.servers import Served
from tests.docs.blocks import Block, blocks

PAGE = "docs/guides/first-refusal.md"
SAVED = {"json": "transfer.json", "cedar": "policy.cedar"}
SEPARATOR = "-- next block --"


def in_order() -> list[Block]:
    return sorted(blocks(page=PAGE), key=lambda block: block.line)


def answers_in(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout as far as the guide needs one."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for block in in_order():
        if block.language in SAVED and block.mark != "answer":
            (tmp_path / SAVED[block.language]).write_text(block.text)
    return tmp_path


def test_the_guide_leads_from_nothing_to_a_refusal(up: Served, folder: Path) -> None:
    start, *rest = [block.text for block in in_order() if block.language == "bash"]
    assert start.strip() == "make up"
    script = f"\necho '{SEPARATOR}'\n".join(rest).replace("http://127.0.0.1:8423", up.address)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **up.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status":4' not in done.stdout, "every request is answered well"
    told = done.stdout.split(SEPARATOR)
    promised = [json.loads(block.text) for block in in_order() if block.mark == "answer"]
    given = [answer for part in told for answer in answers_in(part) if "verdict" in answer]
    assert [{name: got[name] for name in want} for want, got in zip(promised, given, strict=True)] == promised
    assert "No agent transfers more than 1000." in told[-1], "the run's timeline tells it too"
