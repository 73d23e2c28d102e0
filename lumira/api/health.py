"""Whether the process is alive, and whether it can do its work."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from lumira import desk as desks
from lumira.api.schemas import AliveBody, ReadyBody

router = APIRouter(tags=["Health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=AliveBody)
async def healthz() -> dict[str, str]:
    """The process answers, even while every thread waits for Stripe."""
    return {"status": "ok"}


@router.head("/ready", include_in_schema=False)
@router.get(
    "/ready",
    response_model=ReadyBody,
    responses={503: {"model": ReadyBody, "description": "A dependency is down: `dependencies` says which."}},
)
async def ready() -> JSONResponse:
    """Whether store and Stripe answer, each by name; 503 when one does not."""
    # Not in the threads that routes are run in: all of those may be waiting for Stripe.
    problems = await asyncio.to_thread(desks.current().health.problems)
    states = {
        name: {"status": "down", "code": problem.code, "message": problem.message}
        if problem
        else {"status": "ok"}
        for name, problem in problems.items()
    }
    up = all(state["status"] == "ok" for state in states.values())
    return JSONResponse(
        {"status": "ok" if up else "unavailable", "dependencies": states},
        status_code=200 if up else 503,
        headers={"Cache-Control": "no-store"},
    )
