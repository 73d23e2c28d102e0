"""The gate: nothing of the dashboard is served without a session, no page, no file, no websocket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final
from urllib.parse import urlencode

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumira import desk as desks
from lumira.api.addresses import caller_address, is_https
from lumira.api.pages import page
from lumira.api.paths import is_within
from lumira.api.request_id import RequestId
from lumira.api.responses import error_body, refuse_websocket
from lumira.desk import Desk
from lumira.errors import Forbidden, LumiraError, StoreUnavailable, Unauthorized
from lumira.openid_providers import CALLBACK
from lumira.session_cookie import session_token
from lumira.sessions import Session

# Mounted beside Streamlit, each with a protection of its own, and answering every path below it themselves.
OPEN: Final = ("/api", "/checkout", "/metrics", "/sign-in", "/sign-out", CALLBACK)
SIGN_IN: Final = "/sign-in"
# How often it is asked whether the person at an open page is still signed in.
CHECK_SECONDS: Final = 5
# How often a page that waits for the store asks again.
RETRY_SECONDS: Final = 5
# Ours to choose from 4000 on: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.2
SESSION_ENDED: Final = 4401

logger: Final = logging.getLogger("lumira.gate")


class Gate:
    """Passes on requests and websockets of those who are signed in, and whatever has a door of its own.

    In a demo everybody on this machine passes, and nobody else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the connection on, or refuses it."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_open(scope["path"])):
            await self._app(scope, receive, send)
            return
        desk = desks.current()
        try:
            passes = comes_from_here(scope) if desk.is_demo else await session_of(desk, scope) is not None
        except LumiraError as error:
            is_away = isinstance(error, StoreUnavailable)
            if is_away and scope["type"] == "http" and _is_navigation(scope):
                await _show_store_away(scope, receive, send)
            else:
                await _refuse(scope, receive, send, error)
            return
        if scope["type"] == "websocket":
            if not passes or not is_same_origin(scope):
                await refuse_websocket(receive, send)
            elif desk.is_demo:
                await self._app(scope, receive, send)
            else:
                await self._while_signed_in(desk, scope, receive, send)
        elif passes:
            await self._app(scope, receive, send)
        elif desk.is_demo:
            await _refuse(scope, receive, send, Forbidden("The demo is for this machine alone."))
        elif _is_navigation(scope):
            await RedirectResponse(sign_in_address(scope), 303)(scope, receive, send)
        else:
            await _refuse(scope, receive, send, Unauthorized("Sign in first."))

    async def _while_signed_in(self, desk: Desk, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a websocket until it closes or its session ends, whichever comes first."""
        ended = False
        waiting: asyncio.Future[Message] | None = None

        async def receive_signed_in() -> Message:
            nonlocal ended, waiting
            while not ended:
                # One wait for one message: a wait that is given up could lose what it was about to bring.
                waiting = waiting or asyncio.ensure_future(receive())
                await asyncio.wait({waiting}, timeout=CHECK_SECONDS)
                if not await _is_signed_in(desk, scope):
                    ended = True
                    await _end(send)
                elif waiting.done():
                    message, waiting = waiting.result(), None
                    return message
            return {"type": "websocket.disconnect", "code": SESSION_ENDED}

        async def send_signed_in(message: Message) -> None:
            if not ended:
                await send(message)

        try:
            await self._app(scope, receive_signed_in, send_signed_in)
        finally:
            if waiting is not None:
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting


def is_open(path: str) -> bool:
    """Whether a path has a door of its own."""
    return is_within(path, OPEN)


def comes_from_here(scope: Scope) -> bool:
    """Whether a person on this machine asks, directly: what a proxy passes on may come from anywhere."""
    headers = Headers(scope=scope)
    address = caller_address(scope, ())
    return (
        address is not None
        and address.is_loopback
        and not {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"} & set(headers.keys())
    )


def is_same_origin(scope: Scope) -> bool:
    """Whether a page of ours asks. Programs send no Origin; browsers do, and other sites can't forge it."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    # An origin is a scheme, a host and perhaps a port: https://www.rfc-editor.org/rfc/rfc6454#section-6.2
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def sign_in_address(scope: Scope) -> str:
    """Where to sign in, and be led back from to what was asked for."""
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = f"{scope['path']}?{query}" if query else scope["path"]
    return SIGN_IN if wanted == "/" else f"{SIGN_IN}?{urlencode({'next': wanted})}"


def token_of(desk: Desk, scope: Scope) -> str | None:
    """The token of the session that a connection names by its cookie, whether it goes on or not."""
    secure = is_https(scope, desk.settings.trusted_proxies)
    return session_token(HTTPConnection(scope).cookies, desk.signing_key(), secure=secure)


async def session_of(desk: Desk, scope: Scope) -> Session | None:
    """The session of a connection; raises LumiraError when it can't be looked up."""
    token = token_of(desk, scope)
    return await anyio.to_thread.run_sync(desk.sessions.find, token) if token else None


async def _is_signed_in(desk: Desk, scope: Scope) -> bool:
    try:
        return await session_of(desk, scope) is not None
    except LumiraError as error:
        # A store that is down signs nobody out: pages that ask it show what is wrong.
        logger.warning("session unchecked", extra={"code": error.code, "reason": error.message})
        return True


async def _end(send: Send) -> None:
    """Leads an open page to the sign-in, and closes its websocket."""
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    lead = ForwardMsg()
    lead.auth_redirect.url = f"{SIGN_IN}?ended=1"
    # The browser may be gone.
    with contextlib.suppress(Exception):
        await send({"type": "websocket.send", "bytes": lead.SerializeToString()})
        await send({"type": "websocket.close", "code": SESSION_ENDED})


def _is_navigation(scope: Scope) -> bool:
    return scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")


async def _show_store_away(scope: Scope, receive: Receive, send: Send) -> None:
    """A page that says so to a person, and comes back to what was asked for as soon as the store does."""
    context = {"root": SIGN_IN, "seconds": RETRY_SECONDS}
    answer = page(Request(scope), "store_away.html", context, StoreUnavailable.status)
    await answer(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send, error: LumiraError) -> None:
    if scope["type"] == "websocket":
        await refuse_websocket(receive, send)
        return

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await _refusal(Request(scope), error)(scope, receive, send)

    await RequestId(answer)(scope, receive, send)


def _refusal(request: Request, error: LumiraError) -> Response:
    """The error in a person's browser as its sentence, and for a program in the shape of every other."""
    request.state.error_code = error.code  # for the log
    headers = {"Cache-Control": "no-store"}
    if _is_navigation(request.scope):
        return PlainTextResponse(f"{error.message}\n", error.status, headers)
    body = error_body(request, code=error.code, error=error.error, message=error.message)
    return JSONResponse(body, error.status, headers)
