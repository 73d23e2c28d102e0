"""The test cards and bank accounts of cards.toml.

A card is known by its number (typed into the stand-in for Stripe.js) or by the id of its test PaymentMethod.
A PaymentMethod made from it carries the card's fingerprint, and by that its behaviour is known later.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TABLE = tomllib.loads(Path(__file__).with_name("cards.toml").read_text(encoding="utf-8"))


def fingerprint(number: str) -> str:
    """Stripe's name for a card or an account, the same wherever its number shows up, without telling it."""
    return hashlib.sha256(number.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Decline:
    """What a declined card answers."""

    decline_code: str
    code: str = "card_declined"
    message: str = "Your card was declined."
    param: str | None = None
    advice_code: str | None = "try_again_later"
    blocked: bool = False
    """By Radar, before the bank was asked."""


@dataclass(frozen=True)
class Card:
    """A test card: what it looks like, and what becomes of a payment with it."""

    number: str
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    decline: str | None = None
    """A key of DECLINES."""
    authentication: Literal["none", "optional", "unless_set_up", "required"] = "none"
    dispute: str | None = None
    """fraudulent, product_not_received, or inquiry."""
    refund: Literal["succeeded", "pending", "failed"] = "succeeded"
    risk_level: str = "normal"
    cvc_check: str = "pass"
    postal_code_check: str | None = None
    available_at_once: bool = False


DECLINES = {code: Decline(code, **fields) for code, fields in TABLE["declines"].items()}
CARDS = {f"pm_card_{name}": Card(**fields) for name, fields in TABLE["cards"].items()}
CARDS |= {
    name.replace("pm_card_chargeDeclined", "pm_card_visa_chargeDeclined"): card
    for name, card in CARDS.items()
    if name.startswith("pm_card_chargeDeclined")
}
BY_NUMBER = {card.number: card for card in CARDS.values()}
BY_FINGERPRINT = {fingerprint(card.number): card for card in CARDS.values()}
BANK_ACCOUNTS: dict[str, str] = TABLE["bank_accounts"]
"""IBAN → what becomes of a debit: succeeded or failed."""
DEBITS = {fingerprint(iban): outcome for iban, outcome in BANK_ACCOUNTS.items()}


def passes_luhn(number: str) -> bool:
    """Whether a card number's check digit is right."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0
