"""Registering what the law is made of: tools and policy sets are checked before they are kept."""

from collections.abc import Callable

from application.attempts import until_recorded
from application.desk import Desk
from application.handle import Handled, Handler
from application.law import TenantLaw, view_of
from application.ports import Answer, Context, IdempotencyKey, StreamId
from domain.policies.commands import ActivatePolicySet, DraftPolicySet
from domain.policies.policy_set import PolicySets, policies
from domain.policies.rejections import PolicySetUnknown
from domain.tenants.rejections import OnlyWhileFounding
from domain.tools.commands import ReclassifyTool, RegisterTool
from domain.tools.tool import Tool, tools

POLICY_SETS = "main"
"""A tenant keeps all its policy sets in one stream, so that at most one is active."""


async def keep_tool(
    desk: Desk,
    handler: Handler,
    tenant: str,
    name: str,
    command: RegisterTool | ReclassifyTool,
    context: Context,
    *,
    if_version: int | None = None,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[Tool]], Answer] | None = None,
) -> Handled[Tool]:
    """Checks the registration, and that the active policies still make sense with it, then keeps it.

    Raises ToolInvalid, PolicySetInvalid, ToolExists, ToolIsRetired.
    """
    view = view_of(name, Tool(registration=command.registration))
    desk.policy.check_tool(view)

    async def attempt(fresh: bool) -> Handled[Tool]:
        if fresh:
            await desk.law.refresh(tenant)
        law = desk.law.peek(tenant)
        if law.policies.text is not None:
            desk.policy.check(law.policies.text, tuple(law.views.set(name, view).values()))
        stream = StreamId(tenant, tools.category, name)
        return await handler.handle(
            tools,
            stream,
            command,
            context,
            if_version=if_version,
            key=key,
            answer=answer,
            law_seen=law.position,
        )

    return await until_recorded(attempt, catch_up=desk.law.catch_up)


async def draft_policies(
    desk: Desk,
    handler: Handler,
    tenant: str,
    text: str,
    note: str,
    context: Context,
    *,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[PolicySets]], Answer] | None = None,
) -> tuple[str, Handled[PolicySets]]:
    """Validates a text against the tools' schema and keeps it under its digest.

    Raises PolicySetInvalid with every error and its place.
    """
    digest = desk.policy.digest(text)

    async def attempt(fresh: bool) -> Handled[PolicySets]:
        law = await _law(desk, tenant, fresh)
        desk.policy.check(text, tuple(law.views.values()))
        command = DraftPolicySet(digest=digest, text=text, engine=desk.policy.version, note=note)
        stream = StreamId(tenant, policies.category, POLICY_SETS)
        return await handler.handle(policies, stream, command, context, key=key, answer=answer)

    return digest, await until_recorded(attempt, catch_up=desk.law.catch_up)


async def activate_policies(
    desk: Desk,
    handler: Handler,
    tenant: str,
    digest: str,
    context: Context,
    *,
    if_version: int | None = None,
    key: IdempotencyKey | None = None,
    answer: Callable[[Handled[PolicySets]], Answer] | None = None,
) -> Handled[PolicySets]:
    """Validates a kept text against today's tools and puts it in force.

    Raises PolicySetUnknown, PolicySetInvalid, OnlyWhileFounding, VersionMoved.
    """

    async def attempt(fresh: bool) -> Handled[PolicySets]:
        law = await _law(desk, tenant, fresh)
        text = law.policies.texts.get(digest)
        if text is None:
            raise PolicySetUnknown(digest=digest)
        if law.policies.active != digest and law.tenant is not None and not law.tenant.founding:
            raise OnlyWhileFounding(policy_set=digest)
        desk.policy.check(text, tuple(law.views.values()))
        command = ActivatePolicySet(digest=digest, engine=desk.policy.version)
        stream = StreamId(tenant, policies.category, POLICY_SETS)
        return await handler.handle(
            policies,
            stream,
            command,
            context,
            if_version=if_version,
            key=key,
            answer=answer,
            law_seen=law.position,
        )

    return await until_recorded(attempt, catch_up=desk.law.catch_up)


async def _law(desk: Desk, tenant: str, fresh: bool) -> TenantLaw:
    if fresh:
        await desk.law.refresh(tenant)
    return desk.law.peek(tenant)
