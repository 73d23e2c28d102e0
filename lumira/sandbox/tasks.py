"""What happens later, by itself: the name a Call uses, and what is done then."""

from __future__ import annotations

from collections.abc import Callable

from lumira.sandbox import payments
from lumira.sandbox.call import Call

TASKS: dict[str, Callable[[Call, str], None]] = {
    "settle_charge": payments.settle_charge_later,
    "settle_debit": payments.settle_debit,
}
