"""What is answered when our own code fails in a way nobody foresaw."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumira.api.responses import error_response

logger: Final = logging.getLogger("lumira.api")


class Unexpected:
    """Logs an exception and answers the contract's 500 in its place.

    Starlette's own handler answers and raises on, whereupon the server drops the connection: the sender's
    next request on it fails, and for a webhook that is Stripe's next delivery.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and answers for whatever fails."""
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception:
            request = Request(scope)
            logger.exception("request failed")
            if started:
                raise
            response = error_response(
                request,
                status=500,
                code="INTERNAL_SERVER_ERROR",
                error="Internal server error",
                message="Something went wrong on our side. Try again, and name the requestId if it stays.",
            )
            await response(scope, receive, send)
