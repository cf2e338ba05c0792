"""The peer that decides nothing: a FastAPI route that validates the same body and answers at once."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

app = FastAPI()


class Call(BaseModel):
    """A proposal's shape."""

    model_config = ConfigDict(extra="forbid")

    tool: str
    arguments: dict[str, Any]
    call_id: str | None = None


@app.post("/v1/runs/{run_id}/tool-calls")
async def empty(run_id: str, call: Call) -> dict[str, str]:  # noqa: ARG001  # validated, and that is all
    """Nothing is decided or kept."""
    return {}
