"""What somebody pastes into a search: the id in it, whatever stands around it, or an amount. No I/O."""

from __future__ import annotations

import re
from typing import Final

from lumira.order_filter import WORD_JOINER

# What Stripe's ids begin with; charges and refunds by other means than cards have prefixes of their own, and
# disputes have either of two.
CHARGES: Final = ("ch_", "py_")
REFUNDS: Final = ("re_", "pyr_")
DISPUTES: Final = ("du_", "dp_")
# Which order these are of, only Stripe knows.
AT_STRIPE: Final = (*CHARGES, *REFUNDS, *DISPUTES)
EVENTS: Final = ("evt_",)
PAYOUTS: Final = ("po_",)
_PREFIXES: Final = "|".join(("pi_", "free_", *AT_STRIPE, *EVENTS, *PAYOUTS))
_ID: Final = re.compile(rf"(?<![A-Za-z0-9_])(?:(?:{_PREFIXES})\w+|[0-9a-f]{{24}}(?!\w))", re.ASCII)
# Digits alone may begin an order's id: money has a sign of its own, or cents.
_EURO: Final = "(?:€|eur|euros?)"
_MONEY: Final = re.compile(rf"{_EURO}\s*\d[\d.,]*|\d[\d.,]*\s*{_EURO}|\d+[.,]\d\d", re.IGNORECASE)
# As receipts and banks write them, behind signs for the digits they hide.
_LAST4: Final = re.compile(r"(?:[•·*.xX\s-]*)(\d{4})", re.ASCII)


def last4_in(typed: str) -> str | None:
    """The last four digits of a card: `4242`, `•••• 4242`, `xxxx-4242`; None for anything else."""
    found = _LAST4.fullmatch(typed.strip())
    return found[1] if found else None


def id_in(pasted: str) -> str | None:
    """The id of an order, or of Stripe's PaymentIntent, charge, refund, dispute, event or payout; else None.

    It is found in the address of a page, among words, broken by spaces, and in a client secret, of which
    only the PaymentIntent is left.
    """
    pasted = pasted.replace(WORD_JOINER, "")
    found = _ID.fullmatch("".join(pasted.split())) or _ID.search(pasted)
    return found[0].partition("_secret_")[0] if found else None


def money_in(typed: str) -> str | None:
    """The figures of an amount in euros, as typed: `47 €`, `€47`, `47,00`, `47.00 EUR`; else None."""
    bare = " ".join(typed.split())
    return re.sub(r"[^\d.,]", "", bare) if _MONEY.fullmatch(bare) else None
