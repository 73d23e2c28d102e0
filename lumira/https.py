"""Asking over https: whom to trust, and why nothing came of it."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping

import httpx


@functools.cache
def authorities() -> ssl.SSLContext:
    """The certificate authorities we trust, read once: to read them takes longer than most requests.

    The public ones, as Stripe does, or those that `SSL_CERT_FILE` names.
    """
    return httpx.create_ssl_context()


def json_object(address: str, seconds: float) -> Mapping[str, object] | str:
    """The JSON object at an address, empty for other JSON; why there is none, in a few words, for all else.

    `seconds` is how long it is waited for.
    """
    try:
        answer = httpx.get(address, timeout=seconds, verify=authorities())
        found = answer.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return why_unanswered(error)
    return found if isinstance(found, dict) else {}


def why_unanswered(error: Exception) -> str:
    """In a few words, what is behind a request that came to nothing."""
    failure = unsafe(error)
    if failure is not None and (reason := getattr(failure, "verify_message", None) or failure.reason):
        return str(reason)
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return type(error).__name__


def unsafe(error: BaseException | None) -> ssl.SSLError | None:
    """Why there is no safe connection, where that is what is behind an error."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
