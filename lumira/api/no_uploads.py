"""The dashboard is read over HTTP and worked with over its websocket: nothing is sent to it otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira.api.paths import is_within


class NoUploads:
    """Answers 405 to every method but GET and HEAD on paths that are Streamlit's.

    Its uploads of files and its agent API would take bodies of any size; no page of ours asks for either.
    `others` are the paths of applications with limits of their own.
    """

    def __init__(self, app: ASGIApp, others: Sequence[str]) -> None:
        self._app = app
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it without reading its body."""
        is_read = scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}
        if is_read or is_within(scope["path"], self._others):
            await self._app(scope, receive, send)
            return
        # The body is not read: the connection can't go on.
        headers = {"Allow": "GET, HEAD", "Connection": "close"}
        await PlainTextResponse("Nothing can be sent here.\n", 405, headers)(scope, receive, send)
