"""How the airline's policy judges recorded runs: `python -m bench.airline [--in-process] [--json] DIR`."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from immutables import Map

from adapters.policy.engine import CedarEngine
from application.policy import ArgumentsInvalid, Question, RunView, ToolView
from bench import airline_over_http
from bench.airline_runs import RecordedRun, Turn, recorded_runs, transcripts
from domain.facts.extract import effected, learn
from domain.facts.records import FactRecord, merged
from domain.kernel import Json, Source
from domain.tools.registration import Registration

HERE = Path(__file__).parent.parent / "examples" / "airline"
THEN = datetime(2024, 5, 15, 20, tzinfo=UTC)
"""The instant that the written policy gives as now."""
ZONE = "America/New_York"


@dataclass(frozen=True)
class Judged:
    """A recorded call with its verdict, and whether a correct agent would have made it (None: a read)."""

    run: str
    tool: str
    verdict: str
    policies: tuple[str, ...]
    correct: bool | None
    accepted: bool
    run_ended_right: bool


class Judge(Protocol):
    """Decides a run's calls in order; told the outcome of those it allows."""

    def propose(self, turn: Turn) -> tuple[str, tuple[str, ...]]:
        """Verdict and the policies that determined it."""
        ...

    def report(self, turn: Turn) -> None:
        """The recorded outcome of an allowed call."""
        ...


class InProcess:
    """The engine and the rules of facts without server or database, for one run."""

    def __init__(
        self, engine: CedarEngine, text: str, tools: Mapping[str, tuple[Registration, ToolView]]
    ) -> None:
        self._engine, self._text, self._tools = engine, text, tools
        self._facts: Map[tuple[str, str], FactRecord] = Map()
        self._done: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._same_done: dict[str, int] = {}
        self._same_failed: dict[str, int] = {}

    def propose(self, turn: Turn) -> tuple[str, tuple[str, ...]]:
        if turn.tool not in self._tools:
            return "deny", ("tool-not-registered",)
        _, view = self._tools[turn.tool]
        try:
            self._engine.validate_arguments(view, turn.arguments)
        except ArgumentsInvalid:
            return "deny", ("arguments",)
        ruling = self._engine.rule(self._text, self._question(turn, view))
        return ruling.verdict.value, tuple(each.policy for each in ruling.determined)

    def report(self, turn: Turn) -> None:
        registration, _ = self._tools[turn.tool]
        same = _same(turn)
        if turn.failed:
            self._failed[turn.tool] = self._failed.get(turn.tool, 0) + 1
            self._same_failed[same] = self._same_failed.get(same, 0) + 1
            return
        learned = learn(registration.facts, turn.arguments, turn.output, Source.TOOL)
        changed = effected(registration.facts, turn.arguments, self._facts, Source.TOOL)
        for record in (*learned, *changed):
            key = record.kind, record.key
            self._facts = self._facts.set(key, merged(self._facts.get(key), record))
        self._done[turn.tool] = self._done.get(turn.tool, 0) + 1
        self._same_done[same] = self._same_done.get(same, 0) + 1
        if registration.writes:
            self._failed.clear()
            self._same_failed.clear()

    def _question(self, turn: Turn, view: ToolView) -> Question:
        return Question(
            tenant="airline",
            agent_id="service-agent",
            agent={
                "discipline": "developer",
                "model": "unknown",
                "owner": "airline",
                "team": None,
                "prompt_version": "1",
            },
            roles=("agent",),
            principal="service-agent",
            on_behalf_of=None,
            tool=view,
            arguments=turn.arguments,
            known=self._facts,
            run=self._run_view(turn),
            now=THEN,
            zone=ZONE,
        )

    def _run_view(self, turn: Turn) -> RunView:
        same = _same(turn)
        return RunView(
            id=turn.run,
            labels=frozenset(),
            done=dict(self._done),
            failed=dict(self._failed),
            identical_done=self._same_done.get(same, 0),
            identical_failed=self._same_failed.get(same, 0),
            sources=frozenset({"tool"}),
            purpose="",
            recorded=True,
            started_at=THEN,
        )


def _same(turn: Turn) -> str:
    return json.dumps([turn.tool, turn.arguments], sort_keys=True)


def airline() -> tuple[str, dict[str, tuple[Registration, ToolView]]]:
    """The example's policy text, and its tools by name."""
    tools: dict[str, tuple[Registration, ToolView]] = {}
    for told in json.loads((HERE / "tools.json").read_text(encoding="utf-8")):
        name = told.pop("name")
        kept = Registration.model_validate_json(json.dumps(told))
        view = ToolView(name, kept.risk, kept.reads, kept.sinks, kept.arguments, kept.facts)
        tools[name] = kept, view
    return (HERE / "policies.cedar").read_text(encoding="utf-8"), tools


def in_process_judges() -> "Iterable[Judge]":
    """A fresh judge for every run, after the example was checked as it would be on registration."""
    engine = CedarEngine()
    text, tools = airline()
    for _, view in tools.values():
        engine.check_tool(view)
    engine.check(text, [view for _, view in tools.values()])
    while True:
        yield InProcess(engine, text, tools)


def judged(runs: Sequence[RecordedRun], judges: Iterable[Judge], writes: frozenset[str]) -> list[Judged]:
    """Replays runs in order: an allowed call's outcome is reported, of others nothing is."""
    calls: list[Judged] = []
    for run, judge in zip(runs, judges, strict=False):
        correct = matched(run, writes)
        for turn, right in zip(run.turns, correct, strict=True):
            verdict, policies = judge.propose(turn)
            if verdict == "allow":
                judge.report(turn)
            calls.append(
                Judged(run.id, turn.tool, verdict, policies, right, not turn.failed, run.ended_right)
            )
    return calls


def matched(run: RecordedRun, writes: frozenset[str]) -> list[bool | None]:
    """For each call whether a correct agent makes it; None for reads.

    As tau-bench compares: same tool and same arguments. A correct action matches one call: the first that
    the API accepted, so that doing the right thing twice is once wrong; else the first one.
    """
    right: list[bool | None] = [False if turn.tool in writes else None for turn in run.turns]
    for name, arguments in run.correct:
        if name not in writes:
            continue
        same = [
            index
            for index, turn in enumerate(run.turns)
            if right[index] is False and turn.tool == name and turn.arguments == arguments
        ]
        accepted = [index for index in same if not run.turns[index].failed]
        for index in (accepted or same)[:1]:
            right[index] = True
    return right


def report(calls: Sequence[Judged]) -> dict[str, Json]:
    """What a table or a machine reads: counts and shares of verdicts, and which policy caught what."""
    right = [call for call in calls if call.correct is True]
    wrong = [call for call in calls if call.correct is False]
    reads = [call for call in calls if call.correct is None]
    caught: dict[str, int] = {}
    for call in wrong:
        for policy in call.policies if call.verdict != "allow" else ():
            caught[policy] = caught.get(policy, 0) + 1
    hindered: dict[str, int] = {}
    for call in right:
        for policy in call.policies if call.verdict != "allow" else ():
            hindered[policy] = hindered.get(policy, 0) + 1
    first_wrong: dict[str, Judged] = {}
    for call in wrong:
        if not call.run_ended_right:
            first_wrong.setdefault(call.run, call)
    stopped = sum(call.verdict != "allow" for call in first_wrong.values())
    return {
        "right_writes": _verdicts(right),
        "wrong_writes": _verdicts(wrong),
        "wrong_writes_the_api_accepted": _verdicts([call for call in wrong if call.accepted]),
        "reads": _verdicts(reads),
        "caught_by": dict(sorted(caught.items(), key=lambda item: (-item[1], item[0]))),
        "hindered_by": dict(sorted(hindered.items(), key=lambda item: (-item[1], item[0]))),
        "runs_that_ended_wrong_by_a_write": len(first_wrong),
        "of_those_stopped_at_the_first": stopped,
    }


def _verdicts(calls: Sequence[Judged]) -> dict[str, Json]:
    counts = {verdict: sum(call.verdict == verdict for call in calls) for verdict in ("allow", "ask", "deny")}
    return {"calls": len(calls), **counts}


def table(figures: Mapping[str, Json]) -> str:
    """The report for people."""
    lines = [f"{'':34}{'calls':>7}{'allowed':>16}{'asked':>16}{'denied':>16}"]
    for row in ("right_writes", "wrong_writes", "wrong_writes_the_api_accepted", "reads"):
        told = figures[row]
        cells = "".join(f"{told[v]:>8} {_share(told[v], told['calls']):>7}" for v in ("allow", "ask", "deny"))
        lines.append(f"{row.replace('_', ' '):34}{told['calls']:>7}{cells}")
    total, stopped = figures["runs_that_ended_wrong_by_a_write"], figures["of_those_stopped_at_the_first"]
    lines += ["", f"runs that ended wrong and had a wrong write: {total}, its first stopped in {stopped}"]
    for title, row in (("wrong writes caught by", "caught_by"), ("right writes hindered by", "hindered_by")):
        lines += ["", title, *(f"  {count:>4}  {policy}" for policy, count in figures[row].items())]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main(arguments: Sequence[str]) -> int:
    """Judges the runs of a folder and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder with recorded runs, *.jsonl")
    parser.add_argument("--in-process", action="store_true", help="engine only: no server, no database")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument(
        "--calls", action="store_true", help="every write call with its verdict, as JSON lines"
    )
    asked = parser.parse_args(arguments)
    _, tools = airline()
    writes = frozenset(name for name, (kept, _) in tools.items() if kept.risk == "write")
    judges: Iterable[Judge] = (
        in_process_judges()
        if asked.in_process
        else airline_over_http.judges(HERE, transcripts(asked.folder), THEN, ZONE)
    )
    calls = judged(recorded_runs(asked.folder), judges, writes)
    if asked.calls:
        for call in calls:
            if call.correct is not None:
                print(json.dumps(asdict(call)))
    figures = report(calls)
    print(json.dumps(figures, indent=2) if asked.json else table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
