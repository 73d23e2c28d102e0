"""The webhook endpoint: raw bytes in, one word out."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from lumira import desk as desks
from lumira.api.products import limited_body
from lumira.api.responses import error_response
from lumira.errors import LumiraError

router = APIRouter()

# Stripe's events are well below this; an unverified sender can make us read no more.
BODY_LIMIT: Final = 1024 * 1024


@router.post("/products/webhook")
@router.post("/stripe/webhook")
async def receive(request: Request) -> JSONResponse:
    """Handles one signed delivery; an error of ours is always a 500, which Stripe delivers again."""
    payload = await limited_body(request, BODY_LIMIT)
    signature = request.headers.get("stripe-signature")
    try:
        receipt = await run_in_threadpool(desks.current().webhooks.receive, payload, signature)
    except LumiraError as error:
        if error.status < 500:
            raise
        return error_response(request, status=500, code=error.code, error=error.error, message=error.message)
    body: dict[str, Any] = {"received": True}
    return JSONResponse(body | ({"duplicate": True} if receipt.duplicate else {}))
