"""What every answer tells a browser to forbid: OWASP's secure headers, as strict as each part allows.

https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from importlib.resources import files
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumira import desk as desks
from lumira.api.addresses import is_https
from lumira.api.paths import is_within

# Answers that are no pages: whatever is in them, nothing of it runs or loads.
_NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_CHECKOUT: Final = ("/checkout",)
# What browsers offer to pages and no page of ours needs; wallets on the customer's page need two of them.
_UNUSED: Final = (
    "accelerometer",
    "browsing-topics",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "serial",
    "usb",
)
_WALLETS: Final = ("payment", "publickey-credentials-get")
_YEAR_SECONDS: Final = 31_536_000


class SecurityHeaders:
    """Puts the headers on every answer; what a route says itself about content and caching stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and completes the head of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), scope)
            await send(message)

        await self._app(scope, receive, send_completed)


def _complete(headers: MutableHeaders, scope: Scope) -> None:
    path = scope["path"]
    is_checkout = is_within(path, _CHECKOUT)
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Content-Security-Policy", dashboard_policy() if is_page else _NOTHING)
    headers.setdefault("Referrer-Policy", "same-origin")
    headers["X-Content-Type-Options"] = "nosniff"
    # For browsers that don't know frame-ancestors.
    headers["X-Frame-Options"] = "DENY"
    denied = _UNUSED if is_checkout else (*_UNUSED, *_WALLETS)
    headers["Permissions-Policy"] = ", ".join(f"{name}=()" for name in denied)
    # A wallet may open a window of its own that reports back.
    headers["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups" if is_checkout else "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Orders must not stay in the cache of a shared computer, downloads of them neither.
    if path.startswith("/media/"):
        headers["Cache-Control"] = "no-store"
    headers.setdefault("Cache-Control", "no-store")
    if is_https(scope, desks.current().settings.trusted_proxies):
        headers["Strict-Transport-Security"] = f"max-age={_YEAR_SECONDS}"


@functools.cache
def dashboard_policy() -> str:
    """What pages of the dashboard may load: from here alone, and of inline scripts those Streamlit ships.

    Streamlit, its tables and charts write styles as they run, and what they read comes through WebAssembly:
    that is allowed, text that becomes a script by `eval` is not.
    """
    index = (files("streamlit") / "static" / "index.html").read_text(encoding="utf-8")
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self' 'wasm-unsafe-eval'", *script_hashes(index)]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "media-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def script_hashes(page: str) -> list[str]:
    """The sources, as a policy names them, of the scripts that stand in a page itself.

    https://www.w3.org/TR/CSP3/#external-hash
    """
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL | re.IGNORECASE)
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
