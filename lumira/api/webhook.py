"""The webhook endpoint: raw bytes in, one word out."""

from __future__ import annotations

from asyncio import get_running_loop
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira import desk as desks
from lumira import traces
from lumira.api.bodies import limited_body
from lumira.api.openapi import errors, json_request
from lumira.api.paths import path_below
from lumira.api.rate_limit import WEBHOOKS, RateLimit
from lumira.api.request_id import RequestId
from lumira.api.responses import response_to
from lumira.api.schemas import ReceivedBody, StripeEvent
from lumira.api.turns import Turns
from lumira.api.unexpected import Unexpected
from lumira.errors import LumiraError
from lumira.metrics import timed_delivery

if TYPE_CHECKING:
    from lumira.webhooks import Receipt, Webhooks

router = APIRouter(tags=["Webhook"])

# Stripe's events are well below this; an unverified sender can make us read no more.
BODY_LIMIT: Final = 1024 * 1024
# Deliveries have threads of their own: reads that wait for Stripe must not keep them waiting.
_THREADS: Final = ThreadPoolExecutor(20, thread_name_prefix="webhook")

_TURNS: Final = Turns()

_SIGNATURE: Final = {
    "name": "Stripe-Signature",
    "in": "header",
    "required": True,
    "description": "By the endpoint's signing secret: t=<seconds>,v1=<signature>",
    "schema": {"type": "string"},
}
_DESCRIPTION: Final[dict[str, Any]] = {
    "response_model": ReceivedBody,
    "responses": errors(400, 413, 500),
    "openapi_extra": {**json_request(StripeEvent), "parameters": [_SIGNATURE]},
}


@router.post(WEBHOOKS[0], operation_id="receive_event", **_DESCRIPTION)
@router.post(WEBHOOKS[1], operation_id="receive_event_at_the_old_address", **_DESCRIPTION)
async def receive_event(request: Request) -> JSONResponse:
    """Handles one signed delivery; an error of ours is always a 500, which Stripe delivers again."""
    try:
        payload = await limited_body(request, BODY_LIMIT)
        signature = request.headers.get("stripe-signature")
        with timed_delivery() as became:
            # With the request's id, which every line that is logged meanwhile carries.
            handle = partial(copy_context().run, _in_turn, desks.current().webhooks, payload, signature)
            receipt = await get_running_loop().run_in_executor(_THREADS, handle)
            became(receipt.outcome or "duplicate")
    except LumiraError as error:
        traces.failed(error.code)
        response = response_to(request, error)
        response.status_code = min(error.status, 500)
        return response
    body: dict[str, Any] = {"received": True}
    return JSONResponse(body | ({"duplicate": True} if receipt.duplicate else {}))


def _in_turn(webhooks: Webhooks, payload: bytes, signature: str | None) -> Receipt:
    with _TURNS.take():
        return webhooks.receive(payload, signature)


class Deliveries:
    """Handles deliveries, which come in hundreds and need none of what FastAPI does for a request.

    `app` is the application whose routes above describe them; it answers every other method and path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._receive_event = RequestId(RateLimit(Unexpected(_receive_event)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a delivery, and passes every other request on."""
        if scope["type"] == "http" and scope["method"] == "POST" and path_below(scope) in WEBHOOKS:
            with traces.work("webhook"):
                await self._receive_event(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _receive_event(scope: Scope, receive: Receive, send: Send) -> None:
    response = await receive_event(Request(scope, receive))
    await response(scope, receive, send)
