"""Stripe's balance transactions, read no faster than Stripe allows.

https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lumira.stripe_pace import Pace, every_page

if TYPE_CHECKING:
    from lumira.stripe_gateway import StripeGateway


# Stripe's reporting category by what it is to a reader.
_KINDS: Final[Mapping[str, str]] = {
    "charge": "charges",
    "refund": "refunds",
    "refund_failure": "refunds",
    # Stripe books a payment captured in part whole, then takes the rest back, as a refund.
    "partial_capture_reversal": "refunds",
    "dispute": "disputes",
    "dispute_reversal": "disputes",
    "payout": "payouts",
    "payout_reversal": "payouts",
    "fee": "fees",
}


def kind_of(transaction: Mapping[str, Any]) -> str:
    """What a balance transaction is to a reader: charges, refunds, disputes, fees, payouts or other."""
    return _KINDS.get(transaction["reporting_category"], "other")


def balance_transactions(gateway: StripeGateway, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Every balance transaction booked from `start` to before `end` (UTC, whole seconds), newest first, its
    source expanded. Raises StripeError; StripeRateLimited only after having waited longer and longer.
    """
    for page in every_page(partial(Pace().ask, gateway.list_balance_transactions, start, end)):
        yield from page
