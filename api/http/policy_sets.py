"""Policy sets: drafting them, putting one in force, reading them."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.http.bodies import Body, body_of, no_body
from api.http.commands import Answering, Asking, Asks, told
from api.http.describing import DigestInPath, Fact, describes
from application.access import Caller, Deed
from application.handle import Handled
from application.ports import IdempotencyKey, Known, StreamId
from application.registries import POLICY_SETS, activate_policies, draft_policies
from domain.kernel import Json, Text
from domain.policies.events import Cedar
from domain.policies.policy_set import PolicySets, policies
from domain.policies.rejections import PolicySetUnknown

router = APIRouter(prefix="/v1/policy-sets", tags=["policy sets"])


class Draft(Body):
    """A Cedar text, and a few words on why it is as it is."""

    text: Cedar
    note: Text = ""


class PolicySetTold(Fact):
    """A policy set by the digest of its text, and whether it is the one in force."""

    digest: str
    active: bool


class PolicyTextTold(PolicySetTold):
    """A policy set with its text."""

    text: str


@router.post("", **describes(PolicySetTold, takes=Draft, creates=True))
async def draft(asks: Asks, body: Annotated[Draft, Depends(body_of(Draft))]) -> Response:
    """Validates a text against the registered tools and keeps it under its digest."""
    desk, handler = asks.app.desk, asks.app.handler
    digest = desk.policy.digest(body.text)

    async def act(
        caller: Caller, key: IdempotencyKey | None, answer: Answering[PolicySets]
    ) -> Handled[PolicySets]:
        caller.must(Deed.MANAGE_TENANT)
        _, handled = await draft_policies(
            desk, handler, caller.tenant, body.text, body.note, asks.context, key=key, answer=answer
        )
        return handled

    return await asks.command(act, lambda handled: _told(digest, handled.state), creates=True)


@router.post(
    "/{digest}/activate", dependencies=[Depends(no_body)], **describes(PolicySetTold, if_match=False)
)
async def activate(asks: Asks, digest: DigestInPath) -> Response:
    """Puts a drafted set in force; the next decision in the log rests on it."""
    desk, handler = asks.app.desk, asks.app.handler

    async def act(
        caller: Caller, key: IdempotencyKey | None, answer: Answering[PolicySets]
    ) -> Handled[PolicySets]:
        caller.must(Deed.MANAGE_TENANT)
        return await activate_policies(
            desk,
            handler,
            caller.tenant,
            digest,
            asks.context,
            if_version=asks.if_match,
            key=key,
            answer=answer,
        )

    return await asks.command(act, lambda handled: _told(digest, handled.state))


@router.get("/active", **describes(PolicyTextTold, asks=True))
async def active(asks: Asks) -> Response:
    """The set in force."""
    return await _shown(asks, None)


@router.get("/{digest}", **describes(PolicyTextTold, asks=True))
async def show(asks: Asks, digest: DigestInPath) -> Response:
    """One set with its text."""
    return await _shown(asks, digest)


async def _shown(asks: Asking, digest: str | None) -> Response:
    stream = StreamId(asks.claims.tenant, policies.category, POLICY_SETS)
    known = await asks.app.desk.log.recall(policies, stream, fresh=True)

    def look(caller: Caller) -> Mapping[str, Json]:
        if not caller.may(Deed.READ_EVERYTHING):
            caller.must(Deed.STOP_THINGS)
        return _with_text(known, digest)

    return told(await asks.look(look), position=known.position, version=known.version)


def _with_text(known: Known[PolicySets], digest: str | None) -> Mapping[str, Json]:
    sets = known.state
    wanted = digest or (sets.active if sets else None)
    if sets is None or wanted is None or wanted not in sets.texts:
        raise PolicySetUnknown(digest=wanted)
    return {**_told(wanted, sets), "text": sets.texts[wanted]}


def _told(digest: str, sets: PolicySets) -> Mapping[str, Json]:
    return {"digest": digest, "active": sets.active == digest}
