"""Which web pages of other origins may call the API."""

from __future__ import annotations

from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira import desk as desks

METHODS: Final = ("GET", "POST", "PATCH")
REQUEST_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id")
RESPONSE_HEADERS: Final = ("X-Request-Id", "Retry-After")
PREFLIGHT_SECONDS: Final = 600


class CrossOrigin:
    """Starlette's CORSMiddleware for the origins of LUMIRA_CORS_ORIGINS; nothing at all without one.

    Tokens travel in a header, never in a cookie, so credentials are not allowed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._by_origins: dict[tuple[str, ...], ASGIApp] = {(): app}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers preflights, and names the origin in the answers it may read."""
        # The application is put together before the settings are known.
        origins = desks.current().settings.cors_origins
        if origins not in self._by_origins:
            self._by_origins[origins] = CORSMiddleware(
                self._app,
                allow_origins=origins,
                allow_methods=METHODS,
                allow_headers=REQUEST_HEADERS,
                expose_headers=RESPONSE_HEADERS,
                max_age=PREFLIGHT_SECONDS,
            )
        await self._by_origins[origins](scope, receive, send)
