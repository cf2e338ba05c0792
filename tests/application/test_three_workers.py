"""Random commands from three workers at once leave a log as if everything happened one after another."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from application.access import Forbidden
from application.approvals import Consented
from application.ports import LogBusy
from application.runs import drive_run
from application.tool_calls.answers import Decided
from application.tool_calls.outcomes import Status
from domain.agents.commands import ReinstateAgent, SuspendAgent
from domain.approvals.rejections import ApprovalIsStale
from domain.kernel import Rejected, Role, Verdict
from domain.runs.commands import CompleteRun, PauseRun, ResumeRun, RunCommand
from domain.runs.rejections import CallIdReused, RunEnded, RunIsPaused
from domain.tenants.commands import AddMember, GrantRole, WithdrawRole
from domain.tools.commands import ReinstateTool, SuspendTool
from tests.application.doubles import allow, deny
from tests.application.interleaved import Hesitating
from tests.application.one_after_another import Model
from tests.application.swift import SwiftLoop
from tests.application.world import Worker, World, blank, founded

WORKERS = 3


@dataclass(frozen=True)
class Request(ABC):
    """Something that one of the workers is asked."""

    by: int

    @abstractmethod
    async def ask(self, world: World, worker: Worker, model: Model) -> object:
        """The answer."""


@dataclass(frozen=True)
class Propose(Request):
    run: str
    call: str
    tool: str
    n: int
    who: str

    async def ask(self, world: World, worker: Worker, model: Model) -> object:
        operator = world.caller("gate") if self.who == "gate" else world.caller("hal", Role.OPERATOR)
        return await world.propose(self.call, self.tool, run=self.run, who=operator, by=worker, n=self.n)


@dataclass(frozen=True)
class Grant(Request):
    run: str
    call: str
    who: str

    async def ask(self, world: World, worker: Worker, model: Model) -> object:
        call = model.runs[self.run].calls.get(self.call)
        if call is None or call.approval is None:
            return "nothing to grant"
        decision = (await world.run(self.run)).calls[self.call]
        return await world.grant(call.approval, decision.digest, self.who, by=worker)


@dataclass(frozen=True)
class Dispatch(Request):
    call: str

    async def ask(self, world: World, worker: Worker, model: Model) -> object:
        return await world.dispatch(self.call, by=worker)


@dataclass(frozen=True)
class Settle(Request):
    call: str
    status: Status

    async def ask(self, world: World, worker: Worker, model: Model) -> object:
        return await world.settle(self.call, self.status, by=worker)


@dataclass(frozen=True)
class Drive(Request):
    run: str
    command: RunCommand

    async def ask(self, world: World, worker: Worker, model: Model) -> object:
        context = world.context()
        return await drive_run(
            worker.desk, worker.handler, world.caller("gate"), self.run, self.command, context
        )


@dataclass(frozen=True)
class Legislate(Request):
    change: str | SuspendAgent | ReinstateAgent | SuspendTool | ReinstateTool | GrantRole | WithdrawRole

    async def ask(self, world: World, worker: Worker, model: Model) -> object:
        match self.change:
            case str():
                await world.activate(self.change, by=worker)
            case SuspendAgent() | ReinstateAgent():
                await world.agent("a1", self.change, by=worker)
            case SuspendTool() | ReinstateTool():
                await world.tool("mail", self.change, by=worker)
            case GrantRole() | WithdrawRole():
                await world.tenant(self.change, by=worker)
        return "the law has changed"


workers, runs = st.integers(0, WORKERS - 1), st.sampled_from(["r1", "r1", "r1", "r2"])
calls = st.sampled_from([f"c{n}" for n in range(6)])
proposals = st.builds(
    Propose,
    workers,
    runs,
    calls,
    st.sampled_from(["mail", "look"]),
    st.integers(1, 2),
    st.sampled_from(["gate", "gate", "hal"]),
)
grants = st.builds(Grant, workers, runs, calls, st.sampled_from(["bob", "cyd"]))
dispatches = st.builds(Dispatch, workers, calls)
outcomes = st.builds(
    Settle, workers, calls, st.sampled_from([Status.CONFIRMED, Status.CONFIRMED, Status.UNKNOWN])
)
drives = st.sampled_from(
    [
        Drive(0, "r1", PauseRun(reason="")),
        *(Drive(by, "r1", ResumeRun(reason="")) for by in range(WORKERS)),
        *(Drive(by, "r2", PauseRun(reason="")) for by in range(WORKERS - 1)),
        *(Drive(by, "r2", ResumeRun(reason="")) for by in range(WORKERS)),
        Drive(1, "r2", CompleteRun(result="done")),
    ]
)
laws = st.builds(
    Legislate,
    workers,
    st.sampled_from(
        [
            *("allow", "ask", "ask", "once", "deny"),
            SuspendAgent(reason="odd"),
            ReinstateAgent(reason="fine"),
            ReinstateAgent(reason="fine"),
            SuspendTool(reason="odd"),
            ReinstateTool(reason="fine"),
            GrantRole(principal="hal", role=Role.OPERATOR),
            WithdrawRole(principal="hal", role=Role.OPERATOR),
        ]
    ),
)
requests = st.one_of(*[proposals] * 5, *[grants] * 3, *[dispatches] * 2, *[outcomes] * 2, drives, *[laws] * 2)


class ThreeWorkers(RuleBasedStateMachine):
    """Requests are made all at once, and what was recorded and answered is checked.

    `new_loop` and `world` say over which log: override them to run the same over another. A world over a log
    that lasts has a `name` of its own each time, and nobody else writes to that log meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chance = Random(0)  # noqa: S311 -- the order of meetings is no secret
        self.loop = self.new_loop()
        self.model = Model()
        self.used_up: set[str] = set()

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
        world = await self.world()
        self.model = Model(position=await world.log_for_one_more().head())
        self.known = await founded(world)
        self.known.policy.rules["once"] = lambda q: deny(q) if q.run.identical_done else allow(q)
        await self.known.tenant(
            AddMember(principal="hal", display_name="Hal"), GrantRole(principal="hal", role=Role.OPERATOR)
        )
        for _ in range(WORKERS - 1):
            await self.known.hire().desk.law.load()
        for run in ("r1", "r2"):
            await self.known.start(run)
        await self._read_on()

    @rule(asked=st.lists(requests, min_size=6, max_size=24), seed=st.integers(0, 2**16))
    def all_at_once(self, asked: list[Request], seed: int) -> None:
        self.chance.seed(seed)
        self.loop.run_until_complete(self._all_at_once(asked))

    async def _all_at_once(self, asked: list[Request]) -> None:
        self.used_up = {name for name, standing in self.model.approvals.items() if standing == "consumed"}
        answers = await asyncio.gather(*(self._answer(request) for request in asked))
        await self._read_on()
        for request, answer in zip(asked, answers, strict=True):
            self._must_agree(request, answer)

    async def _answer(self, request: Request) -> object:
        try:
            return await request.ask(self.known, self.known.workers[request.by], self.model)
        except Rejected as no:
            return no

    async def _read_on(self) -> None:
        log = self.known.log
        for recorded in await log.read(self.model.position, 10_000):
            self.model.apply(recorded)
        assert self.model.position == await log.head()

    def _must_agree(self, request: Request, answer: object) -> None:
        """An answer says what stands in the log."""
        assert not isinstance(answer, LogBusy), "everybody gets through"
        if isinstance(request, Propose):
            self._must_be_proposed(request, answer)
        elif isinstance(request, Grant) and isinstance(answer, Consented):
            approval = self.model.approvals[answer.released.approval_id or ""] if answer.released else None
            assert approval in {None, "consumed"}
            assert (
                not isinstance(answer.hindrance, ApprovalIsStale) or "stale" in self.model.approvals.values()
            )

    def _must_be_proposed(self, request: Propose, answer: object) -> None:
        known = self.model.runs[request.run]
        match answer:
            case Decided():
                call = known.calls[request.call]
                assert call.action == (request.tool, request.n)
                released = call.first is Verdict.ASK and answer.verdict is Verdict.ALLOW
                assert answer.verdict is call.first or released
                assert released or call.approval not in self.used_up, "what was released before is allowed"
                assert not released or self.model.approvals[call.approval or ""] == "consumed"
                assert answer.position <= self.model.position
            case CallIdReused():
                assert known.calls[request.call].action != (request.tool, request.n)
            case RunEnded():
                assert known.standing == "completed"
            case ApprovalIsStale():
                assert self.model.approvals[known.calls[request.call].approval or ""] == "stale"
            case _:
                assert isinstance(answer, Forbidden | RunIsPaused), answer

    @invariant()
    def every_worker_remembers_what_the_log_says(self) -> None:
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


TestThreeWorkers = ThreeWorkers.TestCase
TestThreeWorkers.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
