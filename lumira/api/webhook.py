"""The webhook endpoint: raw bytes in, one word out."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from lumira import desk as desks
from lumira.api.openapi import errors, json_request
from lumira.api.products import limited_body
from lumira.api.rate_limit import WEBHOOKS
from lumira.api.responses import error_response
from lumira.api.schemas import ReceivedBody, StripeEvent
from lumira.errors import LumiraError
from lumira.metrics import timed_delivery

router = APIRouter(tags=["Webhook"])

# Stripe's events are well below this; an unverified sender can make us read no more.
BODY_LIMIT: Final = 1024 * 1024


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
async def receive(request: Request) -> JSONResponse:
    """Handles one signed delivery; an error of ours is always a 500, which Stripe delivers again."""
    payload = await limited_body(request, BODY_LIMIT)
    signature = request.headers.get("stripe-signature")
    try:
        with timed_delivery() as became:
            receipt = await run_in_threadpool(desks.current().webhooks.receive, payload, signature)
            became(receipt.outcome or "duplicate")
    except LumiraError as error:
        if error.status < 500:
            raise
        return error_response(request, status=500, code=error.code, error=error.error, message=error.message)
    body: dict[str, Any] = {"received": True}
    return JSONResponse(body | ({"duplicate": True} if receipt.duplicate else {}))
