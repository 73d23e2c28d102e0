"""Stripe's balance transactions, read no faster than Stripe allows.

https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from lumira.errors import StripeRateLimited

if TYPE_CHECKING:
    from lumira.stripe_gateway import StripeGateway

# https://docs.stripe.com/rate-limits allows 25 in a sandbox: the rest is for customers.
_REQUESTS_PER_SECOND: Final = 20
_ATTEMPTS: Final = 5


def balance_transactions(gateway: StripeGateway, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Every balance transaction booked from `start` to before `end` (UTC, whole seconds), newest first, its
    source expanded. Raises StripeError; StripeRateLimited only after having waited longer and longer.
    """
    starting_after = None
    while True:
        page, more = _page(gateway, start, end, starting_after)
        yield from page
        if not more:
            return
        starting_after = page[-1]["id"]


def _page(
    gateway: StripeGateway, start: datetime, end: datetime, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    for attempt in range(_ATTEMPTS):
        time.sleep(1 / _REQUESTS_PER_SECOND if starting_after else 0)
        try:
            return gateway.list_balance_transactions(start, end, starting_after)
        except StripeRateLimited:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)
    raise AssertionError("unreachable")
