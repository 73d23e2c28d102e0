"""The shapes every answer shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from lumira.metrics import REFUSALS


def iso(instant: datetime) -> str:
    """A UTC instant as JavaScript writes it: 2026-11-22T09:30:00.000Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
