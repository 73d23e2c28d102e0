"""The FastAPI application of the contract, mounted under /api."""

from __future__ import annotations

import uuid

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumira import __version__
from lumira.api import health, products, webhook
from lumira.api.responses import error_response
from lumira.errors import LumiraError


def application() -> FastAPI:
    """A new application; its routes ask `lumira.desk.current()` on each request."""
    api = FastAPI(
        title="Lumira",
        version=__version__,
        summary="PaymentIntents and orders of Oracle Lumira",
        redirect_slashes=False,
        docs_url="/docs",
        redoc_url=None,
    )
    api.add_middleware(RequestId)
    api.add_exception_handler(LumiraError, _lumira_error)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(Exception, _unexpected_error)
    api.include_router(products.router)
    api.include_router(webhook.router)
    api.include_router(health.router)
    return api


class RequestId:
    """Gives each request an id, the caller's where it is a plain one, and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Names the request in `request.state.request_id` and in the answer's X-Request-Id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        plain = 0 < len(given) <= 128 and given.isascii() and given.isprintable()
        request_id = given if plain else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        await self._app(scope, receive, send_named)


async def _lumira_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LumiraError)  # noqa: S101 - registered for this class alone
    extra = {key: value for key, value in error.extra.items() if key in _PUBLIC_EXTRA}
    response = error_response(
        request, status=error.status, code=error.code, error=error.error, message=error.message, **extra
    )
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


# What the contract adds to the body of an error; the rest of `extra` is for our own code.
_PUBLIC_EXTRA = frozenset({"validProductIds", "orderId", "declineCode"})


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "INVALID_REQUEST")
    response = error_response(
        request,
        status=error.status_code,
        code=code,
        error=str(error.detail),
        message=f"There is no {request.method} {request.url.path}.",
    )
    response.headers.update(error.headers or {})
    return response


async def _unexpected_error(request: Request, _error: Exception) -> JSONResponse:
    return error_response(
        request,
        status=500,
        code="INTERNAL_SERVER_ERROR",
        error="Internal server error",
        message="Something went wrong on our side. Try again, and name the requestId if it stays.",
    )
