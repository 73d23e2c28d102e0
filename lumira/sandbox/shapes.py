"""The full shapes of the objects, as API version 2026-10-28.endive has them: objects.json, filled in.

What a flow does not know yet stays as objects.json has it, mostly null, as it does at Stripe.
https://docs.stripe.com/api
"""

from __future__ import annotations

import json
import secrets
import string
from pathlib import Path
from typing import Any

from lumira.sandbox.cards import Card, fingerprint
from lumira.sandbox.errors import StripeObject, words

ALPHABET = string.ascii_letters + string.digits
# Kept as texts: reading one anew is the quickest way to a copy that shares nothing.
OBJECTS = {
    name: json.dumps(shape)
    for name, shape in json.loads(Path(__file__).with_name("objects.json").read_text()).items()
}
# How an id begins, and how many characters follow; 24 unless said.
PREFIXES = {
    "balance_transaction": "txn", "charge": "ch", "customer": "cus", "dispute": "du", "event": "evt",
    "payment_intent": "pi", "payment_method": "pm", "payout": "po", "refund": "re", "webhook_endpoint": "we",
}  # fmt: skip
LENGTHS = {"customer": 14}
# Most fields are null while they have no value; these of a customer are absent.
ABSENT_WHEN_UNSET = ("business_name", "individual_name")
# An endpoint's secret is shown only when it is created; a balance transaction's payout is only filtered by.
HIDDEN = ("secret", "payout")
# https://docs.stripe.com/js/payment_intents/retrieve_payment_intent
SHOWN_TO_BROWSERS = words(
    "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason "
    "capture_method client_secret confirmation_method created currency description last_payment_error "
    "livemode next_action payment_method payment_method_configuration_details payment_method_types "
    "processing receipt_email setup_future_usage shipping source status"
)


def random_text(length: int, alphabet: str = ALPHABET) -> str:
    """Letters and digits that nobody can guess."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh id in Stripe's manner: prefix_ and letters and digits."""
    return f"{prefix}_{random_text(length)}"


def shape(name: str, **known: Any) -> StripeObject:
    """A shape of objects.json with what is known, in the order Stripe shows fields."""
    return dict(sorted({**json.loads(OBJECTS[name]), **known}.items()))


def new(kind: str, now: int, **known: Any) -> StripeObject:
    """A new object of a kind, with an id of its own."""
    identifier = new_id(PREFIXES[kind], LENGTHS.get(kind, 24))
    return {"id": identifier, "object": kind, **shape(kind, created=now, **known)}


def card_of_method(card: Card, exp_month: int, exp_year: int) -> StripeObject:
    """A PaymentMethod's `card`."""
    return shape(
        "payment_method.card",
        brand=card.brand,
        checks={
            "address_line1_check": None,
            "address_postal_code_check": card.postal_code_check,
            "cvc_check": card.cvc_check,
        },
        country=card.country,
        display_brand=card.brand,
        exp_month=exp_month,
        exp_year=exp_year,
        fingerprint=fingerprint(card.number),
        funding=card.funding,
        last4=card.number[-4:],
        networks={"available": [card.brand], "preferred": None},
        three_d_secure_usage={"supported": card.brand != "unionpay"},
    )


def card_of_charge(card: StripeObject, amount: int, three_d_secure: StripeObject | None) -> StripeObject:
    """A charge's `payment_method_details` for a PaymentMethod's card."""
    same = words("brand checks country exp_month exp_year fingerprint funding last4")
    details = shape(
        "charge.card",
        **{name: card[name] for name in same},
        amount_authorized=amount,
        authorization_code=random_text(6, string.digits),
        network=card["brand"],
        network_transaction_id=random_text(15, string.digits),
        overcapture={"maximum_amount_capturable": amount, "status": "unavailable"},
        three_d_secure=three_d_secure,
    )
    return {"card": details, "type": "card"}


def sepa_debit_of_method(iban: str) -> StripeObject:
    """A PaymentMethod's `sepa_debit`."""
    return {
        "bank_code": iban[4:9],
        "branch_code": "",
        "country": iban[:2],
        "fingerprint": fingerprint(iban),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": iban[-4:],
    }


def sepa_debit_of_charge(account: StripeObject) -> StripeObject:
    """A charge's `payment_method_details` for a PaymentMethod's account."""
    details = {name: account[name] for name in words("bank_code branch_code country fingerprint last4")}
    return {"sepa_debit": {**details, "mandate": new_id("mandate")}, "type": "sepa_debit"}


def shown(body: StripeObject) -> StripeObject:
    """An object as answers and events show it."""
    return {
        name: value
        for name, value in body.items()
        if name not in HIDDEN and (value is not None or name not in ABSENT_WHEN_UNSET)
    }


def for_browser(intent: StripeObject) -> StripeObject:
    """What Stripe shows of a PaymentIntent to a publishable key."""
    return {name: value for name, value in intent.items() if name in SHOWN_TO_BROWSERS}
