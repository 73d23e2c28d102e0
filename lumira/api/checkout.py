"""The customer's page under /checkout: the only one outside the desk, and the only one with Stripe.js."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lumira import desk as desks
from lumira.api import pages
from lumira.api.languages import language_of
from lumira.api.pages import page, pages_application
from lumira.checkout import CheckoutState, CheckoutView
from lumira.desk import Desk
from lumira.errors import LumiraError, OrderNotFound, RateLimited
from lumira.metrics import REFUSALS
from lumira.money import format_money
from lumira.texts import is_known, translate

logger: Final = logging.getLogger("lumira.checkout")

ROOT: Final = "/checkout"
HEADERS: Final = pages.HEADERS | {"Referrer-Policy": "no-referrer"}
# While the bank has not answered the page asks again by itself.
REFRESH_SECONDS: Final = 5
# Why the issuer says no to these is not for whoever holds the card:
# https://docs.stripe.com/declines/codes
_KEPT_TO_OURSELVES: Final = frozenset(
    {"fraudulent", "lost_card", "merchant_blacklist", "pickup_card", "restricted_card", "stolen_card"}
)


def checkout_application() -> Starlette:
    """The application of /checkout; it asks `lumira.desk.current()` on each request."""
    return pages_application(
        Route("/{order}", show),
        Route("/{rest:path}", unknown),
        busy=busy,
        failed=failed,
    )


def show(request: Request) -> Response:
    """What the holder of the link sees: the way to pay, or how the payment stands."""
    order_id, token = request.path_params["order"], request.query_params.get("token", "")
    if set(request.query_params) - {"token"}:
        # Stripe.js comes back from a bank's page with the client secret in the address: it leaves it at once.
        # By its path alone: only the proxy before us knows whether its address begins with https.
        return RedirectResponse(f"{request.url.path}?{urlencode({'token': token})}", 303, HEADERS)
    desk = desks.current()
    try:
        view = desk.checkout.view(order_id, token)
    except OrderNotFound:
        return unknown(request)
    except LumiraError as error:
        logger.warning("checkout unavailable", extra={"code": error.code, "reason": error.message})
        return _answer(request, "unavailable", status=503)
    status = 503 if view.state is CheckoutState.UNAVAILABLE else 200
    return _answer(request, str(view.state), desk, view, status=status)


def unknown(request: Request) -> Response:
    """The same for every link that is none, so that nothing can be learned by trying."""
    return _answer(request, "unknown", status=404)


def busy(request: Request, seconds: int) -> Response:
    """For an address that asks too often: calm words, and the page comes back by itself."""
    REFUSALS.labels(RateLimited.code).inc()
    return _answer(request, "busy", status=RateLimited.status, refresh=seconds)


def failed(request: Request) -> Response:
    """Where our own code fails in a way nobody foresaw."""
    return _answer(request, "unavailable", status=500)


def stripe_js(desk: Desk) -> str:
    """Where Stripe.js is loaded from: Stripe, in the release of our API version, or the sandbox's stand-in.

    https://docs.stripe.com/sdks/stripejs-versioning
    """
    if desk.gateway.is_sandbox:
        return f"{desk.settings.stripe_api_base}/js/stripe.js"
    return f"https://js.stripe.com/{desk.gateway.api_version.rpartition('.')[2]}/stripe.js"


def content_security_policy(desk: Desk | None) -> str:
    """What the page may load; Stripe's part only where Stripe.js is, that is with a `desk`.

    https://docs.stripe.com/security/guide#content-security-policy
    """
    none = " 'none'"
    script, connect, frame = "", none, none
    if desk and desk.gateway.is_sandbox:
        script = connect = frame = f" {desk.settings.stripe_api_base}"
    elif desk:
        script = " https://js.stripe.com https://*.js.stripe.com"
        connect = " https://api.stripe.com"
        frame = " https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self'{script}",
            # Payment Element and stand-in set styles of their own.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            f"connect-src{connect}",
            f"frame-src{frame}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _answer(
    request: Request,
    state: str,
    desk: Desk | None = None,
    view: CheckoutView | None = None,
    *,
    status: int = 200,
    refresh: int | None = None,
) -> Response:
    language = language_of(request.headers.get("accept-language", ""))

    payable = view is not None and view.state.is_payable
    # A page that can't be paid on loads nothing of Stripe's.
    policy = content_security_policy(desk if payable else None)
    context = {
        "amount": format_money(view.amount, view.currency, language) if view else "",
        "desk": desk,
        "payable": payable,
        "reason": _reason(language, view.failure_code) if view and view.state is CheckoutState.FAILED else "",
        "refresh": REFRESH_SECONDS if state == CheckoutState.PROCESSING else refresh,
        "root": ROOT,
        "state": state,
        "stripe_js": stripe_js(desk) if desk and payable else "",
        "view": view,
    }
    return page(request, "checkout.html", context, status, HEADERS | {"Content-Security-Policy": policy})


def _reason(language: str, code: str | None) -> str:
    """Why the last try failed, in the customer's words."""
    name = f"checkout.declined.{code}"
    known = code not in _KEPT_TO_OURSELVES and is_known(name)
    return translate(language, name if known else "checkout.declined.other")
