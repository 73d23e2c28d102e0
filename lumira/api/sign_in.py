"""Signing in and out: a page of its own under /sign-in, no page of Streamlit's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lumira import desk as desks
from lumira.api import openid
from lumira.api.addresses import caller_address, is_https
from lumira.api.bodies import limited_body
from lumira.api.gate import SIGN_IN, is_open, is_same_origin, session_of, token_of
from lumira.api.pages import HEADERS, page, pages_application
from lumira.desk import Desk
from lumira.errors import (
    AuthenticatorUnreadable,
    CodeNeeded,
    LumiraError,
    RateLimited,
    RequestTooLarge,
    SettingsError,
    SignInRefused,
    TooManyAttempts,
)
from lumira.metrics import REFUSALS
from lumira.openid_providers import providers
from lumira.session_cookie import forget_session, set_session
from lumira.sessions import SignedIn

logger: Final = logging.getLogger("lumira.sign_in")

# An e-mail address, a password, a code and a way back: what is longer is no sign-in.
BODY_LIMIT: Final = 16_384
# What is kept of a browser's name.
DEVICE_LENGTH: Final = 200
# What is logged of an answer that anybody can write into the address.
REASON_LENGTH: Final = 300


def sign_in_application() -> Starlette:
    """The application of /sign-in; it asks `lumira.desk.current()` on each request."""
    return _application(
        Route("/", show),
        Route("/", sign_in, methods=["POST"]),
        Route("/with/{provider}", begin_openid),
    )


def sign_out_application() -> Starlette:
    """The application of /sign-out."""
    return _application(Route("/", ask_sign_out), Route("/", sign_out, methods=["POST"]))


def callback_application() -> Starlette:
    """The application of /oauth2callback, where an OpenID provider sends people back to."""
    return _application(Route("/", finish_openid))


async def show(request: Request) -> Response:
    """The form; whoever is signed in already is led on."""
    desk = desks.current()
    ended = "ended" in request.query_params
    wanted = _page_before(request) if ended else request.query_params.get("next", "")
    if desk.is_demo or await _is_signed_in(request, desk):
        return RedirectResponse(way_back(wanted), 303, HEADERS)
    notice = "ended" if ended else "signed_out" if "left" in request.query_params else ""
    return _form(request, next=wanted, notice=notice)


async def sign_in(request: Request) -> Response:
    """Signs in and leads on, or shows the form again and says why not."""
    if not is_same_origin(request.scope):
        return _form(request, problem="sign_in.elsewhere", status=403)
    form = await _fields(request)
    given = {"next": form.get("next", ""), "email": form.get("email", "")}
    desk = desks.current()
    try:
        signed_in = await anyio.to_thread.run_sync(
            lambda: desk.sessions.sign_in(
                form.get("email", ""),
                form.get("password", ""),
                form.get("code", "").replace(" ", "") or None,
                ticket=form.get("ticket") or None,
                address=_address(request, desk),
                device=_device(request),
            )
        )
    except CodeNeeded as needed:
        return _form(request, **given, ticket=needed.ticket, status=401)
    except LumiraError as error:
        return _problem(request, error, **given)
    return _signed_in(request, desk, signed_in, given["next"])


async def begin_openid(request: Request) -> Response:
    """Leads to an OpenID provider's sign-in."""
    wanted = way_back(request.query_params.get("next", ""))
    try:
        return await openid.begin(request, request.path_params["provider"], wanted)
    except LumiraError as error:
        return _problem(request, error, next=wanted)


async def finish_openid(request: Request) -> Response:
    """Signs in whom the provider has proved to be who they are, if the address is a colleague's."""
    desk, begun = desks.current(), openid.begun(request)
    wanted = str(begun.get("next", "/"))
    try:
        email = await openid.finish(request, begun)
        signed_in = await anyio.to_thread.run_sync(
            lambda: desk.sessions.sign_in_by_identity(
                email, address=_address(request, desk), device=_device(request)
            )
        )
    except SignInRefused as error:
        logger.info("sign-in refused", extra={"code": error.code, "reason": error.message[:REASON_LENGTH]})
        return openid.forget(
            _form(request, next=wanted, problem="sign_in.openid_refused", status=error.status)
        )
    except LumiraError as error:
        return openid.forget(_problem(request, error, next=wanted))
    return openid.forget(_signed_in(request, desk, signed_in, wanted))


async def ask_sign_out(request: Request) -> Response:
    """Signs out by a link of our own pages; a link from elsewhere only leads to a button."""
    # A browser says where a link stood, and no page can make it say otherwise:
    # https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    if request.headers.get("sec-fetch-site") == "same-origin":
        return await sign_out(request)
    return page(request, "sign_out.html", {"root": SIGN_IN})


async def sign_out(request: Request) -> Response:
    """Ends the session, here and in the browser."""
    if not is_same_origin(request.scope):
        return page(request, "sign_out.html", {"root": SIGN_IN}, 403)
    desk = desks.current()
    token = token_of(desk, request.scope)
    if token:
        try:
            await anyio.to_thread.run_sync(desk.sessions.sign_out, token)
        except LumiraError as error:
            return _problem(request, error)
    response = RedirectResponse(f"{SIGN_IN}?left=1", 303, HEADERS)
    forget_session(response, secure=_is_secure(request, desk))
    return response


def way_back(wanted: str) -> str:
    """The path of this site that `wanted` names; the start page for anything else."""
    # A browser reads \ as /, drops tabs and line breaks, and takes // for another host.
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    if not plain or not wanted.startswith("/") or wanted.startswith("//") or urlsplit(wanted).netloc:
        return "/"
    return wanted


def _page_before(request: Request) -> str:
    """The page of ours whose session ended: a browser says it, and only to the same site.

    The websocket that led here knows where its page was loaded, not where its reader has gone since.
    """
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    if page.netloc.lower() != request.headers.get("host", "").lower() or is_open(page.path):
        return ""
    return f"{page.path}?{page.query}" if page.query else page.path


def _application(*routes: Route) -> Starlette:
    handlers = {HTTPException: _nothing_here}
    return pages_application(*routes, busy=_busy, failed=_failed, exception_handlers=handlers)


def _busy(request: Request, _seconds: int) -> Response:
    REFUSALS.labels(RateLimited.code).inc()
    return _form(request, problem="sign_in.busy", status=RateLimited.status)


def _failed(request: Request) -> Response:
    return _form(request, problem="sign_in.unavailable", status=500)


async def _nothing_here(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    if error.status_code == 404:
        return RedirectResponse(SIGN_IN, 303, HEADERS)
    return Response(status_code=error.status_code, headers={**HEADERS, **(error.headers or {})})


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a posted form. Raises HTTPException, 413 for one too long and 400 for what is no form."""
    try:
        body = await limited_body(request, BODY_LIMIT)
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    except RequestTooLarge as error:
        raise HTTPException(error.status) from None
    except ValueError:
        raise HTTPException(400) from None


async def _is_signed_in(request: Request, desk: Desk) -> bool:
    try:
        return await session_of(desk, request.scope) is not None
    except LumiraError:
        return False


def _is_secure(request: Request, desk: Desk) -> bool:
    return is_https(request.scope, desk.settings.trusted_proxies)


def _address(request: Request, desk: Desk) -> str:
    return str(caller_address(request.scope, desk.settings.trusted_proxies) or "")


def _device(request: Request) -> str:
    return request.headers.get("user-agent", "")[:DEVICE_LENGTH]


def _signed_in(request: Request, desk: Desk, signed_in: SignedIn, wanted: str) -> Response:
    response = RedirectResponse(way_back(wanted), 303, HEADERS)
    seconds = (signed_in.session.expires_at - datetime.now(UTC)).total_seconds()
    set_session(
        response,
        signed_in.token,
        desk.signing_key(),
        secure=_is_secure(request, desk),
        seconds=max(0, int(seconds)),
    )
    return response


def _problem(request: Request, error: LumiraError, **given: str) -> Response:
    """The form again with what is wrong, in words that don't tell whether an account exists."""
    if isinstance(error, TooManyAttempts):
        response = _form(request, **given, problem="sign_in.too_many", status=429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    if isinstance(error, SignInRefused):
        return _form(request, **given, problem="sign_in.refused", status=401)
    if isinstance(error, AuthenticatorUnreadable):
        return _form(request, **given, problem="sign_in.authenticator_unreadable", status=error.status)
    logger.warning("sign-in unavailable", extra={"code": error.code, "reason": error.message})
    return _form(request, **given, problem="sign_in.unavailable", status=503)


def _form(
    request: Request,
    *,
    next: str = "",
    email: str = "",
    ticket: str = "",
    notice: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    context = {
        "begin_address": openid.begin_address,
        "email": email,
        "next": next,
        "notice": notice,
        "problem": problem,
        "providers": _providers(),
        "root": SIGN_IN,
        "ticket": ticket,
    }
    return page(request, "sign_in.html", context, status)


def _providers() -> Mapping[str, Mapping[str, Any]]:
    """The providers to offer; none where their settings can't be read: who has a password still comes in."""
    try:
        return providers()
    except SettingsError as error:
        logger.error("openid unreadable", extra={"code": error.code, "reason": error.message})
        return {}
