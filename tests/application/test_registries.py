"""What the law is made of is checked before it is kept, and again before it is put in force."""

import asyncio

import pytest

from application.handle import VersionMoved
from application.policy import PolicySetInvalid, ToolInvalid
from application.ports import AlreadyAnswered, Answer, IdempotencyKey
from application.registries import activate_policies, draft_policies, keep_tool
from domain.policies.events import PolicySetActivated, PolicySetSuperseded
from domain.policies.rejections import PolicySetUnknown
from domain.tenants.commands import LeaveFounding
from domain.tenants.rejections import OnlyWhileFounding
from domain.tools.commands import ReclassifyTool, RegisterTool
from domain.tools.registration import Registration
from domain.tools.rejections import ToolExists
from tests.application.doubles import allow
from tests.application.world import TENANT, World, founded

FLY = Registration(arguments={"type": "object"})
IMPOSSIBLE = Registration(arguments={"impossible": True})


async def active(world: World) -> str | None:
    await world.desk.law.load()
    return world.desk.law.of(TENANT).policies.text


async def draft(world: World, text: str) -> str:
    digest, _ = await draft_policies(world.desk, world.handler, TENANT, text, "", world.context("ada"))
    return digest


async def test_a_tool_that_does_not_hold_together_is_not_kept(world: World) -> None:
    before = await world.log.head()
    for command in (RegisterTool(registration=IMPOSSIBLE), ReclassifyTool(registration=IMPOSSIBLE)):
        with pytest.raises(ToolInvalid):
            await keep_tool(world.desk, world.handler, TENANT, "mail", command, world.context("ada"))
    assert await world.log.head() == before


async def test_a_tool_is_kept_once_and_reclassified_under_the_version_last_read(world: World) -> None:
    kept = await keep_tool(
        world.desk, world.handler, TENANT, "fly", RegisterTool(registration=FLY), world.context("ada")
    )
    assert (kept.version, kept.state.registration) == (1, FLY)
    with pytest.raises(ToolExists):
        await world.register("fly", Registration(arguments={}))
    reclassify = ReclassifyTool(registration=Registration(arguments={}))
    ask = (world.desk, world.handler, TENANT, "fly", reclassify, world.context("ada"))
    with pytest.raises(VersionMoved):
        await keep_tool(*ask, if_version=2)
    assert (await keep_tool(*ask, if_version=1)).state.edition == 2


async def test_a_tool_that_the_active_policies_would_not_fit_is_not_kept(world: World) -> None:
    world.policy.fits = lambda text, tools: {*tools} == {"mail", "look"} and not tools["mail"].arguments
    command = ReclassifyTool(registration=FLY)
    with pytest.raises(PolicySetInvalid):
        await keep_tool(world.desk, world.handler, TENANT, "mail", command, world.context("ada"))
    await world.desk.law.load()
    assert world.desk.law.of(TENANT).tools["mail"].edition == 1


async def test_without_active_policies_any_sound_tool_is_kept() -> None:
    world = await founded(policy=None)
    await world.register("fly", FLY)
    await world.desk.law.load()
    assert "fly" in world.desk.law.of(TENANT).tools


async def test_a_text_that_is_not_valid_is_not_kept(world: World) -> None:
    before = await world.log.head()
    with pytest.raises(PolicySetInvalid) as no:
        await draft(world, "nonsense")
    assert no.value.evidence["errors"]
    assert await world.log.head() == before


async def test_a_text_is_kept_under_its_digest_once(world: World) -> None:
    digest = await draft(world, "deny")
    head = await world.log.head()
    assert digest == world.policy.digest("deny")
    assert await draft(world, "deny") == digest
    assert await world.log.head() == head
    assert await active(world) == "allow"


async def test_what_was_drafted_elsewhere_a_moment_ago_can_be_activated(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    digest = await draft(world, "deny")
    handled = await activate_policies(there.desk, there.handler, TENANT, digest, world.context("ada"))
    assert handled.state.text == "deny"
    assert await active(world) == "deny"


async def test_what_was_never_drafted_is_not_activated(world: World) -> None:
    with pytest.raises(PolicySetUnknown):
        await activate_policies(world.desk, world.handler, TENANT, "0" * 64, world.context("ada"))


async def test_activation_validates_against_the_tools_of_today(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    world.policy.rules["no planes"] = allow
    world.policy.fits = lambda text, tools: text != "no planes" or "fly" not in tools
    digest = await draft(world, "no planes")
    await world.register("fly", FLY, by=there)
    with pytest.raises(PolicySetInvalid):
        await activate_policies(world.desk, world.handler, TENANT, digest, world.context("ada"))
    assert await active(world) == "allow"


async def test_activation_under_the_version_last_read(world: World) -> None:
    digest, drafted = await draft_policies(
        world.desk, world.handler, TENANT, "deny", "", world.context("ada")
    )
    ask = (world.desk, world.handler, TENANT, digest, world.context("ada"))
    with pytest.raises(VersionMoved):
        await activate_policies(*ask, if_version=drafted.version - 1)
    await activate_policies(*ask, if_version=drafted.version)
    assert await active(world) == "deny"


async def test_the_same_activation_under_the_same_key_has_one_effect(world: World) -> None:
    digest = await draft(world, "deny")
    ask = (world.desk, world.handler, TENANT, digest, world.context("ada"))
    key = IdempotencyKey(TENANT, "ada", "k1", b"same")
    await activate_policies(*ask, key=key, answer=lambda handled: Answer(200, b"done"))
    with pytest.raises(AlreadyAnswered):
        await activate_policies(*ask, key=key, answer=lambda handled: Answer(200, b"done"))


async def test_once_founding_is_left_policies_change_only_through_a_proposed_change(world: World) -> None:
    there = world.hire()
    await there.desk.law.load()
    digest = await draft(world, "deny")
    await world.tenant(LeaveFounding(), by=there)
    with pytest.raises(OnlyWhileFounding):
        await activate_policies(world.desk, world.handler, TENANT, digest, world.context("ada"))
    assert await active(world) == "allow"
    again = await activate_policies(
        world.desk, world.handler, TENANT, world.policy.digest("allow"), world.context("ada")
    )
    assert not again.changed


async def test_activations_in_three_workers_at_once_leave_one_set_in_force(world: World) -> None:
    workers = [world.first, world.hire(), world.hire()]
    for worker in workers[1:]:
        await worker.desk.law.load()
    texts = ["deny", "ask", "allow"]
    await asyncio.gather(*(world.activate(texts[n % 3], by=workers[n % 2]) for n in range(12)))
    in_force: list[str] = []
    for each in await world.log.read(0, 500):
        if isinstance(each.event, PolicySetSuperseded):
            in_force.remove(each.event.digest)
        elif isinstance(each.event, PolicySetActivated):
            in_force.append(each.event.digest)
        assert len(in_force) <= 1
    assert in_force == [world.policy.digest(await active(world) or "")]


async def test_tools_registered_in_three_workers_at_once_are_all_kept(world: World) -> None:
    workers = [world.first, world.hire(), world.hire()]
    for worker in workers[1:]:
        await worker.desk.law.load()
    await asyncio.gather(*(world.register(f"t{n}", FLY, by=workers[n % 3]) for n in range(12)))
    await world.desk.law.load()
    assert len(world.desk.law.of(TENANT).tools) == 14
