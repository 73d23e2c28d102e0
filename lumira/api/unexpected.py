"""What is answered when our own code fails in a way nobody foresaw."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumira import traces
from lumira.api.responses import response_to
from lumira.errors import LumiraError

logger: Final = logging.getLogger("lumira.api")


def answer_program(request: Request) -> Response:
    """The contract's 500."""
    message = "Something went wrong on our side. Try again, and name the requestId if it stays."
    return response_to(request, LumiraError(message))


class Unexpected:
    """Logs an exception and sends `answer` in its place, which has status 500.

    Starlette's own handler answers and raises on, whereupon the server drops the connection: the sender's
    next request on it fails, and for a webhook that is Stripe's next delivery.
    """

    def __init__(self, app: ASGIApp, *, answer: Callable[[Request], Response] = answer_program) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and answers for whatever fails."""
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            # It was given up while its body was read: whoever sent it hears nothing, and nothing was done.
            return
        except Exception:
            logger.exception("request failed")
            traces.failed(LumiraError.code)
            if started:
                raise
            await self._answer(Request(scope))(scope, receive, send)
