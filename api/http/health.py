"""Health and figures: whether this worker lives, whether it can decide, and what it counted."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.bootstrap import Application
from api.http.answers import json_answer
from domain.kernel import Json, Rejected

router = APIRouter(tags=["health"])

PATIENCE = 2.0
"""Seconds for the database to answer."""


class HealthTold(BaseModel):
    """`ok`, or what is wrong."""

    status: str
    wrong: list[str] = []


@router.get("/health/live", responses={200: {"model": HealthTold}})
async def live() -> Response:
    """Answers as long as the process does."""
    return json_answer({"status": "ok", "wrong": []})


@router.get(
    "/health/ready",
    responses={200: {"model": HealthTold}, 503: {"model": HealthTold, "description": "Not ready, and why"}},
)
async def ready(request: Request) -> Response:
    """Whether decisions can be made: the database answers, its schema is current, the law is not too old."""
    app: Application = request.app.state.application
    wrong = [*await _database(app), *_law(app)]
    told: dict[str, Json] = {"status": "unavailable" if wrong else "ok", "wrong": wrong}
    return json_answer(told, status=503 if wrong else 200)


@router.get("/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def metrics(request: Request) -> Response:
    """This worker's figures for Prometheus. Each worker counts for itself."""
    app: Application = request.app.state.application
    return Response(app.metrics.exposed(), media_type="text/plain; version=0.0.4")


async def _database(app: Application) -> list[str]:
    try:
        async with asyncio.timeout(PATIENCE):
            await app.desk.log.head()
            pending = await app.pending_migrations()
    except (Rejected, TimeoutError, OSError):
        return ["The database cannot be reached."]
    if pending:
        return [f"The database's schema is not up to date, run magistrate migrate: {'; '.join(pending)}."]
    return []


def _law(app: Application) -> list[str]:
    lag, bound = app.desk.law.lag(), app.settings.law_bound_seconds
    if lag is None:
        return ["The law has not been read yet."]
    if lag.total_seconds() > bound:
        return [f"The law in memory is {lag.total_seconds():.1f} s old, more than {bound:g} s."]
    return []
