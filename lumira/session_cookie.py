"""The cookie that carries a session: signed, so that a forged one costs no look-up in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from itsdangerous import BadSignature, Signer
from starlette.responses import Response

COOKIE: Final = "lumira_session"
# A browser takes a cookie of this name over https alone, from this host alone, and for all its paths:
# https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
SECURE_COOKIE: Final = f"__Host-{COOKIE}"

_SALT: Final = "lumira.session"


def session_token(cookies: Mapping[str, str], key: bytes, *, secure: bool) -> str | None:
    """The token in these cookies, None without one or with one that we have not signed.

    `secure` says whether the request came over https: then only the cookie that can come that way counts.
    """
    signed = cookies.get(SECURE_COOKIE if secure else COOKIE, "")
    try:
        return _signer(key).unsign(signed).decode()
    except (BadSignature, UnicodeError):
        return None


def set_session(response: Response, token: str, key: bytes, *, secure: bool, seconds: int) -> None:
    """Has the browser keep the token for that many seconds, out of reach of scripts and of other sites."""
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        _signer(key).sign(token).decode(),
        max_age=seconds,
        secure=secure,
        httponly=True,
        # Lax, not strict: a link in an e-mail of the house opens an order at once.
        samesite="lax",
    )


def forget_session(response: Response, *, secure: bool) -> None:
    """Has the browser forget the token."""
    response.delete_cookie(SECURE_COOKIE if secure else COOKIE, secure=secure, httponly=True, samesite="lax")


def _signer(key: bytes) -> Signer:
    return Signer(key, salt=_SALT, key_derivation="hmac", digest_method=hashlib.sha256)
