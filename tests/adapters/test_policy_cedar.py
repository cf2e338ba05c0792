"""Cedar is asked past its package's wrapper; both ways must give the same answers."""

import cedarpy
import pytest

from adapters.policy.cedar import ask

POLICIES = """
permit (principal, action, resource) when { context.amount < 100 };
forbid (principal, action, resource) when { context.amount == 13 };
"""


@pytest.mark.parametrize(
    "context",
    ['{"amount": 1}', '{"amount": 13}', '{"amount": 500}', '{"amount": "x"}', '{"amount": null}', "{"],
)
def test_both_ways_give_the_same_answer(context: str) -> None:
    request = {
        "principal": {"type": "Agent", "id": "clerk"},
        "action": {"type": "Action", "id": "refund"},
        "resource": {"type": "Tool", "id": "refund"},
        "context": context,
    }
    policies, known = cedarpy.PolicySet.from_str(POLICIES), cedarpy.Entities.from_json_str("[]")
    wrapped = cedarpy.is_authorized(request, policies, known)
    answer = ask(request, policies, known)
    assert answer.allowed == (wrapped.allowed and not wrapped.diagnostics.errors)
    assert sorted(answer.determining) == sorted(wrapped.diagnostics.reasons)
    assert answer.errors == tuple(sorted(wrapped.diagnostics.errors))
