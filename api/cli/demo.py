"""`magistrate demo`: a bookshop's two agents, governed for a day in under a minute."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from api.cli import registering
from api.cli.client import Client, Refused
from api.cli.narration import Narration
from api.cli.output import console, write_json
from api.cli.reading import draw_timeline, timeline
from api.cli.throwaway import Throwaway, throwaway
from domain.kernel import Json

FLEET = Path(__file__).resolve().parents[2] / "examples" / "fleet"
TENANT = "bookshop"

TOLD = {"run.tool-call-decided", "approval.granted-by", "run.tool-call-released", "run.tool-call-confirmed"}
"""What the timeline at the end must hold at least."""


@dataclass(frozen=True)
class Cast:
    """Everybody in the story, each with a connection and a token of their own."""

    maren: Client
    ilse: Client
    clerk: Client
    stevedore: Client


def play(*, as_json: bool, pace: float) -> None:
    """Tells the story; exits with 1 if any step came out other than it must."""
    narration = Narration(None if as_json else console(), pace)
    asyncio.run(_play(narration))
    wrong = [one for one in narration.checked if not one.right]
    if as_json:
        steps = [
            {"step": one.step, "expected": one.expected, "found": one.found} for one in narration.checked
        ]
        write_json({"right": not wrong, "steps": steps})
    elif narration.out is not None:
        told = f"{len(narration.checked)} steps went as they must." if not wrong else "NOT as it must be:"
        narration.out.print(f"\n{told}", style="bold red" if wrong else "bold green")
        for one in wrong:
            narration.out.print(f"  {one.step}: expected {one.expected}, found {one.found}", style="red")
        if not wrong:
            narration.out.print(
                "Next: `magistrate up` runs the same on this machine for good; docs/guides/first-refusal.md\n"
                "takes your own agent from there to its first refused call."
            )
    if wrong:
        raise typer.Exit(1)


async def _play(story: Narration) -> None:
    await story.chapter(
        "A bookshop hires two agents",
        "A server starts with a database of its own, in a folder that is thrown away afterwards. Everybody "
        "talks to it over HTTP. Maren runs the shop, Ilse approves what is expensive. The clerk answers "
        "customers, the stevedore puts new versions of services into production.",
    )
    async with throwaway(tenant=TENANT, admin="maren") as place, _cast(place) as cast:
        story.does("maren", f"serves at {place.address}")
        await _prepare(story, cast)
        await _allowed(story, cast)
        await _refused(story, cast)
        await _approved(story, cast)
        await _sequence(story, cast)
        await _suspended(story, cast)
        await _told(story, cast)


@asynccontextmanager
async def _cast(place: Throwaway) -> AsyncGenerator[Cast]:
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(Client(place.address, place.tokens(TENANT, name)))
            for name in ("maren", "ilse", "clerk", "stevedore")
        }
        yield Cast(**clients)


async def _prepare(story: Narration, cast: Cast) -> None:
    maren = cast.maren
    await maren.post("/v1/tenant/members", {"principal": "ilse", "display_name": "Ilse"})
    await maren.put("/v1/tenant/members/ilse/roles/approver")
    agents = registering.read_registrations(FLEET / "agents.json", "agent_id")
    tools = registering.read_registrations(FLEET / "tools.json", "name")
    await registering.register_agents(maren, agents, owner="maren")
    await registering.register_tools(maren, tools)
    story.does(
        "maren",
        f"registers {len(agents)} agents and {len(tools)} tools, each with the shape of its arguments",
    )
    text = (FLEET / "policies.cedar").read_text()
    digest = await registering.activate_policies(maren, text)
    count = text.count("@id(")
    story.does("maren", f"puts {count} policies in force, checked against the tools: {digest[:12]}…")


async def _allowed(story: Narration, cast: Cast) -> None:
    await story.chapter(
        "A call that policy allows",
        "An agent proposes each call before it acts, and reports what came of it. What a tool returned, "
        "policies may look at later: here, what was paid for the order.",
    )
    run = await _run(cast.clerk, "book-arrived-wet", "Order B-1041: one of two books arrived wet")
    call = _Calls(story, cast.clerk, "clerk", run)
    order = {
        "order_id": "B-1041",
        "customer_id": "C-77",
        "paid_cents": 4800,
        "refunded_cents": 0,
        "state": "sent",
    }
    await call.wants("read_order", {"order_id": "B-1041"}, "allow", returns=order)
    refunded = {"order_id": "B-1041", "refunded_cents": 2400}
    await call.wants("refund", {"order_id": "B-1041", "amount_cents": 2400}, "allow", returns=refunded)


async def _refused(story: Narration, cast: Cast) -> None:
    await story.chapter(
        "A call that is refused, with the reason",
        "The customer asks for more, and the clerk gives in. 24.00 of 48.00 have gone back already: the run "
        "remembers, so the policy can say no. Nothing reached the shop's bank.",
    )
    call = _Calls(story, cast.clerk, "clerk", "book-arrived-wet")
    await call.wants("refund", {"order_id": "B-1041", "amount_cents": 4800}, "deny")


async def _approved(story: Narration, cast: Cast) -> None:
    await story.chapter(
        "A call that a second person must approve",
        "More than 100.00 goes back only if a person agrees: to this very call, once, and never one's own.",
    )
    run = await _run(cast.clerk, "order-lost", "Order B-1077 never came")
    call = _Calls(story, cast.clerk, "clerk", run)
    order = {
        "order_id": "B-1077",
        "customer_id": "C-12",
        "paid_cents": 31000,
        "refunded_cents": 0,
        "state": "lost",
    }
    await call.wants("read_order", {"order_id": "B-1077"}, "allow", returns=order)
    asked = await call.wants("refund", {"order_id": "B-1077", "amount_cents": 31000}, "ask")
    approval, shown = (
        f"/v1/approvals/{_part(asked, 'approval').get('id')}",
        {"saw": asked["action_digest"]},
    )
    found = await _status(cast.clerk, f"{approval}/grant", shown)
    story.came("the clerk tries to approve it himself, and may not", "403", found, "self-approval")
    granted = await cast.ilse.post(f"{approval}/grant", {**shown, "note": "The courier confirmed the loss."})
    story.does("ilse", "looks at it and says yes: the courier confirmed the loss")
    released = _part(granted.body, "released")
    story.came("decided once more and released", "allow", str(released.get("verdict")), "release")
    await call.report(asked["call_id"], {"order_id": "B-1077", "refunded_cents": 31000})
    story.does("clerk", "pays 310.00 back and reports that it was done")


async def _sequence(story: Narration, cast: Cast) -> None:
    await story.chapter(
        "A rule about the order of things",
        "Mail to the courier is fine, until the run has read a customer's record. From then on it carries "
        "personal data, and what it carries may not leave the house, however the agent was talked into it.",
    )
    run = await _run(cast.clerk, "courier-asks", "The courier asks about a parcel")
    call = _Calls(story, cast.clerk, "clerk", run)
    mail = {"to": "help@couriers.example", "subject": "Parcel 88", "body": "Where is it?"}
    await call.wants("send_mail", mail, "allow", returns="sent")
    record = {"customer_id": "C-77", "name": "Noor Haddad", "city": "Rotterdam"}
    await call.wants("read_customer", {"customer_id": "C-77"}, "allow", returns=record)
    address = {"to": "help@couriers.example", "subject": "Parcel 88", "body": "She lives in Rotterdam."}
    await call.wants("send_mail", address, "deny")


async def _suspended(story: Narration, cast: Cast) -> None:
    await story.chapter(
        "An agent that is stopped in the middle of its work",
        "The stevedore may deploy what passed its checks. Then Maren suspends it. From that position in the "
        "log on, no call of its is allowed, in any process.",
    )
    run = await _run(cast.stevedore, "catalogue-2.4", "Put catalogue 2.4.0 into production")
    call = _Calls(story, cast.stevedore, "stevedore", run)
    deploy = {"service": "catalogue", "version": "2.4.0", "environment": "production"}
    await call.wants("deploy", deploy, "deny")
    checks = {"service": "catalogue", "version": "2.4.0"}
    await call.wants("run_checks", checks, "allow", returns={"passed": True, "count": 212})
    await call.wants("deploy", deploy, "allow", returns="deployed")
    await cast.maren.post("/v1/agents/stevedore/suspend", {"reason": "Deploys on a Friday evening."})
    story.does("maren", "suspends the stevedore: deploys on a Friday evening")
    again = {"service": "search", "version": "0.8.1", "environment": "staging"}
    await call.wants("deploy", again, "deny")


async def _told(story: Narration, cast: Cast) -> None:
    await story.chapter(
        "What happened, and why",
        "All of it is in the log, in order, and can be read back. This is the run in which money went out; "
        "`magistrate show` prints the same for any run.",
    )
    _, lines = await timeline(cast.maren, "order-lost")
    if story.out is not None:
        draw_timeline(story.out, lines)
    named = {str(line["name"]) for line in lines}
    wanted = {
        "run.tool-call-decided",
        "approval.granted-by",
        "run.tool-call-released",
        "run.tool-call-confirmed",
    }
    missing = ", ".join(sorted(wanted - named)) or "nothing"
    story.came(f"{len(lines)} events; missing from the story: {missing}", "nothing", missing, "timeline")


class _Calls:
    """One agent at work in one run."""

    def __init__(self, story: Narration, client: Client, who: str, run: str) -> None:
        self._story, self._client, self._who, self._run = story, client, who, run

    async def wants(
        self, tool: str, arguments: Mapping[str, Json], expected: str, *, returns: Json = None
    ) -> Mapping[str, Any]:
        """Proposes a call; where it is allowed, acts and reports what came of it."""
        self._story.wants(self._who, tool, arguments)
        proposal = {"tool": tool, "arguments": arguments}
        answered = await self._client.post(f"/v1/runs/{self._run}/tool-calls", proposal)
        decision: Mapping[str, Any] = answered.body
        step = f"{self._who}: {tool} {json.dumps(arguments)}"
        self._story.says(str(decision["verdict"]), decision["reasons"], expected, step)
        if decision["verdict"] == "allow":
            await self.report(str(decision["call_id"]), returns)
        return decision

    async def report(self, call_id: str, output: Json) -> None:
        """Reports that an allowed call was done."""
        address = f"/v1/runs/{self._run}/tool-calls/{call_id}/outcome"
        await self._client.post(address, {"status": "confirmed", "output": output})


async def _run(agent: Client, run_id: str, purpose: str) -> str:
    await agent.post("/v1/runs", {"run_id": run_id, "purpose": purpose})
    return run_id


def _part(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part: Mapping[str, Any] | None = answer.get(name)
    return part or {}


async def _status(client: Client, address: str, body: Json) -> str:
    try:
        return str((await client.post(address, body)).status)
    except Refused as no:
        return str(no.status)
