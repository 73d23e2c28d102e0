"""The shapes every answer shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import Receive, Send

from lumira.documents import iso
from lumira.errors import LumiraError
from lumira.metrics import REFUSALS


def response_to(request: Request, error: LumiraError, **extra: Any) -> JSONResponse:
    """The answer to an error of ours; `extra` are further members of its body."""
    return error_response(
        request, status=error.status, code=error.code, error=error.error, message=error.message, **extra
    )


def error_response(
    request: Request, *, status: int, code: str, error: str, message: str, **extra: Any
) -> JSONResponse:
    """An error that the API answers, counted by its code."""
    REFUSALS.labels(code).inc()
    request.state.error_code = code  # for the log
    body = error_body(request, code=code, error=error, message=message)
    return JSONResponse(body | extra, status_code=status)


def error_body(request: Request, *, code: str, error: str, message: str) -> dict[str, Any]:
    """What every error has: error, code, message, timestamp (UTC, ISO 8601) and requestId."""
    return {
        "error": error,
        "code": code,
        "message": message,
        "timestamp": iso(datetime.now(UTC)),
        "requestId": getattr(request.state, "request_id", ""),
    }


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Closes a websocket before it is accepted, which the server answers by 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})
