"""The id of a request: in, out, and on every line that is logged meanwhile."""

from __future__ import annotations

import logging
import time
import uuid
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumira import traces
from lumira.logs import bound

logger: Final = logging.getLogger("lumira.api")

# Asked every few seconds for as long as we run.
PROBES: Final = ("/healthz", "/ready")
_METRICS: Final = "/metrics/"
# The styles, scripts and pictures of our own pages: several with each page.
_ASSETS: Final = ("/sign-in/assets/", "/checkout/assets/")


def is_routine(scope: Scope) -> bool:
    """Whether a request asks only how we are, or for a file of a page: it is not worth a line or a trace."""
    path = str(scope["path"])
    return path.endswith((*PROBES, _METRICS)) or path.startswith(_ASSETS)


class RequestId:
    """Gives each request an id, the caller's where it is a plain one, and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Names the request in `request.state.request_id` and in the X-Request-Id of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        plain = 0 < len(given) <= 128 and given.isascii() and given.isprintable()
        request_id = given if plain else str(uuid.uuid4())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id

        began, status = time.perf_counter(), 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        traces.belongs_to(request_id)
        with bound(request_id=request_id):
            try:
                await self._app(scope, receive, send_named)
            finally:
                # The path alone: what follows it may be the token of a payment link.
                answered = {"method": scope["method"], "path": scope["path"], "status": status}
                if code := state.get("error_code"):
                    answered["code"] = code
                took = round((time.perf_counter() - began) * 1_000, 1)
                extra = {**answered, "milliseconds": took}
                logger.log(_level(scope, status), "request answered", extra=extra)


def _level(scope: Scope, status: int) -> int:
    if is_routine(scope):
        return logging.DEBUG
    return logging.WARNING if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
