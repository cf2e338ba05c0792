"""An agent is registered software that acts; suspended it is refused, retired it is gone."""

from domain.agents.agent import Standing, agents
from domain.agents.commands import RegisterAgent, ReinstateAgent, RetireAgent, SuspendAgent, UpdateAgent
from domain.agents.events import (
    AgentRegistered,
    AgentReinstated,
    AgentRetired,
    AgentSuspended,
    AgentUpdated,
)
from domain.agents.rejections import AgentExists, AgentIsRetired, AgentUnknown
from tests.spec import Spec

given = Spec(agents)

REGISTER = RegisterAgent(discipline="developer", model="m-1", owner="ada", prompt_version="7", team="core")
UPDATE = UpdateAgent(discipline="developer", model="m-2", owner="ada", prompt_version="7", team="core")
REGISTERED = AgentRegistered(
    discipline="developer", model="m-1", owner="ada", prompt_version="7", team="core"
)
UPDATED = AgentUpdated(discipline="developer", model="m-2", owner="ada", prompt_version="7", team="core")
SUSPENDED = AgentSuspended(reason="odd mails")
RETIRED = AgentRetired(reason="replaced")


def test_an_agent_is_registered_once() -> None:
    given().when(REGISTER).then(REGISTERED)
    given(REGISTERED).when(REGISTER).then_nothing()


def test_an_id_is_registered_with_one_set_of_particulars() -> None:
    for other in ({"model": "m-2"}, {"owner": "bob"}, {"discipline": "tester"}, {"team": None}):
        given(REGISTERED).when(REGISTER.model_copy(update=other)).then_rejected(AgentExists)


def test_nothing_is_asked_of_an_agent_that_was_never_registered() -> None:
    for command in (UPDATE, SuspendAgent(reason=""), ReinstateAgent(reason=""), RetireAgent(reason="")):
        given().when(command).then_rejected(AgentUnknown)


def test_particulars_are_updated_and_the_same_again_change_nothing() -> None:
    given(REGISTERED).when(UPDATE).then(UPDATED)
    given(REGISTERED, UPDATED).when(UPDATE).then_nothing()


def test_after_an_update_registering_the_old_particulars_is_refused() -> None:
    given(REGISTERED, UPDATED).when(REGISTER).then_rejected(AgentExists)


def test_an_agent_is_suspended_once_and_says_why() -> None:
    given(REGISTERED).when(SuspendAgent(reason="odd mails")).then(SUSPENDED)
    given(REGISTERED, SUSPENDED).when(SuspendAgent(reason="again")).then_nothing()
    assert given(REGISTERED, SUSPENDED).state().reason == "odd mails"


def test_an_update_does_not_reinstate() -> None:
    given(REGISTERED, SUSPENDED).when(UPDATE).then(UPDATED)
    assert given(REGISTERED, SUSPENDED, UPDATED).state().standing is Standing.SUSPENDED


def test_registering_again_does_not_reinstate() -> None:
    given(REGISTERED, SUSPENDED).when(REGISTER).then_nothing()


def test_a_suspended_agent_is_reinstated_once() -> None:
    reinstated = AgentReinstated(reason="explained")
    given(REGISTERED, SUSPENDED).when(ReinstateAgent(reason="explained")).then(reinstated)
    given(REGISTERED, SUSPENDED, reinstated).when(ReinstateAgent(reason="")).then_nothing()
    given(REGISTERED).when(ReinstateAgent(reason="")).then_nothing()


def test_an_agent_is_retired_once_also_when_it_was_suspended() -> None:
    given(REGISTERED).when(RetireAgent(reason="replaced")).then(RETIRED)
    given(REGISTERED, SUSPENDED).when(RetireAgent(reason="replaced")).then(RETIRED)
    given(REGISTERED, RETIRED).when(RetireAgent(reason="again")).then_nothing()


def test_a_retired_agent_does_not_come_back() -> None:
    for command in (REGISTER, UPDATE, SuspendAgent(reason=""), ReinstateAgent(reason="")):
        given(REGISTERED, RETIRED).when(command).then_rejected(AgentIsRetired)
