"""The shapes every answer shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import Receive, Send

from lumira.documents import iso
from lumira.metrics import REFUSALS


def error_response(
    request: Request, *, status: int, code: str, error: str, message: str, **extra: Any
) -> JSONResponse:
    """The body every error has: error, code, message, timestamp (UTC, ISO 8601) and requestId."""
    REFUSALS.labels(code).inc()
    request.state.error_code = code  # for the log
    body = {
        "error": error,
        "code": code,
        "message": message,
        "timestamp": iso(datetime.now(UTC)),
        "requestId": getattr(request.state, "request_id", ""),
        **extra,
    }
    return JSONResponse(body, status_code=status)


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Closes a websocket before it is accepted, which the server answers by 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})
