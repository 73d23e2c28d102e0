"""Money is an integer in minor units beside its currency; this module knows what is one, counts decimals and
writes text.

Which currencies have none, two or three decimals is Stripe's list, not ISO 4217's (to Stripe, UGX has two):
https://docs.stripe.com/currencies#zero-decimal
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeGuard

from babel.numbers import format_currency

ZERO_DECIMAL_CURRENCIES: Final = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
THREE_DECIMAL_CURRENCIES: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# Every amount lies below it: the most that Stripe charges has twelve digits, in rupiahs, and the sum of a few
# larger ones does not fit into the 64 bits of the store's whole numbers.
# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
AMOUNT_LIMIT: Final = 10**12


def is_amount(value: object) -> TypeGuard[int]:
    """Whether Stripe may have stated it as minor units: whole, of twelve digits at most, not below zero."""
    # The store's driver has a class of its own for whole numbers beyond 32 bits; True is one to Python.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < AMOUNT_LIMIT


def check_amount(name: str, value: object) -> None:
    """Raises ValueError, with the name of what holds it, for what Stripe can't have stated as minor units."""
    if not is_amount(value):
        raise ValueError(f"{name}: not a number of minor units")


def currency_code(value: object) -> str | None:
    """A currency's code of three letters in lower case, as Stripe writes it; None for what is none."""
    is_code = isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha()
    return str(value).lower() if is_code else None


def decimals(currency: str) -> int:
    """How many decimals Stripe counts in the minor unit of `currency` (any case)."""
    code = currency.lower()
    if code in ZERO_DECIMAL_CURRENCIES:
        return 0
    return 3 if code in THREE_DECIMAL_CURRENCIES else 2


def major_units(amount: int, currency: str) -> Decimal:
    """`amount` in minor units as an exact decimal number of `currency`: 4700, eur → 47.00; 500, jpy → 500."""
    return Decimal(amount).scaleb(-decimals(currency))


def format_money(amount: int, currency: str, language: str) -> str:
    """`amount` in minor units as people write it: `47,00 €` in French, `€47.00` in English.

    Less than nothing has the sign for minus, as wide as a figure, not a hyphen.
    """
    digits = decimals(currency)
    pattern = {
        "fr": "#,##0{0}\u00a0¤;\u2212#,##0{0}\u00a0¤",
        "en": "¤#,##0{0};\u2212¤#,##0{0}",
    }[language].format("." + "0" * digits if digits else "")
    return format_currency(
        major_units(amount, currency),
        currency.upper(),
        format=pattern,
        locale=language,
        currency_digits=False,
    )
