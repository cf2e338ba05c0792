"""Cedar as the rest of this package uses it: parsed once, asked often, typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cedarpy
import orjson

from domain.kernel import Json

_answers = cedarpy._internal.is_authorized_batch  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]  # noqa: SLF001 -- `ask` says why


@dataclass(frozen=True)
class Answer:
    """A decision with the ids of the policies that determined it; any error at all means not allowed."""

    allowed: bool
    determining: tuple[str, ...]
    errors: tuple[str, ...]


def policy_set(bodies: Mapping[str, Mapping[str, Json]]) -> cedarpy.PolicySet:
    """Policies in Cedar's JSON form under the ids by which answers shall name them."""
    told: dict[str, Json] = {"staticPolicies": bodies, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(orjson.dumps(told).decode())


def entities(told: Sequence[Mapping[str, Json]]) -> cedarpy.Entities:
    """Entities in Cedar's JSON form."""
    text = orjson.dumps(told).decode()
    return cedarpy.Entities.from_json_str(text)  # pyright: ignore[reportUnknownMemberType] - bare dict in its stubs


def ask(request: dict[str, Json], policies: cedarpy.PolicySet, known: cedarpy.Entities) -> Answer:
    """Asks once. Cedar skips a policy that fails to evaluate, even a forbid, so an error never allows.

    Goes past the package's wrapper, which spends as long on its answer as Cedar does on the question; the
    package is pinned to one version, and a test holds both ways to the same answers.
    """
    inner = known._inner  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 -- see above
    (told,) = _answers([request], policies, inner, None, False)
    answer = orjson.loads(told)
    found = answer["diagnostics"]
    errors: tuple[str, ...] = tuple(sorted(found.get("errors", ())))
    if answer["decision"] not in ("Allow", "Deny") and not errors:
        errors = ("Cedar gave no decision",)
    allowed = answer["decision"] == "Allow" and not errors
    return Answer(allowed=allowed, determining=tuple(found.get("reason", ())), errors=errors)


def invalidities(text: str, schema: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What is wrong with a text under a schema, as `(positional policy id, message)`."""
    result = cedarpy.validate_policies(text, dict(schema))  # pyright: ignore[reportUnknownMemberType] - the same
    found = [(error.policy_id, error.error) for error in result.errors]
    return found if found or result.validation_passed else [("", "is not valid")]
