"""Stripe's balance transactions, read no faster than Stripe allows.

https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from lumira.stripe_pace import Pace, every_page

if TYPE_CHECKING:
    from lumira.stripe_gateway import StripeGateway


def balance_transactions(gateway: StripeGateway, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Every balance transaction booked from `start` to before `end` (UTC, whole seconds), newest first, its
    source expanded. Raises StripeError; StripeRateLimited only after having waited longer and longer.
    """
    for page in every_page(partial(Pace().ask, gateway.list_balance_transactions, start, end)):
        yield from page
