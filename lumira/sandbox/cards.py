"""The test cards and what each one does. https://docs.stripe.com/testing.

A card is known by its number (typed into the stand-in for Stripe.js) or by the id of its test PaymentMethod.
A PaymentMethod made from it carries the card's fingerprint, and by that its behaviour is known later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Authentication = Literal["none", "optional", "unless_set_up", "required"]
RefundOutcome = Literal["succeeded", "pending", "failed"]


@dataclass(frozen=True)
class Decline:
    """What a declined card answers. https://docs.stripe.com/declines/codes."""

    code: str
    decline_code: str
    message: str = "Your card was declined."
    param: str | None = None
    advice_code: str | None = "try_again_later"
    blocked: bool = False  # by Radar, before the bank was asked


DECLINES = {
    decline.decline_code: decline
    for decline in (
        Decline("card_declined", "generic_decline"),
        Decline("card_declined", "insufficient_funds", "Your card has insufficient funds."),
        Decline("card_declined", "lost_card", advice_code="do_not_try_again"),
        Decline("card_declined", "stolen_card", advice_code="do_not_try_again"),
        Decline("card_declined", "fraudulent", advice_code="do_not_try_again", blocked=True),
        Decline(
            "card_declined",
            "card_velocity_exceeded",
            "Your card was declined for making repeated attempts too frequently or exceeding its amount "
            "limit.",
        ),
        Decline(
            "expired_card",
            "expired_card",
            "Your card has expired.",
            "exp_month",
            advice_code="do_not_try_again",
        ),
        Decline(
            "incorrect_cvc",
            "incorrect_cvc",
            "Your card's security code is incorrect.",
            "cvc",
            advice_code="confirm_card_data",
        ),
        Decline(
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
        Decline(
            "authentication_required",
            "authentication_required",
            "Your card was declined. This transaction requires authentication.",
        ),
    )
}


@dataclass(frozen=True)
class Card:
    """A test card: what it looks like, and what becomes of a payment with it."""

    number: str
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    decline: str | None = None  # a key of DECLINES
    authentication: Authentication = "none"
    dispute: str | None = None  # "fraudulent", "product_not_received", or "inquiry"
    refund: RefundOutcome = "succeeded"
    risk_level: str = "normal"
    cvc_check: str = "pass"
    postal_code_check: str | None = None
    available_at_once: bool = False

    @property
    def last4(self) -> str:
        """The last four digits."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """Stripe's name for a card number, the same wherever the number shows up."""
        return fingerprint(self.number)


def fingerprint(number: str) -> str:
    """Sixteen characters that stand for a number without telling it."""
    return hashlib.sha256(number.encode()).hexdigest()[:16]


def _decline(number: str, decline: str) -> Card:
    return Card(number, decline=decline)


# Test PaymentMethod → card. Stripe documents some ids with the brand in them and some without; both work
# here.
CARDS = {
    "pm_card_visa": Card("4242424242424242"),
    "pm_card_visa_debit": Card("4000056655665556", funding="debit"),
    "pm_card_mastercard": Card("5555555555554444", brand="mastercard"),
    "pm_card_mastercard_debit": Card("5200828282828210", brand="mastercard", funding="debit"),
    "pm_card_mastercard_prepaid": Card("5105105105105100", brand="mastercard", funding="prepaid"),
    "pm_card_amex": Card("378282246310005", brand="amex"),
    "pm_card_discover": Card("6011111111111117", brand="discover"),
    "pm_card_diners": Card("3056930009020004", brand="diners"),
    "pm_card_jcb": Card("3566002020360505", brand="jcb"),
    "pm_card_unionpay": Card("6200000000000005", brand="unionpay"),
    "pm_card_us": Card("4242424242424242"),
    "pm_card_fr": Card("4000002500000003", country="FR"),
    "pm_card_de": Card("4000002760000016", country="DE"),
    "pm_card_es": Card("4000007240000007", country="ES"),
    "pm_card_it": Card("4000003800000008", country="IT"),
    "pm_card_be": Card("4000000560000004", country="BE"),
    "pm_card_ch": Card("4000007560000009", country="CH"),
    "pm_card_gb": Card("4000008260000000", country="GB"),
    "pm_card_ca": Card("4000001240000000", country="CA"),
    "pm_card_chargeDeclined": _decline("4000000000000002", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": _decline("4000000000009995", "insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": _decline("4000000000009987", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": _decline("4000000000009979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": _decline("4000000000000069", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": _decline("4000000000000127", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": _decline("4000000000000119", "processing_error"),
    "pm_card_chargeDeclinedVelocityLimitExceeded": _decline("4000000000006975", "card_velocity_exceeded"),
    "pm_card_chargeDeclinedFraudulent": Card("4100000000000019", decline="fraudulent", risk_level="highest"),
    "pm_card_radarBlock": Card("4100000000000019", decline="fraudulent", risk_level="highest"),
    "pm_card_riskLevelHighest": Card("4000000000004954", risk_level="highest"),
    "pm_card_riskLevelElevated": Card("4000000000009235", risk_level="elevated"),
    "pm_card_chargeCustomerFail": _decline("4000000000000341", "generic_decline"),
    "pm_card_cvcCheckFail": Card("4000000000000101", cvc_check="fail"),
    "pm_card_avsZipFail": Card("4000000000000036", postal_code_check="fail"),
    "pm_card_bypassPending": Card("4000000000000077", available_at_once=True),
    "pm_card_threeDSecure2Required": Card("4000000000003220", authentication="required"),
    "pm_card_threeDSecureRequired": Card("4000000000003063", authentication="required"),
    "pm_card_threeDSecureOptional": Card("4000000000003055", authentication="optional"),
    "pm_card_threeDSecureRequiredChargeDeclined": Card(
        "4000008400001629", authentication="required", decline="generic_decline"
    ),
    "pm_card_threeDSecureRequiredProcessingError": Card(
        "4000008400001280", authentication="required", decline="processing_error"
    ),
    "pm_card_amex_threeDSecureNotSupported": Card("378282246310005", brand="amex"),
    "pm_card_authenticationRequired": Card("4000002760003184", authentication="required"),
    "pm_card_authenticationRequiredOnSetup": Card("4000002500003155", authentication="unless_set_up"),
    "pm_card_authenticationRequiredSetupForOffSession": Card(
        "4000003800000446", authentication="unless_set_up"
    ),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        "4000008260003178", authentication="required", decline="insufficient_funds"
    ),
    "pm_card_createDispute": Card("4000000000000259", dispute="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card("4000000000002685", dispute="product_not_received"),
    "pm_card_createDisputeInquiry": Card("4000000000001976", dispute="inquiry"),
    "pm_card_pendingRefund": Card("4000000000007726", refund="pending"),
    "pm_card_refundFail": Card("4000000000005126", refund="failed"),
}
CARDS |= {
    name.replace("pm_card_chargeDeclined", "pm_card_visa_chargeDeclined"): card
    for name, card in CARDS.items()
    if name.startswith("pm_card_chargeDeclined")
}

BY_NUMBER = {card.number: card for card in CARDS.values()}
BY_FINGERPRINT = {card.fingerprint: card for card in CARDS.values()}


@dataclass(frozen=True)
class BankAccount:
    """A test bank account for SEPA Direct Debit: `processing` at first, settled later."""

    iban: str
    outcome: Literal["succeeded", "failed"]

    @property
    def fingerprint(self) -> str:
        """Stripe's name for the account."""
        return fingerprint(self.iban)


# https://docs.stripe.com/payments/sepa-debit/accept-a-payment#test-integration
BANK_ACCOUNTS = {
    account.iban: account
    for account in (
        BankAccount("AT611904300234573201", "succeeded"),
        BankAccount("AT321904300235473204", "succeeded"),
        BankAccount("AT861904300235473202", "failed"),
        BankAccount("DE89370400440532013000", "succeeded"),
        BankAccount("DE08370400440532013003", "succeeded"),
        BankAccount("DE62370400440532013001", "failed"),
        BankAccount("FR1420041010050500013M02606", "succeeded"),
        BankAccount("FR3020041010050500013M02609", "succeeded"),
        BankAccount("FR8420041010050500013M02607", "failed"),
    )
}
BANK_ACCOUNTS_BY_FINGERPRINT = {account.fingerprint: account for account in BANK_ACCOUNTS.values()}


def passes_luhn(number: str) -> bool:
    """Whether a card number's check digit is right."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0
