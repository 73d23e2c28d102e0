"""How often one caller's address may ask."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Collection
from typing import Final

import limits
from fastapi import Request
from limits.strategies import MovingWindowRateLimiter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira import desk as desks
from lumira.api.addresses import caller_address
from lumira.api.paths import path_below
from lumira.api.request_id import PROBES
from lumira.api.responses import response_to
from lumira.errors import RateLimited
from lumira.events import WEBHOOK_PATHS
from lumira.rate_limits import RecentCalls, limited_network
from lumira.settings import Settings

# Whoever watches us must not be told that we are down because it watches closely.
EXEMPT: Final = frozenset(PROBES)
# Where Stripe delivers, below /api.
WEBHOOKS: Final = tuple(path.removeprefix("/api") for path in WEBHOOK_PATHS)

_rate: Final = functools.cache(limits.parse)


def refuse_program(request: Request, seconds: int) -> Response:
    """The contract's 429, for a program that may ask again in so many seconds."""
    message = f"Too many requests from your address. Try again in {seconds} s."
    return response_to(request, RateLimited(message))


class RateLimit:
    """Answers 429 to a caller's address that asks more often than LUMIRA_RATE_LIMIT allows.

    The webhook has a rate of its own, LUMIRA_WEBHOOK_RATE_LIMIT. Requests are counted over a moving window,
    in this process: each of several workers counts its own, so N of them let up to N times the rate pass.
    `refuse` makes the answer, with the seconds to wait, to which Retry-After is added; requests for `exempt`
    paths are not counted.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        refuse: Callable[[Request, int], Response] = refuse_program,
        exempt: Collection[str] = EXEMPT,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._exempt = exempt
        # Asked on the event loop only: the storage is not made for several threads.
        self._limiter = MovingWindowRateLimiter(RecentCalls())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts the request, and passes it on or refuses it."""
        path = path_below(scope)
        if scope["type"] != "http" or path in self._exempt:
            await self._app(scope, receive, send)
            return
        seconds = self._seconds_to_wait(scope, path, desks.current().settings)
        if seconds == 0:
            await self._app(scope, receive, send)
            return
        response = self._refuse(Request(scope), seconds)
        response.headers["Retry-After"] = str(seconds)
        await response(scope, receive, send)

    def _seconds_to_wait(self, scope: Scope, path: str, settings: Settings) -> int:
        """How long until the caller may ask again; 0 when it may now."""
        is_webhook = path in WEBHOOKS
        rate = _rate(settings.webhook_rate_limit if is_webhook else settings.rate_limit)
        address = caller_address(scope, settings.trusted_proxies)
        caller = limited_network(address) if address else "local"
        kind = "webhook" if is_webhook else "api"
        if self._limiter.hit(rate, kind, caller):
            return 0
        reset = self._limiter.get_window_stats(rate, kind, caller).reset_time
        return max(1, math.ceil(reset - time.time()))
