"""What is answered where there is no such page."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class UnknownPages:
    """Leads a browser that asks for a page there is none of to the start page, which says so.

    Streamlit would show that page too, behind a dialog of its own words. `pages` are the addresses of ours,
    `others` the paths of further applications; files, which have a dot in their name, are nobody's page.
    """

    def __init__(self, app: ASGIApp, pages: Collection[str], others: Collection[str]) -> None:
        self._app = app
        self._known = {"", *pages, *(other.removeprefix("/") for other in others)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or leads it to the start."""
        name = str(scope.get("path", "")).strip("/")
        is_page = scope["type"] == "http" and scope["method"] == "GET" and not {"/", "."} & set(name)
        if is_page and name not in self._known and "text/html" in Headers(scope=scope).get("accept", ""):
            start = RedirectResponse("/?unknown=yes", 303, headers={"Cache-Control": "no-store"})
            await start(scope, receive, send)
            return
        await self._app(scope, receive, send)
