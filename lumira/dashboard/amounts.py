"""Amounts of money as people type them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from lumira.money import decimals

_AMOUNT: Final = re.compile(r"(\d{1,12})(?:[.,](\d+))?")


def minor_units(typed: str, currency: str) -> int | None:
    """The amount in minor units, None for what is no amount: both `20,50 €` and `20.50` are 2050 in EUR.

    Point and comma both stand before the decimals; as thousands they would give more decimals than the
    currency has, which is no amount.
    """
    bare = re.sub(rf"[\s\u00a0\u202f€$£¥]|{re.escape(currency)}", "", typed, flags=re.IGNORECASE)
    match = _AMOUNT.fullmatch(bare)
    if match is None:
        return None
    amount = Decimal(f"{match[1]}.{match[2] or 0}").scaleb(decimals(currency))
    return int(amount) if amount == amount.to_integral_value() else None
