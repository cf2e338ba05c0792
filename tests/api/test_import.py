"""Recorded runs are put to a whole installation: as often as one likes, interrupted or malformed."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.kernel import Json
from tests.api.servers import MAGISTRATE, Served, surroundings
from tests.architecture.tree import ROOT

FLEET = ROOT / "examples" / "fleet"
TRANSCRIPTS = [str(path) for path in sorted((FLEET / "transcripts").iterdir())]
RULES = (
    *("--agents", str(FLEET / "agents.json"), "--tools", str(FLEET / "tools.json")),
    *("--policies", str(FLEET / "policies.cedar")),
)


def imported(up: Served, *words: str, code: int = 0) -> Mapping[str, Any]:
    done = up.magistrate("import", *words, "--json")
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


def timeline(up: Served, run_id: str) -> list[Mapping[str, Any]]:
    return list(json.loads(up.magistrate("show", run_id, "--json").stdout)["timeline"])


def read_order(number: int) -> list[Json]:
    """A turn in which an order is read."""
    call = {"name": "read_order", "arguments": json.dumps({"order_id": f"B-{number}"})}
    order = {"order_id": f"B-{number}", "paid_cents": 100, "refunded_cents": 0, "state": "sent"}
    return [
        {"role": "assistant", "content": None, "tool_calls": [{"id": f"c{number}", "function": call}]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": json.dumps(order)},
    ]


def transcript(calls: int) -> Json:
    return {
        "metadata": {"agent": "clerk"},
        "messages": [
            {"role": "user", "content": "hello"},
            *(m for n in range(calls) for m in read_order(n)),
        ],
    }


def written(folder: Path, *documents: Json) -> str:
    path = folder / "recorded.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return str(path)


@pytest.fixture
def fleet(up: Served) -> Mapping[str, Any]:
    """The fleet's transcripts, imported under the fleet's policies."""
    return imported(up, *TRANSCRIPTS, *RULES)


def test_the_fleets_transcripts_are_judged_by_its_policies(fleet: Mapping[str, Any]) -> None:
    assert fleet["verdicts"] == {"allow": 10, "deny": 5, "ask": 1}
    settled = Counter(r["policy"] for run in fleet["runs"] for c in run["calls"] for r in c["reasons"])
    assert settled == {
        "reading": 6,
        "clerks-work": 2,
        "operators-work": 2,
        "checks-before-production": 2,
        "labels": 1,
        "no-more-than-was-paid": 1,
        "read-before-refund": 1,
        "large-refund": 1,
    }
    assert fleet["cost"] == 109


def test_the_table_tells_people_the_same(up: Served, fleet: Mapping[str, Any]) -> None:
    told = up.magistrate("import", *TRANSCRIPTS).stdout
    assert "8 runs, 16 tool calls: 10 allowed, 5 denied, 1 asked" in told
    assert not fleet["complaints"]
    assert "Nobody gets back more than was paid and not yet refunded." in told


def test_importing_again_changes_nothing(up: Served, fleet: Mapping[str, Any]) -> None:
    before = {run["run_id"]: timeline(up, run["run_id"]) for run in fleet["runs"]}
    assert imported(up, *TRANSCRIPTS)["verdicts"] == fleet["verdicts"]
    assert {run_id: timeline(up, run_id) for run_id in before} == before


def test_a_batch_of_its_own_judges_the_same_transcripts_anew(up: Served, fleet: Mapping[str, Any]) -> None:
    again = imported(up, *TRANSCRIPTS, "--batch", "second look")
    assert again["verdicts"] == fleet["verdicts"]
    assert not {run["run_id"] for run in again["runs"]} & {run["run_id"] for run in fleet["runs"]}


def test_what_was_recorded_is_told_as_such(up: Served, fleet: Mapping[str, Any]) -> None:
    (run,) = [one for one in fleet["runs"] if one["file"].endswith("clerk-small-refund.openai.json")]
    lines = timeline(up, run["run_id"])
    names = [line["name"].removeprefix("run.") for line in lines]
    one_call = ["tool-call-proposed", "tool-call-decided", "tool-call-dispatched", "tool-call-confirmed"]
    assert names[:6] == ["started", "model-call-recorded", *one_call]
    assert names[-1] == "completed"
    assert lines[0]["detail"]["mode"] == "recorded"
    decided = next(line for line in lines if line["name"] == "run.tool-call-decided")
    assert decided["detail"]["seen"]["now"] == "2026-09-07T10:00:00.000000Z"
    assert lines[5]["detail"]["source"] == "tool"


def test_the_instant_given_overrides_the_transcripts(up: Served, fleet: Mapping[str, Any]) -> None:
    again = imported(up, *TRANSCRIPTS, "--batch", "then", "--at", "2024-05-15T15:00:00-0500")
    lines = timeline(up, again["runs"][0]["run_id"])
    instants = {line["detail"]["seen"]["now"] for line in lines if line["name"] == "run.tool-call-decided"}
    assert instants == {"2024-05-15T20:00:00.000000Z"}


def test_an_output_that_is_an_error_is_a_failure(
    up: Served, fleet: Mapping[str, Any], tmp_path: Path
) -> None:
    document = transcript(1)
    document["messages"][-1]["content"] = "Error: no such order"
    (run,) = imported(up, written(tmp_path, document))["runs"]
    assert [line["name"] for line in timeline(up, run["run_id"])][-2:] == [
        "run.tool-call-failed",
        "run.completed",
    ]


def test_a_bad_line_is_told_and_the_others_are_imported(
    up: Served, fleet: Mapping[str, Any], tmp_path: Path
) -> None:
    path = written(tmp_path, transcript(1), {"nothing": 1}, transcript(2))
    done = up.magistrate("import", path, "--batch", "with a bad line")
    assert done.returncode == 1
    assert f"{path}:2: it holds neither `messages` nor `traj`" in done.stderr
    assert "2 runs, 3 tool calls: 3 allowed" in done.stdout
    assert "Traceback" not in done.stderr


def test_what_never_comes_before_policy_is_told_apart(
    up: Served, fleet: Mapping[str, Any], tmp_path: Path
) -> None:
    document = transcript(1)
    document["messages"][1]["tool_calls"][0]["function"]["name"] = "launch_rocket"
    told = imported(up, written(tmp_path, document))
    assert told["verdicts"] == {"refused": 1}
    assert told["runs"][0]["calls"][0]["reasons"][0]["policy"] == "tool-not-registered"


def test_an_import_that_was_killed_goes_on_where_it_was(
    up: Served, fleet: Mapping[str, Any], tmp_path: Path
) -> None:
    path = written(tmp_path, *(transcript(12) for _ in range(16)))
    words = [MAGISTRATE, "import", path, "--batch", "killed", "--json"]
    first = subprocess.Popen(words, env=surroundings(**up.environment), stdout=subprocess.DEVNULL)
    known = len(runs(up))
    deadline = time.monotonic() + 30
    while len(runs(up)) < known + 3 and time.monotonic() < deadline:
        assert first.poll() is None, "it was too fast to be killed"
    first.kill()
    first.wait()
    again = imported(up, path, "--batch", "killed")
    assert again["verdicts"] == {"allow": 192}
    assert not again["complaints"]
    for run in again["runs"]:
        names = Counter(line["name"] for line in timeline(up, run["run_id"]))
        assert names["run.tool-call-decided"] == names["run.tool-call-confirmed"] == 12
        assert names["run.started"] == names["run.completed"] == 1


def runs(up: Served) -> list[Json]:
    return list(json.loads(up.magistrate("runs", "--limit", "1000", "--json").stdout))
