"""Random commands from three workers at once leave a log as if everything happened one after another."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from application.access import Forbidden
from application.ports import LogBusy
from application.runs import drive_run
from application.tool_calls.answers import Decided
from application.tool_calls.outcomes import Status
from domain.agents.commands import ReinstateAgent, SuspendAgent
from domain.approvals.rejections import ApprovalIsStale
from domain.kernel import Rejected, Role, Verdict
from domain.runs.commands import CompleteRun, PauseRun, ResumeRun, RunCommand
from domain.runs.rejections import CallIdReused, RunEnded
from domain.tenants.commands import AddMember, GrantRole, WithdrawRole
from domain.tools.commands import ReinstateTool, SuspendTool
from tests.application.doubles import allow, deny
from tests.application.interleaved import Hesitating
from tests.application.one_after_another import Model
from tests.application.swift import SwiftLoop
from tests.application.world import Worker, World, blank, caller, founded

WORKERS = 3
workers = st.integers(0, WORKERS - 1)
calls = st.sampled_from(["c1", "c2", "c3", "c4"])
tools = st.sampled_from(["mail", "look"])
numbers = st.integers(1, 2)
operators = st.sampled_from(["gate", "gate", "hal"])
runs = st.sampled_from(["r1", "r1", "r2"])

Task = Callable[[World], Awaitable[object]]


class ThreeWorkers(RuleBasedStateMachine):
    """Commands are gathered, then asked all at once, and what was recorded and answered is checked.

    `new_loop` and `world` say over which log: override them to run the same over another.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chance = Random(0)  # noqa: S311 -- the order of meetings is no secret
        self.loop = self.new_loop()
        self.model = Model()
        self.asked: list[tuple[str, Task]] = []

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return SwiftLoop()

    async def world(self) -> World:
        """A world whose logs hesitate."""
        known = blank()
        plain = known.log_for_one_more
        known.log_for_one_more = lambda: Hesitating(plain(), self.chance)
        return known

    @initialize()
    def begin(self) -> None:
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        self.known = await founded(await self.world())
        self.known.policy.rules["once"] = lambda q: deny(q) if q.run.identical_done else allow(q)
        await self.known.tenant(
            AddMember(principal="hal", display_name="Hal"), GrantRole(principal="hal", role=Role.OPERATOR)
        )
        for _ in range(WORKERS - 1):
            await self.known.hire().desk.law.load()
        for run in ("r1", "r2"):
            await self.known.start(run)
        await self._read_on()

    @rule(by=workers, run=runs, call=calls, tool=tools, n=numbers, who=operators)
    def propose(self, by: int, run: str, call: str, tool: str, n: int, who: str) -> None:
        operator = caller("gate") if who == "gate" else caller("hal", Role.OPERATOR)

        async def task(world: World) -> object:
            return run, await world.propose(call, tool, run=run, who=operator, by=world.workers[by], n=n)

        self.asked.append((f"{run} {call} {tool} {n}", task))

    @rule(by=workers, call=calls, who=st.sampled_from(["bob", "cyd"]))
    def grant(self, by: int, call: str, who: str) -> None:
        async def task(world: World) -> object:
            known = self.model.runs["r1"].calls.get(call)
            if known is None or known.approval is None:
                return None
            decision = (await world.run()).calls[call]
            return await world.grant(known.approval, decision.digest, who, by=world.workers[by])

        self.asked.append(("grant", task))

    @rule(by=workers, call=calls)
    def dispatch(self, by: int, call: str) -> None:
        self.asked.append(("dispatch", lambda world: world.dispatch(call, by=world.workers[by])))

    @rule(
        by=workers, call=calls, status=st.sampled_from([Status.CONFIRMED, Status.CONFIRMED, Status.UNKNOWN])
    )
    def settle(self, by: int, call: str, status: Status) -> None:
        self.asked.append(("settle", lambda world: world.settle(call, status, by=world.workers[by])))

    @rule(by=workers, command=st.sampled_from([PauseRun(reason=""), ResumeRun(reason="")]))
    def pause_or_resume(self, by: int, command: RunCommand) -> None:
        self.asked.append(("drive", lambda world: drive(world, world.workers[by], "r1", command)))

    @rule(by=workers)
    def complete(self, by: int) -> None:
        if len(self.model.runs["r2"].calls) > 1:
            command = CompleteRun(result="done")
            self.asked.append(("drive", lambda world: drive(world, world.workers[by], "r2", command)))

    @rule(by=workers, text=st.sampled_from(["allow", "deny", "ask", "ask", "once"]))
    def activate(self, by: int, text: str) -> None:
        self.asked.append(("law", lambda world: world.activate(text, by=world.workers[by])))

    @rule(by=workers, command=st.sampled_from([SuspendAgent(reason="odd"), ReinstateAgent(reason="fine")]))
    def stop_or_start_the_agent(self, by: int, command: SuspendAgent | ReinstateAgent) -> None:
        self.asked.append(("law", lambda world: world.agent("a1", command, by=world.workers[by])))

    @rule(by=workers, command=st.sampled_from([SuspendTool(reason="odd"), ReinstateTool(reason="fine")]))
    def stop_or_start_a_tool(self, by: int, command: SuspendTool | ReinstateTool) -> None:
        self.asked.append(("law", lambda world: world.tool("mail", command, by=world.workers[by])))

    @rule(by=workers, kind=st.sampled_from([GrantRole, WithdrawRole]))
    def grant_or_withdraw_a_role(self, by: int, kind: type[GrantRole | WithdrawRole]) -> None:
        command = kind(principal="hal", role=Role.OPERATOR)
        self.asked.append(("law", lambda world: world.tenant(command, by=world.workers[by])))

    @rule(seed=st.integers(0, 2**16))
    def all_at_once(self, seed: int) -> None:
        self.chance.seed(seed)
        self.loop.run_until_complete(self._all_at_once())

    async def _all_at_once(self) -> None:
        asked, self.asked = self.asked, []
        answers = await asyncio.gather(*(told(task, self.known) for _, task in asked))
        await self._read_on()
        for (what, _), answer in zip(asked, answers, strict=True):
            self._must_agree(what, answer)

    async def _read_on(self) -> None:
        log = self.known.log
        for recorded in await log.read(self.model.position, 10_000):
            self.model.apply(recorded)
        assert self.model.position == await log.head()

    def _must_agree(self, what: str, answer: object) -> None:
        """An answer says what stands in the log."""
        assert not isinstance(answer, LogBusy), "everybody gets through"
        match answer:
            case (str() as run, Decided() as said):
                known = self.model.runs[run].calls[said.call_id]
                assert f"{run} {said.call_id} {known.action[0]} {known.action[1]}" == what
                released = known.first is Verdict.ASK and said.verdict is Verdict.ALLOW
                assert said.verdict is known.first or released
                assert not released or self.model.approvals[known.approval or ""] == "consumed"
                assert said.position <= self.model.position
            case CallIdReused() if " " in what:
                run, call, tool, n = what.split()
                assert self.model.runs[run].calls[call].action != (tool, int(n))
            case RunEnded() if " " in what:
                assert self.model.runs[what.partition(" ")[0]].standing == "completed"
            case ApprovalIsStale():
                assert "stale" in self.model.approvals.values()
            case Forbidden():
                assert answer.evidence, "a refusal says on what grounds"
            case _:
                pass

    @invariant()
    def every_worker_remembers_what_the_log_says(self) -> None:
        if not self.asked:
            self.loop.run_until_complete(self._compare())

    async def _compare(self) -> None:
        for run, model in self.model.runs.items():
            known = await self.known.run(run)
            assert {call: (each.tool, each.stage.value) for call, each in known.calls.items()} == {
                call: (each.action[0], each.stage) for call, each in model.calls.items()
            }
            assert known.standing.value == model.standing
            assert known.done(known.tools, "look") == sum(
                times for (tool, _), times in model.done.items() if tool == "look"
            )

    def teardown(self) -> None:
        self.loop.close()


async def told(task: Task, world: World) -> object:
    """The answer, or the refusal."""
    try:
        return await task(world)
    except Rejected as no:
        return no


async def drive(world: World, worker: Worker, run: str, command: RunCommand) -> object:
    return await drive_run(worker.desk, worker.handler, caller("gate"), run, command, world.context())


TestThreeWorkers = ThreeWorkers.TestCase
TestThreeWorkers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
