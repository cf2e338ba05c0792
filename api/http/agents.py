"""Agents: registering, updating, suspending, reinstating and retiring them."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.http.bodies import Body, body_of
from api.http.commands import Asking, Asks, told
from api.http.describing import Fact, IdInPath, describes
from application.access import Caller, Deed
from application.ports import StreamId
from domain.agents.agent import Agent, agents
from domain.agents.commands import (
    AgentCommand,
    RegisterAgent,
    ReinstateAgent,
    RetireAgent,
    SuspendAgent,
    UpdateAgent,
)
from domain.agents.rejections import AgentUnknown
from domain.kernel import Id, Json, Name, Text

router = APIRouter(prefix="/v1/agents", tags=["agents"])


class Particulars(Body):
    """What is known of an agent."""

    discipline: Name
    model: Text
    owner: Id
    prompt_version: Text = ""
    team: Name | None = None


class Registering(Particulars):
    """A new agent under the id that its tokens carry as subject."""

    agent_id: Id


class AgentReason(Body):
    reason: Text


class AgentTold(Fact):
    """An agent, and why it stands as it does."""

    agent_id: str
    discipline: str
    model: str
    owner: str
    prompt_version: str
    team: str | None
    standing: str
    reason: str


Reasoned = Annotated[AgentReason, Depends(body_of(AgentReason))]


@router.post("", **describes(AgentTold, takes=Registering, creates=True))
async def register(asks: Asks, body: Annotated[Registering, Depends(body_of(Registering))]) -> Response:
    """Registers an agent."""
    command = RegisterAgent(**body.model_dump(exclude={"agent_id"}))
    return await _commanded(asks, body.agent_id, command, Deed.MANAGE_TENANT, creates=True)


@router.get("/{agent_id}", **describes(AgentTold, asks=True))
async def show(asks: Asks, agent_id: IdInPath) -> Response:
    """An agent as it stands now."""
    known = await asks.app.desk.log.recall(agents, _stream(asks, agent_id), fresh=True)

    def look(caller: Caller) -> Agent:
        if caller.principal != agent_id and not caller.may(Deed.READ_EVERYTHING):
            caller.must(Deed.STOP_THINGS)
        if known.state is None:
            raise AgentUnknown
        return known.state

    agent = await asks.look(look)
    return told(_told(agent_id, agent), position=known.position, version=known.version)


@router.put("/{agent_id}", **describes(AgentTold, takes=Particulars, if_match=True))
async def update(
    asks: Asks, agent_id: IdInPath, body: Annotated[Particulars, Depends(body_of(Particulars))]
) -> Response:
    """Replaces what is known of an agent, as of the version you read."""
    command = UpdateAgent(**body.model_dump())
    return await _commanded(asks, agent_id, command, Deed.MANAGE_TENANT, if_version=asks.version_read)


@router.post("/{agent_id}/suspend", **describes(AgentTold, takes=AgentReason, if_match=False))
async def suspend(asks: Asks, agent_id: IdInPath, body: Reasoned) -> Response:
    """Denies the agent's calls from the next position on."""
    return await _commanded(
        asks, agent_id, SuspendAgent(reason=body.reason), Deed.STOP_THINGS, if_version=asks.if_match
    )


@router.post("/{agent_id}/reinstate", **describes(AgentTold, takes=AgentReason, if_match=False))
async def reinstate(asks: Asks, agent_id: IdInPath, body: Reasoned) -> Response:
    """Lets a suspended agent act again."""
    return await _commanded(
        asks, agent_id, ReinstateAgent(reason=body.reason), Deed.STOP_THINGS, if_version=asks.if_match
    )


@router.post("/{agent_id}/retire", **describes(AgentTold, takes=AgentReason, if_match=False))
async def retire(asks: Asks, agent_id: IdInPath, body: Reasoned) -> Response:
    """Ends the agent's registration for good."""
    return await _commanded(
        asks, agent_id, RetireAgent(reason=body.reason), Deed.MANAGE_TENANT, if_version=asks.if_match
    )


async def _commanded(
    asks: Asking,
    agent_id: str,
    command: AgentCommand,
    deed: Deed,
    *,
    if_version: int | None = None,
    creates: bool = False,
) -> Response:
    return await asks.carry_out(
        deed,
        agents,
        agent_id,
        command,
        lambda handled: _told(agent_id, handled.state),
        if_version=if_version,
        creates=creates,
    )


def _stream(asks: Asking, agent_id: str) -> StreamId:
    return StreamId(asks.claims.tenant, agents.category, agent_id)


def _told(agent_id: str, agent: Agent) -> Mapping[str, Json]:
    return {
        "agent_id": agent_id,
        "discipline": agent.discipline,
        "model": agent.model,
        "owner": agent.owner,
        "prompt_version": agent.prompt_version,
        "team": agent.team,
        "standing": agent.standing.value,
        "reason": agent.reason,
    }
