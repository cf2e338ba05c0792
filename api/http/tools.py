"""Tools: registering, reclassifying, suspending, reinstating and retiring them."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.http.bodies import Body, body_of
from api.http.commands import Answering, Asking, Asks, told
from api.http.describing import Fact, NameInPath, describes
from application.access import Caller, Deed
from application.handle import Handled
from application.ports import IdempotencyKey, StreamId
from application.registries import keep_tool
from domain.kernel import Json, Name, Text
from domain.tools.commands import (
    ReclassifyTool,
    RegisterTool,
    ReinstateTool,
    RetireTool,
    SuspendTool,
    ToolCommand,
)
from domain.tools.registration import Registration
from domain.tools.rejections import ToolUnknown
from domain.tools.tool import Tool, tools

router = APIRouter(prefix="/v1/tools", tags=["tools"])


class NamedRegistration(Body):
    """A new tool under the name that agents call it by."""

    name: Name
    registration: Registration


class ToolReason(Body):
    reason: Text


class ToolTold(Fact):
    """A tool under the registration that stands now; `edition` counts its registrations."""

    name: str
    registration: dict[str, Any]
    edition: int
    standing: str
    reason: str


Reasoned = Annotated[ToolReason, Depends(body_of(ToolReason))]


@router.post("", **describes(ToolTold, takes=NamedRegistration, creates=True))
async def register(
    asks: Asks, body: Annotated[NamedRegistration, Depends(body_of(NamedRegistration))]
) -> Response:
    """Registers a tool."""
    return await _kept(asks, body.name, RegisterTool(registration=body.registration), None, creates=True)


@router.get("/{name}", **describes(ToolTold, asks=True))
async def show(asks: Asks, name: NameInPath) -> Response:
    """A tool as it stands now; everybody with a role may look."""
    stream = StreamId(asks.claims.tenant, tools.category, name)
    known = await asks.app.desk.log.recall(tools, stream, fresh=True)

    def look(caller: Caller) -> Tool:
        caller.must(Deed.READ_OWN_RUNS)
        if known.state is None:
            raise ToolUnknown
        return known.state

    tool = await asks.look(look)
    return told(_told(name, tool), position=known.position, version=known.version)


@router.put("/{name}", **describes(ToolTold, takes=Registration, if_match=True))
async def reclassify(
    asks: Asks, name: NameInPath, body: Annotated[Registration, Depends(body_of(Registration))]
) -> Response:
    """Replaces a tool's registration, as of the version you read; decided calls keep what they rested on."""
    return await _kept(asks, name, ReclassifyTool(registration=body), asks.version_read)


@router.post("/{name}/suspend", **describes(ToolTold, takes=ToolReason, if_match=False))
async def suspend(asks: Asks, name: NameInPath, body: Reasoned) -> Response:
    """Denies calls of the tool from the next position on."""
    return await _commanded(asks, name, SuspendTool(reason=body.reason), Deed.STOP_THINGS)


@router.post("/{name}/reinstate", **describes(ToolTold, takes=ToolReason, if_match=False))
async def reinstate(asks: Asks, name: NameInPath, body: Reasoned) -> Response:
    """Lets a suspended tool be called again."""
    return await _commanded(asks, name, ReinstateTool(reason=body.reason), Deed.STOP_THINGS)


@router.post("/{name}/retire", **describes(ToolTold, takes=ToolReason, if_match=False))
async def retire(asks: Asks, name: NameInPath, body: Reasoned) -> Response:
    """Ends the tool's registration for good."""
    return await _commanded(asks, name, RetireTool(reason=body.reason), Deed.MANAGE_TENANT)


async def _commanded(asks: Asking, name: str, command: ToolCommand, deed: Deed) -> Response:
    return await asks.carry_out(
        deed,
        tools,
        name,
        command,
        lambda handled: _told(name, handled.state),
        if_version=asks.if_match,
    )


async def _kept(
    asks: Asking,
    name: str,
    command: RegisterTool | ReclassifyTool,
    if_version: int | None,
    *,
    creates: bool = False,
) -> Response:
    desk, handler = asks.app.desk, asks.app.handler

    async def act(caller: Caller, key: IdempotencyKey | None, answer: Answering[Tool]) -> Handled[Tool]:
        caller.must(Deed.MANAGE_TENANT)
        return await keep_tool(
            desk,
            handler,
            caller.tenant,
            name,
            command,
            asks.context,
            if_version=if_version,
            key=key,
            answer=answer,
        )

    return await asks.command(act, lambda handled: _told(name, handled.state), creates=creates)


def _told(name: str, tool: Tool) -> Mapping[str, Json]:
    return {
        "name": name,
        "registration": tool.registration.model_dump(mode="json"),
        "edition": tool.edition,
        "standing": tool.standing.value,
        "reason": tool.reason,
    }
