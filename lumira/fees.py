"""What Stripe keeps of each payment, noted on the orders.

Stripe works a fee out a moment after the payment, and no event of the contract tells it. So the movements of
Stripe's balance are followed, some days at a time from the first order on, a hundred fees a request.
https://docs.stripe.com/api/balance_transactions/object#balance_transaction_object-fee
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from lumira.balance import balance_transactions

if TYPE_CHECKING:
    from lumira.storage import FeesRead, Orders, RevenueRows
    from lumira.stripe_gateway import StripeGateway

# So much is read at once: more after days with few payments, less after days with many.
_LEAST, _MOST = timedelta(days=1), timedelta(days=30)
_MANY: Final = 100
# What is booked may show a little later among the movements, and no two clocks agree.
_OVERLAP: Final = timedelta(hours=1)
# How long nobody asks again, once everything was read or Stripe did not answer.
_REST_SECONDS: Final = 300


class Fees:
    """Reads the fees of payments. `changed` is told when the orders count whose fee was read (UTC)."""

    def __init__(
        self,
        orders: Orders,
        rows: RevenueRows,
        read: FeesRead,
        gateway: StripeGateway,
        *,
        changed: Callable[[set[datetime]], None],
    ) -> None:
        self._orders = orders
        self._rows = rows
        self._read = read
        self._gateway = gateway
        self._changed = changed
        self._lock = threading.Lock()
        self._rest_until = 0.0

    def follow(self, seconds: float) -> None:
        """Reads on where it stopped, for about so many seconds, then rests for minutes once it is up to date.

        Safe to do in several processes at once and to kill at any moment. Raises StoreUnavailable and
        StripeError; what was read until then stays.
        """
        with self._lock:
            if time.monotonic() < self._rest_until:
                return
            deadline = time.monotonic() + seconds
            self._rest_until = time.monotonic() + _REST_SECONDS
            now = datetime.now(UTC)
            read = self._read.until()
            # Where nothing was sold there is nothing to read.
            start = read or self._rows.first_instant()
            step = _LEAST
            while start < now:
                end = min(start + step, now)
                found = self._note(start - _OVERLAP, end + _OVERLAP)
                if not self._read.advance(read, end) or time.monotonic() > deadline:
                    self._rest_until = 0.0
                    return
                start = read = end
                step = min(step * 2, _MOST) if found < _MANY else _LEAST

    def read_anew(self) -> None:
        """Has everything read again, at once, for orders that came in dated to days already read.

        Raises StoreUnavailable.
        """
        self._read.forget()
        self._rest_until = 0.0

    def _note(self, start: datetime, end: datetime) -> int:
        fees = {}
        for transaction in balance_transactions(self._gateway, start, end):
            source = transaction.get("source")
            if transaction["reporting_category"] == "charge" and isinstance(source, Mapping):
                fees[str(source.get("payment_intent"))] = _fee(transaction)
        if fees:
            self._orders.note_fees(fees)
            # All of them, not those alone whose fee was news: whoever was killed between these two lines has
            # not advanced, so somebody reads the same balance transactions again, and then no fee is news.
            self._changed(self._rows.instants(list(fees)))
        return len(fees)


def _fee(transaction: Mapping[str, Any]) -> tuple[int, str]:
    """The fee in minor units of the balance's currency, which need not be that of the sale."""
    return int(transaction["fee"]), str(transaction["currency"])
