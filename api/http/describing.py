"""What the OpenAPI document says of our routes beyond what their signatures tell."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from api.http.headers import IDEMPOTENCY_KEY, POSITION, REPLAYED
from api.problems import MEDIA_TYPE
from domain.kernel import Json

SCHEMAS = "#/components/schemas/{model}"

ID = r"^[A-Za-z0-9][A-Za-z0-9_.:@+-]*$"
NAME = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
DIGEST = r"^[0-9a-f]{64}$"

IdInPath = Annotated[str, Path(min_length=1, max_length=128, pattern=ID)]
NameInPath = Annotated[str, Path(min_length=1, max_length=64, pattern=NAME)]
DigestInPath = Annotated[str, Path(pattern=DIGEST)]


class Told(BaseModel):
    """What a caller is told."""

    model_config = ConfigDict(frozen=True)


class Fact(Told):
    """Something with a history of its own; `version` counts its events and is the answer's ETag."""

    version: int


def describes(
    gives: type[BaseModel],
    *,
    takes: type[BaseModel] | None = None,
    creates: bool = False,
    asks: bool = False,
    if_match: bool | None = None,
) -> dict[str, Any]:
    """A route's description: what goes in, what comes out, and that refusals are problems.

    `asks` is for questions, which take no idempotency key; `if_match` says whether a version is required,
    optional (False) or of no meaning (None).
    """
    extra: dict[str, Json] = {"parameters": _headers(asks=asks, if_match=if_match)}
    if takes is not None:
        extra["requestBody"] = request_body(takes)
    fine = {"model": gives, "headers": _answer_headers(asks=asks)}
    responses: dict[int | str, dict[str, Json]] = {200: {**fine, "description": "As it stands"}}
    if creates:
        responses[201] = {**fine, "description": "Made"}
    return {"responses": {**responses, "default": problem_response()}, "openapi_extra": extra}


def request_body(model: type[BaseModel]) -> dict[str, Json]:
    """A required JSON body; its own definitions are moved to the document's components later."""
    schema = model.model_json_schema(ref_template=SCHEMAS)
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def problem_response() -> dict[str, Json]:
    """The one shape of every refusal."""
    schema = {"$ref": SCHEMAS.format(model="Problem")}
    return {"description": "A refusal, with its grounds", "content": {MEDIA_TYPE: {"schema": schema}}}


def _headers(*, asks: bool, if_match: bool | None) -> list[Json]:
    told: list[Json] = []
    if not asks:
        told.append(
            _header(IDEMPOTENCY_KEY, "One effect and one answer, however often it is sent", r"^[!-~]{1,255}$")
        )
    if if_match is not None:
        told.append(_header("If-Match", "The ETag you read", r'^(\*|"[0-9]{1,18}")$', required=if_match))
    return told


def _header(name: str, description: str, pattern: str, *, required: bool = False) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", "pattern": pattern},
    }


def _answer_headers(*, asks: bool) -> dict[str, Json]:
    number, text = {"type": "integer"}, {"type": "string"}
    told: dict[str, Json] = {
        POSITION: {"description": "The log position it can be read at", "schema": number},
        "ETag": {"description": "Its version", "schema": text},
    }
    if not asks:
        told[REPLAYED] = {"description": "Present on an answer given before", "schema": text}
    return told
