"""Stripe's balance transactions, read no faster than Stripe allows.

https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lumira.stripe_pace import Pace

if TYPE_CHECKING:
    from lumira.stripe_gateway import StripeGateway


def balance_transactions(gateway: StripeGateway, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Every balance transaction booked from `start` to before `end` (UTC, whole seconds), newest first, its
    source expanded. Raises StripeError; StripeRateLimited only after having waited longer and longer.
    """
    pace, starting_after = Pace(), None
    while True:
        page, more = pace.ask(gateway.list_balance_transactions, start, end, starting_after)
        yield from page
        if not more:
            return
        starting_after = page[-1]["id"]
