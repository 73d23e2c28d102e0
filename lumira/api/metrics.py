"""/metrics, for Prometheus: to programs on this machine, and to tokens that may see the system."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lumira import desk as desks
from lumira.access import Permission, require
from lumira.api.application import http_error, lumira_error
from lumira.api.gate import comes_from_here
from lumira.api.request_id import RequestId
from lumira.api.unexpected import Unexpected
from lumira.desk import Desk
from lumira.errors import LumiraError, StoreUnavailable
from lumira.events import EventFilter, EventState
from lumira.metrics import CONTENT_TYPE, exposition

# More failed events than this are not counted to the end.
COUNTED: Final = 200


def metrics_application() -> Starlette:
    """The application at /metrics, and of nothing below it."""
    return Starlette(
        routes=[Route("/", _metrics)],
        middleware=[Middleware(RequestId), Middleware(Unexpected)],
        exception_handlers={LumiraError: lumira_error, HTTPException: http_error},
    )


async def _metrics(request: Request) -> Response:
    # As `ready` in health.py: it is most wanted while all other threads are waiting.
    return await asyncio.to_thread(_counted, request)


def _counted(request: Request) -> Response:
    """Everything counted. Raises Unauthorized, and Forbidden for a token without VIEW_SYSTEM."""
    desk = desks.current()
    if not comes_from_here(request.scope):
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        actor = desk.tokens.authenticate(text.strip() if scheme.lower() == "bearer" else "")
        require(actor, Permission.VIEW_SYSTEM)
    return Response(exposition(_gauges(desk)), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _gauges(desk: Desk) -> Iterator[tuple[str, str, float]]:
    """What is looked up in the store; without a store that it is down, and nothing else."""
    up = ("lumira_store_up", "Whether the store answers.")
    try:
        followed = desk.revenue.followed_until()
        failed, _ = desk.events.page(COUNTED, selected=EventFilter(EventState.FAILED))
    except StoreUnavailable:
        yield *up, 0.0
        return
    yield *up, 1.0
    yield "lumira_failed_events", f"Failed webhook events, counted up to {COUNTED}.", float(len(failed))
    if followed:
        age = (datetime.now(UTC) - followed).total_seconds()
        yield "lumira_revenue_age_seconds", "How far revenue by day lies behind the orders.", age
