"""What is true of every run, whatever is asked of it."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from pydantic import TypeAdapter

from domain.facts.records import FactRecord
from domain.kernel import Source, Verdict
from domain.runs.commands import (
    CancelRun,
    CompleteRun,
    EscalateRun,
    FailRun,
    PauseRun,
    RecordModelCall,
    ReportProgress,
    ResumeRun,
    RunCommand,
)
from domain.runs.decider import runs
from domain.runs.events import (
    ModelCallRecorded,
    RunCancelled,
    RunCompleted,
    RunEscalated,
    RunEvent,
    RunFailed,
    ToolCallConfirmed,
    ToolCallDecided,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallProposed,
    ToolCallReleased,
)
from domain.runs.run import Run, Stage
from tests.domain.always import QUICK, Always
from tests.domain.run_stories import (
    AFTER,
    SOON,
    START,
    confirm,
    dispatch,
    fact,
    fail,
    lose,
    propose,
    release,
)

calls = st.sampled_from([f"c{n}" for n in range(6)])
digests = st.sampled_from(["d1", "d2"])
verdicts = st.sampled_from([Verdict.DENY, Verdict.ASK, Verdict.ALLOW, Verdict.ALLOW])
instants = st.sampled_from([SOON, SOON, SOON, AFTER])
labels = st.sampled_from([(), ("personal",), ("personal", "secret")])
facts = st.lists(
    st.builds(
        fact,
        key=st.sampled_from(["b1", "b2"]),
        source=st.sampled_from(list(Source)),
        cabin=st.sampled_from(["basic", None, "business"]),
    ),
    max_size=2,
).map(tuple)
ENDS = (RunCompleted, RunFailed, RunCancelled, RunEscalated)
OUTCOMES = (ToolCallConfirmed, ToolCallFailed, ToolCallOutcomeUnknown)


class AnyRun(Always[RunCommand, Run, RunEvent]):
    decider = runs
    snapshots = TypeAdapter(Run)

    @initialize()
    def start(self) -> None:
        self.ask(START)

    @rule(call=calls, digest=digests, verdict=verdicts)
    def propose(self, call: str, digest: str, verdict: Verdict) -> None:
        self.ask(propose(call, verdict, digest=digest))

    @rule(call=calls, digest=digests)
    def release(self, call: str, digest: str) -> None:
        self.ask(release(call, digest=digest))

    @rule(call=calls, now=instants)
    def dispatch(self, call: str, now: str) -> None:
        self.ask(dispatch(call, now))

    @rule(call=calls, now=instants, writes=st.booleans(), labels=labels, facts=facts)
    def confirm(
        self, call: str, now: str, writes: bool, labels: tuple[str, ...], facts: tuple[FactRecord, ...]
    ) -> None:
        self.ask(confirm(call, now=now, writes=writes, labels=labels, facts=facts))

    @rule(call=calls, now=instants)
    def fail(self, call: str, now: str) -> None:
        self.ask(fail(call, now))

    @rule(call=calls, now=instants, labels=labels)
    def lose(self, call: str, now: str, labels: tuple[str, ...]) -> None:
        self.ask(lose(call, now=now, labels=labels))

    @rule(call=calls, cost=st.none() | st.integers(0, 5), currency=st.sampled_from(["EUR", "USD"]))
    def record_model_call(self, call: str, cost: int | None, currency: str) -> None:
        self.ask(
            RecordModelCall(
                model_call_id=call,
                model="m-1",
                input_tokens=1,
                output_tokens=1,
                cached_tokens=0,
                cost=cost,
                currency=currency,
                source=Source.AGENT,
            )
        )

    @rule()
    def report_progress(self) -> None:
        self.ask(ReportProgress(note="on my way"), repeatable=True)

    @rule()
    def pause(self) -> None:
        self.ask(PauseRun(reason=""))

    @rule()
    def resume(self) -> None:
        self.ask(ResumeRun(reason=""))

    @rule(
        end=st.sampled_from(
            [CompleteRun(result=""), FailRun(reason=""), CancelRun(reason=""), EscalateRun(reason="")]
        )
    )
    def end(self, end: RunCommand) -> None:
        if len(self.history) > 12:  # else few runs would live long enough to show anything
            self.ask(end)

    def events_of(self, call: str) -> list[RunEvent]:
        return [event for event in self.history if getattr(event, "call_id", None) == call]

    @invariant()
    def each_call_is_proposed_and_decided_once_side_by_side(self) -> None:
        pairs = list(zip(self.history, self.history[1:], strict=False))
        for kind in (ToolCallProposed, ToolCallDecided):
            ids = [event.call_id for event in self.history if isinstance(event, kind)]
            assert len(set(ids)) == len(ids)
        for event, following in pairs:
            if isinstance(event, ToolCallProposed):
                assert isinstance(following, ToolCallDecided)
                assert following.call_id == event.call_id

    @invariant()
    def what_follows_a_decision_follows_from_it(self) -> None:
        for call in {event.call_id for event in self.history if isinstance(event, ToolCallDecided)}:
            told = self.events_of(call)
            decision = told[1]
            assert isinstance(decision, ToolCallDecided)
            released = [event for event in told if isinstance(event, ToolCallReleased)]
            sent = [event for event in told if isinstance(event, ToolCallDispatched)]
            settled = [event for event in told if isinstance(event, OUTCOMES)]
            assert len(released) <= (decision.verdict is Verdict.ASK)
            assert len(sent) <= (decision.verdict is Verdict.ALLOW) + len(released)
            assert bool(settled) <= bool(sent)
            assert sum(not isinstance(event, ToolCallOutcomeUnknown) for event in settled) <= 1
            assert not any(isinstance(event, ToolCallOutcomeUnknown) for event in settled[1:])

    @invariant()
    def nothing_is_decided_or_set_in_motion_after_the_end(self) -> None:
        ended = [index for index, event in enumerate(self.history) if isinstance(event, ENDS)]
        assert len(ended) <= 1
        late = self.history[ended[0] + 1 :] if ended else []
        sent = [event for event in late if isinstance(event, ToolCallDispatched)]
        assert all(event.implied for event in sent)
        assert not any(isinstance(event, ToolCallDecided | ToolCallReleased) for event in late)

    @invariant()
    def nothing_is_allowed_or_sent_while_the_same_actions_outcome_is_unknown(self) -> None:
        unknown: dict[str, set[str]] = {"d1": set(), "d2": set()}
        digest_of: dict[str, str] = {}
        for event in self.history:
            match event:
                case ToolCallDecided():
                    digest_of[event.call_id] = event.action_digest
                    assert event.verdict is Verdict.DENY or not unknown[event.action_digest]
                case ToolCallReleased():
                    assert not unknown[event.action_digest]
                case ToolCallDispatched():
                    assert event.implied or not unknown[digest_of[event.call_id]]
                case ToolCallOutcomeUnknown():
                    unknown[digest_of[event.call_id]].add(event.call_id)
                case ToolCallConfirmed() | ToolCallFailed():
                    unknown[digest_of[event.call_id]].discard(event.call_id)
                case _:
                    pass
        if self.state is not None:
            assert self.state.unresolved == {digest for digest, ids in unknown.items() if ids}

    @invariant()
    def counts_are_what_a_recount_says(self) -> None:
        if self.state is None:
            return
        done, failed, digest_of = Counter[str](), Counter[str](), dict[str, str]()
        for event in self.history:
            if isinstance(event, ToolCallDecided):
                digest_of[event.call_id] = event.action_digest
            elif isinstance(event, ToolCallFailed):
                failed[digest_of[event.call_id]] += 1
            elif isinstance(event, ToolCallConfirmed):
                done[digest_of[event.call_id]] += 1
                if event.writes:
                    failed.clear()
        for digest in ("d1", "d2"):
            assert self.state.done(self.state.actions, digest) == done[digest]
            assert self.state.failed(self.state.actions, digest) == failed[digest]
        assert self.state.done(self.state.tools, "mail") == done.total()
        assert self.state.failed(self.state.tools, "mail") == failed.total()

    @invariant()
    def money_adds_up(self) -> None:
        if self.state is not None:
            spent = Counter[str]()
            for event in self.history:
                if isinstance(event, ModelCallRecorded):
                    spent[event.currency] += event.cost or 0
            assert dict(self.state.spent) == dict(+spent)

    @invariant()
    def arguments_are_kept_only_while_they_may_be_needed(self) -> None:
        if self.state is not None:
            over = (Stage.DENIED, Stage.CONFIRMED, Stage.FAILED)
            for call in self.state.calls.values():
                assert (call.arguments is None) == (call.stage in over)
                assert (call.asked is not None) == (call.stage is Stage.ASKED)


TestAnyRun = AnyRun.TestCase
TestAnyRun.settings = settings(QUICK, max_examples=60, stateful_step_count=40)
