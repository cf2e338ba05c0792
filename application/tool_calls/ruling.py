"""Ruling on a tool call: the law first, then policy on what the run has seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from application.access import Caller
from application.law import TenantLaw
from application.policy import Ask, PolicyEngine, Question, RunView, ToolView
from domain.agents.agent import Standing as AgentStanding
from domain.kernel import Json, Rejected, Verdict, instant, moment
from domain.runs.events import Determination, Seen
from domain.runs.run import Run
from domain.tools.tool import Standing as ToolStanding
from domain.tools.tool import Tool


class ToolNotRegistered(Rejected):
    """No tool of this name is registered, and what is not registered cannot be called."""

    kind = "invalid"


class AgentNotRegistered(Rejected):
    """The run's agent is not registered in this tenant."""

    kind = "invalid"


@dataclass(frozen=True)
class Ruled:
    """The verdict on a call with its grounds, ready to be recorded."""

    verdict: Verdict
    determined: tuple[Determination, ...]
    asks: tuple[Ask, ...]
    seen: Seen


@dataclass(frozen=True)
class Proposed:
    """A call as it was asked for, with its digest in this run."""

    tool: str
    arguments: Mapping[str, Json]
    digest: str


def tool_of(law: TenantLaw, name: str) -> tuple[Tool, ToolView]:
    """A tool's registration and how policies see it; raises ToolNotRegistered."""
    tool = law.tools.get(name)
    if tool is None:
        raise ToolNotRegistered(tool=name)
    return tool, law.views[name]


def rule_on(
    call: Proposed,
    run: Run,
    version: int,
    caller: Caller,
    law: TenantLaw,
    policy: PolicyEngine,
    now: datetime,
) -> Ruled:
    """Decides a call on one version of its run and one position of the law."""
    tool, view = tool_of(law, call.tool)
    seen_so_far = _run_view(run, call)
    by_law = forbidden_by_law(run, tool, call.tool, law)
    determined: tuple[Determination, ...]
    evidence: Mapping[str, Json] = {}
    asks: tuple[Ask, ...] = ()
    if by_law is not None:
        verdict, determined = Verdict.DENY, (by_law,)
    else:
        ruling = policy.rule(
            law.policies.text or "", _question(call, run, seen_so_far, caller, law, view, now)
        )
        verdict, asks, evidence = ruling.verdict, ruling.asks, ruling.evidence
        determined = tuple(
            Determination(policy=d.policy, effect=d.effect, reason=d.reason)  # type: ignore[arg-type]
            for d in ruling.determined
        )
    seen = Seen(
        run_version=version,
        law_position=law.position,
        policy_set=law.policies.active,
        tool_edition=tool.edition,
        engine=policy.version,
        now=instant(now),
        principal=caller.principal,
        roles=tuple(sorted(role.value for role in caller.roles)),
        claims=caller.claims,
        on_behalf_of=caller.on_behalf_of or run.on_behalf_of,
        labels=tuple(sorted(run.labels)),
        done=run.done(run.tools, call.tool),
        failed=run.failed(run.tools, call.tool),
        identical_done=seen_so_far.identical_done,
        identical_failed=seen_so_far.identical_failed,
        evidence=evidence,
    )
    return Ruled(verdict, determined, asks, seen)


def forbidden_by_law(run: Run, tool: Tool, name: str, law: TenantLaw) -> Determination | None:
    """What the registries forbid before any policy is asked; None when they leave it to policy."""
    agent = law.agents.get(run.agent_id)
    if agent is None:
        raise AgentNotRegistered(agent=run.agent_id)
    if agent.standing is not AgentStanding.ACTIVE:
        return _forbid(f"agent-{agent.standing}", f"Agent {run.agent_id} is {agent.standing}: {agent.reason}")
    if tool.standing is not ToolStanding.ACTIVE:
        return _forbid(f"tool-{tool.standing}", f"Tool {name} is {tool.standing}: {tool.reason}")
    if law.policies.active is None:
        return Determination(
            policy="no-policy-set", effect="default", reason="No policy set is active, so nothing is allowed."
        )
    return None


def _forbid(policy: str, reason: str) -> Determination:
    return Determination(policy=policy, effect="forbid", reason=reason)


def _run_view(run: Run, call: Proposed) -> RunView:
    return RunView(
        id=run.run_id,
        labels=run.labels,
        done={name: tally.done for name, tally in run.tools.items() if tally.done},
        failed={name: run.failed(run.tools, name) for name in run.tools},
        identical_done=run.done(run.actions, call.digest),
        identical_failed=run.failed(run.actions, call.digest),
        sources=run.sources,
        purpose=run.purpose,
        recorded=run.mode == "recorded",
        started_at=moment(run.started_at),
    )


def _question(
    call: Proposed, run: Run, seen: RunView, caller: Caller, law: TenantLaw, view: ToolView, now: datetime
) -> Question:
    agent = law.agents[run.agent_id]
    return Question(
        tenant=caller.tenant,
        agent_id=run.agent_id,
        agent={
            "discipline": agent.discipline,
            "model": agent.model,
            "owner": agent.owner,
            "team": agent.team,
            "prompt_version": agent.prompt_version,
        },
        roles=tuple(sorted(role.value for role in caller.roles)),
        principal=caller.principal,
        on_behalf_of=caller.on_behalf_of or run.on_behalf_of,
        tool=view,
        arguments=call.arguments,
        known=run.facts,
        run=seen,
        now=now,
        zone=law.tenant.zone if law.tenant else "UTC",
    )
