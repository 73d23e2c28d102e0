"""The API answers for every path below it, also for those that Streamlit takes for an attack."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira.api.paths import is_within


class OwnPaths:
    """Sends requests for `/api` to these routes at once.

    Streamlit looks at every path before it looks for routes, and refuses a zero byte or `..` in plain text; a
    program reads the contract's error.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._own = Router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, to the API or to Streamlit."""
        ours = scope["type"] == "http" and is_within(scope["path"], ("/api",))
        await (self._own if ours else self._app)(scope, receive, send)
