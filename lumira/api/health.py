"""Whether the process is alive, and whether it can do its work."""

from __future__ import annotations

import functools
import time

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from lumira import desk as desks
from lumira.api.schemas import AliveBody, ReadyBody
from lumira.desk import Desk
from lumira.errors import LumiraError

router = APIRouter(tags=["Health"])


@router.get("/healthz", response_model=AliveBody)
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get(
    "/ready",
    response_model=ReadyBody,
    responses={503: {"model": ReadyBody, "description": "A dependency is down: `dependencies` says which."}},
)
def ready() -> JSONResponse:
    """Whether store and Stripe answer, each by name; 503 when one does not."""
    # Anyone may ask, and as often as they like; Stripe and the store are asked once a second.
    states = _states(desks.current(), int(time.monotonic()))
    up = all(state["status"] == "ok" for state in states.values())
    return JSONResponse(
        {"status": "ok" if up else "unavailable", "dependencies": states},
        status_code=200 if up else 503,
        headers={"Cache-Control": "no-store"},
    )


@functools.lru_cache(maxsize=1)
def _states(desk: Desk, _second: int) -> dict[str, dict[str, str]]:
    states = {}
    for name, ping in (("store", desk.store.ping), ("stripe", desk.gateway.ping)):
        try:
            ping()
            states[name] = {"status": "ok"}
        except LumiraError as error:
            states[name] = {"status": "down", "code": error.code, "message": error.message}
    return states
