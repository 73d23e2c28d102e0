"""How fast Stripe is asked by what asks much of it: no faster than it allows, later when it asks for that.

https://docs.stripe.com/rate-limits
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from lumira.errors import StripeRateLimited

# Stripe allows 100 a second in live mode and 25 in a sandbox: the rest is for customers.
_REQUESTS_PER_SECOND: Final = 20
_ATTEMPTS: Final = 6

Answer = TypeVar("Answer")


class Pace:
    """Keeps the requests of one walk through Stripe's lists apart."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._asked_at = 0.0

    def ask(self, question: Callable[..., Answer], *arguments: Any) -> Answer:
        """What the question answers, asked again, later and later, while Stripe says to slow down.

        Raises what the question raises; StripeRateLimited only after half a minute of asking again.
        """
        for attempt in range(_ATTEMPTS):
            wait = self._asked_at + 1 / _REQUESTS_PER_SECOND - time.monotonic()
            if wait > 0:
                self._sleep(wait)
            self._asked_at = time.monotonic()
            try:
                return question(*arguments)
            except StripeRateLimited:
                if attempt == _ATTEMPTS - 1:
                    raise
                self._sleep(2**attempt)
        raise AssertionError("unreachable")
