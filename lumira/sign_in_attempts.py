"""How often passwords and codes may be tried, before the answer is no without looking."""

from __future__ import annotations

import math
import threading
import time
from ipaddress import ip_address
from typing import Final

import limits
from limits.strategies import MovingWindowRateLimiter

from lumira.errors import TooManyAttempts
from lumira.rate_limits import RecentCalls, limited_network

# Guesses that one account may get from one address, one address may make, and one account may get at all.
# The last keeps a crowd of addresses from guessing; whoever it also keeps out can come back soon.
_PER_PAIR: Final = limits.parse("5/5 minutes")
_PER_ADDRESS: Final = limits.parse("60/5 minutes")
_PER_ACCOUNT: Final = limits.parse("40/10 minutes")


class Attempts:
    """Counts attempts over a moving window, in the memory of this process.

    That is enough: one process alone serves the sign-in. A restart forgets them, but takes too long for an
    attacker to gain from it.
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(RecentCalls())
        # The storage is not made for several threads.
        self._lock = threading.Lock()

    def count(self, email: str, address: str) -> None:
        """Counts one more, from an IP address or another name of where it comes from.

        Raises TooManyAttempts, for unknown accounts as for known ones.
        Called before the answer is known: of many guesses sent at once all would be let through otherwise.
        """
        caller = _caller(address)
        counted = ((_PER_PAIR, "pair", f"{email} {caller}"), (_PER_ADDRESS, "address", caller))
        for rate, kind, who in (*counted, (_PER_ACCOUNT, "account", email)):
            with self._lock:
                if self._limiter.hit(rate, kind, who):
                    continue
                reset = self._limiter.get_window_stats(rate, kind, who).reset_time
            raise TooManyAttempts(
                "Too many attempts. Wait a few minutes.", retry_after=max(1, math.ceil(reset - time.time()))
            )

    def forgive(self, email: str, address: str) -> None:
        """Forgets what was counted for a person who has got it right: they may mistype again tomorrow."""
        with self._lock:
            self._limiter.clear(_PER_PAIR, "pair", f"{email} {_caller(address)}")


def _caller(address: str) -> str:
    try:
        return limited_network(ip_address(address))
    except ValueError:
        return address
