"""The harness of the benchmarks, without measuring anything."""

import asyncio
import importlib.util
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from bench import http, measure, policy, run_start, servers, wrk
from bench.__main__ import BENCHMARKS
from bench.measure import Row


def test_every_row_is_made_by_a_module_that_is_there() -> None:
    assert all(importlib.util.find_spec(module) for module in set(BENCHMARKS.values()))


def test_a_ratio_is_taken_round_by_round_and_held_against_its_bound() -> None:
    row = measure.against("append", [10.0, 40.0, 90.0], [10.0, 20.0, 30.0], "peer", "events/s", 2)
    assert (row.ratio, row.value, row.met, row.spread) == (2.0, 40.0, True, (10.0, 90.0))
    assert not measure.against("append", [10.0], [10.0], "peer", "events/s", 2).met


def test_figures_are_reached_or_stayed_under() -> None:
    assert measure.reaching("decide", [1.0, 3.0, 2.0], "decisions/s", 2).met
    assert not measure.reaching("decide", [1.0, 3.0, 1.0], "decisions/s", 2).met
    assert measure.staying_under("memory", [199.0], "MiB", 200).met
    assert not measure.staying_under("memory", [200.0], "MiB", 200).met


def test_quantiles_are_samples() -> None:
    samples = [float(number) for number in range(1, 101)]
    assert (measure.quantile(samples, 0.5), measure.quantile(samples, 0.99)) == (51.0, 100.0)


def test_contenders_take_turns() -> None:
    turns: list[str] = []

    async def turn(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    rounds = asyncio.run(measure.interleaved(2, {"a": lambda: turn("a"), "b": lambda: turn("b")}))
    assert (turns, rounds) == (["a", "b", "a", "b"], {"a": [1.0, 3.0], "b": [2.0, 4.0]})


def test_rows_that_were_not_measured_this_time_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results" / "latest.json")
    one = Row("one", 1.0, "x", None, None, "> 0", met=True)
    measure.keep([one, Row("two", 1.0, "x", None, None, "> 0", met=True)])
    again = Row("one", 2.0, "x", None, None, "> 0", met=True, spread=(1.0, 3.0))
    measure.keep([again])
    kept = {row["name"]: row for row in json.loads(measure.RESULTS.read_text())}
    assert kept["one"] == {**asdict(again), "spread": [1.0, 3.0]}
    assert kept["two"]["value"] == 1.0


def test_a_load_counts_only_if_every_request_succeeded() -> None:
    said = '{"requests": 300, "seconds": 3.0, "p50": 1.5, "p99": 9.0, "refused": %d, "broken": %d}'
    assert wrk.told("Running 3s test\n" + said % (0, 0)) == wrk.Load(100.0, 1.5, 9.0)
    for output in (said % (1, 0), said % (0, 1), "no connection", ""):
        with pytest.raises(wrk.LoadInvalid):
            wrk.told(output)


def test_every_connection_keeps_to_runs_of_its_own() -> None:
    runs = [f"r-{number}" for number in range(2 * wrk.CONNECTIONS)]
    connections = http.alone(runs)
    paths = [{post.path for post in posts} for posts in connections]
    assert len(connections) == wrk.CONNECTIONS
    assert all(len(own) == 2 for own in paths)
    assert len(set.union(*paths)) == len(runs)
    assert all(len(posts) == 2 * http.CALLS for posts in connections)


def test_a_batch_is_full_and_of_as_many_runs() -> None:
    runs = [f"r-{number}" for number in range(http.BATCHED * http.BATCHING)]
    for posts in http.together(runs):
        asked = [proposal["run_id"] for proposal in posts[0].body["proposals"]]
        assert len(set(asked)) == len(asked) == http.BATCHED


def test_the_verdicts_on_http_follow_from_its_rounds() -> None:
    fine = {"ours": [5e3], "empty": [1e4], "stock": [1e3], "batch": [9e3]}
    assert all(row.met for row in http.rows(p99=40.0, **fine))
    slow = http.rows(p99=140.0, **fine)
    assert [row.name for row in slow if not row.met] == ["http-vs-empty"]


def test_runs_are_started_over_all_connections() -> None:
    assert len(run_start.starts()) == wrk.CONNECTIONS


def test_what_policy_is_asked_is_ruled_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "TIMES", 12)
    monkeypatch.setattr(policy, "ROUNDS", 1)
    assert [row.name for row in asyncio.run(policy.measure())] == ["policy", "policy-airline"]


def test_a_free_port_can_be_taken() -> None:
    assert servers.free_port() > 0
