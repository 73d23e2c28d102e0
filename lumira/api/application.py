"""The FastAPI application of the contract, mounted under /api."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from lumira import __version__
from lumira.api import health, products, webhook
from lumira.api.cross_origin import CrossOrigin
from lumira.api.openapi import describe
from lumira.api.rate_limit import RateLimit
from lumira.api.request_id import RequestId, is_routine
from lumira.api.responses import error_response, response_to
from lumira.api.unexpected import Unexpected
from lumira.errors import LumiraError

DESCRIPTION: Final = """Every request but those for the catalog, the webhook and health needs
`Authorization: Bearer <token>`. Errors have a stable `code`, and a `requestId` to name when you ask."""

# What the contract adds to the body of an error; the rest of `extra` is for our own code.
_PUBLIC_EXTRA: Final = frozenset({"validProductIds", "orderId", "declineCode"})


def application() -> FastAPI:
    """A new application; its routes ask `lumira.desk.current()` on each request."""
    api = FastAPI(
        title="Lumira",
        version=__version__,
        summary="PaymentIntents and orders of Oracle Lumira",
        description=DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # A span for each request but probes; counting and logging are ours.
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "exclude": is_routine},
        # The outermost first: a refusal has an id too, and a page of another origin may read it.
        middleware=[
            Middleware(RequestId),
            Middleware(CrossOrigin),
            Middleware(RateLimit),
            Middleware(Unexpected),
        ],
    )
    api.add_exception_handler(LumiraError, lumira_error)
    api.add_exception_handler(HTTPException, http_error)
    api.include_router(products.router)
    api.include_router(webhook.router)
    api.include_router(health.router)
    describe(api)
    return api


def nothing_here() -> Starlette:
    """An application that answers every path with the contract's 404, for where the API stands alone."""
    return Starlette(middleware=[Middleware(RequestId)], exception_handlers={HTTPException: http_error})


async def lumira_error(request: Request, error: Exception) -> JSONResponse:
    """The contract's answer to an error of ours."""
    assert isinstance(error, LumiraError)  # noqa: S101 - registered for this class alone
    extra = {key: value for key, value in error.extra.items() if key in _PUBLIC_EXTRA}
    response = response_to(request, error, **extra)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """The contract's answer to a path or method that is not there."""
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
    if response.headers.get("Allow") == "GET":
        # A route names its own methods; to each that has GET comes HEAD.
        response.headers["Allow"] = "GET, HEAD"
    return response
