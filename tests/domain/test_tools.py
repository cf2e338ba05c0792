"""A tool is what an agent may call, under the registration that stands now."""

import pytest
from pydantic import ValidationError

from domain.tools.commands import ReclassifyTool, RegisterTool, ReinstateTool, RetireTool, SuspendTool
from domain.tools.events import (
    ToolReclassified,
    ToolRegistered,
    ToolReinstated,
    ToolRetired,
    ToolSuspended,
)
from domain.tools.registration import PersonalPlace, Registration
from domain.tools.rejections import ToolExists, ToolIsRetired, ToolUnknown
from domain.tools.tool import Standing, tools
from tests.spec import Spec

given = Spec(tools)

MAIL = Registration(risk="send", arguments={"type": "object"}, sinks=("personal",))
STRICTER = Registration(risk="send", arguments={"type": "object"}, sinks=("personal", "secret"))
REGISTERED = ToolRegistered(registration=MAIL)
RECLASSIFIED = ToolReclassified(registration=STRICTER)
SUSPENDED = ToolSuspended(reason="leaks")
RETIRED = ToolRetired(reason="gone")


def test_a_tool_is_registered_once() -> None:
    given().when(RegisterTool(registration=MAIL)).then(REGISTERED)
    given(REGISTERED).when(RegisterTool(registration=MAIL)).then_nothing()


def test_a_name_is_registered_with_one_set_of_particulars() -> None:
    given(REGISTERED).when(RegisterTool(registration=STRICTER)).then_rejected(ToolExists)


def test_nothing_is_asked_of_a_tool_that_was_never_registered() -> None:
    reclassify = ReclassifyTool(registration=MAIL)
    for command in (reclassify, SuspendTool(reason=""), ReinstateTool(reason=""), RetireTool(reason="")):
        given().when(command).then_rejected(ToolUnknown)


def test_a_tool_is_reclassified_and_the_same_again_changes_nothing() -> None:
    given(REGISTERED).when(ReclassifyTool(registration=STRICTER)).then(RECLASSIFIED)
    given(REGISTERED, RECLASSIFIED).when(ReclassifyTool(registration=STRICTER)).then_nothing()
    given(REGISTERED).when(ReclassifyTool(registration=MAIL)).then_nothing()


def test_editions_count_registrations_from_one() -> None:
    assert given(REGISTERED).state().edition == 1
    assert given(REGISTERED, RECLASSIFIED, SUSPENDED).state().edition == 2
    assert given(REGISTERED, RECLASSIFIED, ToolReclassified(registration=MAIL)).state().edition == 3


def test_reclassifying_a_suspended_tool_does_not_reinstate_it() -> None:
    assert given(REGISTERED, SUSPENDED, RECLASSIFIED).state().standing is Standing.SUSPENDED


def test_a_tool_is_suspended_once_and_reinstated_once() -> None:
    given(REGISTERED).when(SuspendTool(reason="leaks")).then(SUSPENDED)
    given(REGISTERED, SUSPENDED).when(SuspendTool(reason="again")).then_nothing()
    reinstated = ToolReinstated(reason="fixed")
    given(REGISTERED, SUSPENDED).when(ReinstateTool(reason="fixed")).then(reinstated)
    given(REGISTERED, SUSPENDED, reinstated).when(ReinstateTool(reason="")).then_nothing()


def test_a_retired_tool_does_not_come_back() -> None:
    given(REGISTERED).when(RetireTool(reason="gone")).then(RETIRED)
    given(REGISTERED, RETIRED).when(RetireTool(reason="again")).then_nothing()
    for command in (
        RegisterTool(registration=MAIL),
        ReclassifyTool(registration=STRICTER),
        SuspendTool(reason=""),
        ReinstateTool(reason=""),
    ):
        given(REGISTERED, RETIRED).when(command).then_rejected(ToolIsRetired)


def test_every_risk_but_read_counts_as_a_write() -> None:
    assert not Registration(risk="read", arguments={}).writes
    assert MAIL.writes
    assert Registration(arguments={}).writes


@pytest.mark.parametrize("subject", ["somebody", "arg:", "arg:email", ""])
def test_a_personal_place_names_its_subject_by_the_run_or_an_argument(subject: str) -> None:
    assert PersonalPlace(pointer="/to", subject="arg:/to").subject == "arg:/to"
    with pytest.raises(ValidationError):
        PersonalPlace(pointer="/to", subject=subject)
