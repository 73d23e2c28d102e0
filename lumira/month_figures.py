"""The figures of a month, ours beside Stripe's: lines by level, what differs by order, Stripe's balance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

# The kinds of movement of Stripe's balance, as a reader is told of them.
KINDS: Final = ("charges", "refunds", "disputes", "fees", "other", "payouts")
# A balance line by line: what the month brought stands before what was paid out of it.
BALANCE_LINES: Final = (*KINDS[:-1], "earned", KINDS[-1])


@dataclass
class Line:
    """One level in one currency, minor units: ours beside Stripe's. Refunds are positive on both sides."""

    level: str
    currency: str
    orders: int = 0
    gross: int = 0
    stripe_gross: int = 0
    refunds: int = 0
    stripe_refunds: int = 0

    @property
    def net(self) -> int:
        """Our gross less our refunds."""
        return self.gross - self.refunds

    @property
    def stripe_net(self) -> int:
        """Stripe's charges less its refunds."""
        return self.stripe_gross - self.stripe_refunds

    @property
    def difference(self) -> int:
        """Our net less Stripe's."""
        return self.net - self.stripe_net


@dataclass(frozen=True)
class OrderDifference:
    """An order whose sale or refunds are not Stripe's; minor units of `currency`, `kind` gross or refunds.

    `order_id` is None for a payment that no order knows. `cause` is amount, not_at_stripe, no_order, unpaid,
    other_month, unknown_refund or refund_failed; empty in a month that was closed before causes were told.
    """

    kind: str
    level: str
    currency: str
    payment_intent_id: str | None
    order_id: str | None
    ours: int
    stripes: int
    cause: str = ""


@dataclass
class Balance:
    """What moved Stripe's balance in one currency, minor units, signs as Stripe has them: `amounts` by kind
    of KINDS, fees negative. Their sum without the payouts is what the month brought.
    """

    currency: str
    amounts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    @property
    def earned(self) -> int:
        """What is left of the month: charges less refunds, disputes and fees."""
        return sum(amount for kind, amount in self.amounts.items() if kind != "payouts")

    def amount(self, line: str) -> int:
        """The amount of one of BALANCE_LINES, in minor units."""
        return self.earned if line == "earned" else self.amounts[line]


@dataclass
class MonthFigures:
    """A month, `2026-10`, as it was compared at `made_at` (UTC); `closed_by` is None while it is open."""

    month: str
    made_at: datetime
    lines: list[Line] = field(default_factory=list)
    differences: list[OrderDifference] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    difference_count: int = 0
    transactions: int = 0
    closed_by: str | None = None

    @property
    def is_closed(self) -> bool:
        """Whether somebody signed it."""
        return self.closed_by is not None

    def totals(self) -> list[Line]:
        """The lines of each currency added up, their level `total`."""
        sums: dict[str, Line] = {}
        for line in self.lines:
            total = sums.setdefault(line.currency, Line("total", line.currency))
            for name in ("orders", "gross", "stripe_gross", "refunds", "stripe_refunds"):
                setattr(total, name, getattr(total, name) + getattr(line, name))
        return list(sums.values())

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> MonthFigures:
        """A closed month as it is stored; what a later version keeps beside is left out."""
        parts = {
            "lines": [Line(**_known(Line, line)) for line in stored["lines"]],
            "differences": [
                OrderDifference(**_known(OrderDifference, difference)) for difference in stored["differences"]
            ],
            "balances": [Balance(**_known(Balance, balance)) for balance in stored["balances"]],
        }
        return cls(**_known(cls, stored) | parts)


def _known(form: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(form)}
    return {name: value for name, value in stored.items() if name in names}


@dataclass(frozen=True)
class LateChange:
    """A figure that a closed month would have now: `figure` is gross or refunds, minor units."""

    level: str
    currency: str
    figure: str
    closed: int
    now: int
