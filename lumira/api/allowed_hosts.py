"""The names under which we answer: a web page elsewhere can have a name of its own lead to our address."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira import desk as desks
from lumira.api.request_id import PROBES, RequestId
from lumira.api.responses import error_response, refuse_websocket
from lumira.settings import Settings

ANSWER: Final = "Lumira does not answer under this name: LUMIRA_ALLOWED_HOSTS lists those it has."
# Asked by the machine's address, by those who watch whether we live; they tell nothing else.
OPEN: Final = frozenset(f"/api{path}" for path in PROBES)
# Nobody else's name leads to the machine it is asked on, so these are always ours.
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


class AllowedHosts:
    """Refuses what is asked of a host that is not in LUMIRA_ALLOWED_HOSTS, over HTTP and websocket alike.

    Unlike Starlette's own it learns the names when the first request comes, for the settings are read after
    the application is put together, and it says what to do.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the connection on, or refuses it."""
        if (
            scope["type"] == "lifespan"
            or scope["path"] in OPEN
            or is_allowed(Headers(scope=scope).get("host", ""), desks.current().settings)
        ):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse_websocket(receive, send)
        elif scope["path"].startswith("/api/"):
            await _REFUSED_BY_API(scope, receive, send)
        else:
            await PlainTextResponse(f"{ANSWER}\n", 400)(scope, receive, send)


async def _refused_by_api(scope: Scope, receive: Receive, send: Send) -> None:
    response = error_response(
        Request(scope), status=400, code="UNKNOWN_HOST", error="Unknown host", message=ANSWER
    )
    await response(scope, receive, send)


# A program is answered in the shape of every other error.
_REFUSED_BY_API: Final = RequestId(_refused_by_api)


def is_allowed(host: str, settings: Settings) -> bool:
    """Whether a Host header, with or without a port, names us."""
    name, _, port = host.lower().rpartition(":")
    if not name or not port.isdecimal():
        name = host.lower()
    address = f"[{settings.host}]" if ":" in settings.host else settings.host.lower()
    return any(
        name == allowed or (allowed.startswith("*.") and name.endswith(allowed[1:]) and name != allowed[1:])
        for allowed in (*LOOPBACK, address, *settings.allowed_hosts)
    )
