"""The OpenAPI document: what the routes say of themselves, and the hot path said by hand."""

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI
from pydantic import BaseModel

from api.http.describing import ID, SCHEMAS, problem_response
from api.http.headers import POSITION
from api.http.proposals import MOST
from api.http.run_answers import DecisionTold
from domain.kernel import Json

Document = dict[str, Any]

INTEGER, TEXT, OBJECT = {"type": "integer"}, {"type": "string"}, {"type": "object"}

PROBLEM: Document = {
    "type": "object",
    "description": "RFC 9457. Further members are the grounds of the refusal.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": TEXT,
        "status": INTEGER,
        "detail": TEXT,
        "instance": TEXT,
        "correlation_id": TEXT,
    },
}

PROPOSAL: Document = {
    "type": "object",
    "required": ["tool", "arguments"],
    "additionalProperties": False,
    "properties": {
        "tool": {"type": "string", "maxLength": 64, "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"},
        "arguments": {"type": "object", "description": "What the tool's JSON Schema takes"},
        "call_id": {
            "anyOf": [{"type": "string", "maxLength": 128, "pattern": ID}, {"type": "null"}],
            "description": "Decided once; without it we make one",
        },
        "at": {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
            "description": "For recorded runs: when it was asked",
        },
    },
}


class BatchResult(BaseModel):
    """One proposal's decision, or its problem."""

    run_id: str
    call_id: str
    decision: DecisionTold | None = None
    problem: dict[str, Any] | None = None


class BatchTold(BaseModel):
    """The results, in the order of the proposals."""

    results: list[BatchResult]


def document(app: FastAPI) -> Document:
    """The whole document; made when it is first asked for."""
    if app.openapi_schema is None:
        told: Document = FastAPI.openapi(app)
        components = told.setdefault("components", {})
        schemas: Document = components.setdefault("schemas", {})
        schemas["Problem"], schemas["Proposal"] = PROBLEM, PROPOSAL
        schemas["BatchProposal"] = _in_batch()
        told["paths"] |= _hot_path()
        _hoist(told, schemas)
        _describe_refusals(told["paths"])
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        told["security"] = [{"token": []}]
        app.openapi_schema = told
    return app.openapi_schema


def _hot_path() -> Document:
    schema = {"type": "string", "maxLength": 128, "pattern": ID}
    run_id = {"name": "run_id", "in": "path", "required": True, "schema": schema}
    one = _operation("propose", "Decides a tool call and records the decision; a denial is an answer.")
    one |= {
        "parameters": [run_id],
        **_body({"$ref": SCHEMAS.format(model="Proposal")}),
        **_gives(DecisionTold),
    }
    many = _operation("propose_many", "Decides each of many tool calls on its own, in their order.")
    many |= {**_body(_batch()), **_gives(BatchTold)}
    return {"/v1/runs/{run_id}/tool-calls": {"post": one}, "/v1/tool-calls:batch": {"post": many}}


def _operation(name: str, summary: str) -> Document:
    return {"operationId": name, "summary": summary, "tags": ["tool calls"]}


def _in_batch() -> Document:
    properties = {"run_id": {"type": "string", "maxLength": 128, "pattern": ID}, **PROPOSAL["properties"]}
    return {**PROPOSAL, "required": ["run_id", *PROPOSAL["required"]], "properties": properties}


def _batch() -> Document:
    items = {"$ref": SCHEMAS.format(model="BatchProposal")}
    proposals = {"type": "array", "minItems": 1, "maxItems": MOST, "items": items}
    return {
        "type": "object",
        "required": ["proposals"],
        "additionalProperties": False,
        "properties": {"proposals": proposals},
    }


def _body(schema: Document) -> Document:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _gives(model: type[BaseModel]) -> Document:
    schema = model.model_json_schema(ref_template=SCHEMAS)
    fine = {
        "description": "Decided and on disk",
        "headers": {POSITION: {"description": "The log position it can be read at", "schema": INTEGER}},
        "content": {"application/json": {"schema": schema}},
    }
    return {"responses": {"200": fine, "default": problem_response()}}


def _hoist(value: Json, schemas: Document) -> None:
    """Moves the definitions that models bring along to where their references point."""
    if isinstance(value, dict):
        found = cast("Document", value)
        for name, schema in cast("Document", found.pop("$defs", {})).items():
            schemas.setdefault(name, schema)
            _hoist(schema, schemas)
        for inner in list(found.values()):
            _hoist(inner, schemas)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]  # Json is Any
            _hoist(inner, schemas)


def _describe_refusals(paths: Mapping[str, Document]) -> None:
    """What fails validation answers as every other refusal does, not in the framework's own form."""
    for operations in paths.values():
        for operation in operations.values():
            responses: Document = operation.get("responses", {})
            responses.pop("422", None)
            responses.setdefault("default", problem_response())
