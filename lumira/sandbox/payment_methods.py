"""PaymentMethods: the documented test ids, and test card numbers typed into the stand-in for Stripe.js."""

from __future__ import annotations

from datetime import UTC, datetime

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.cards import BANK_ACCOUNTS, BY_NUMBER, CARDS, passes_luhn
from lumira.sandbox.errors import StripeObject, refusal
from lumira.sandbox.parameters import Parameters, changes_of


def create(call: Call, params: Parameters) -> StripeObject:
    """Make one from what a payer typed: a card (by publishable key only, as at Stripe) or an IBAN.

    POST /v1/payment_methods.
    """
    match params.get("type"):
        case None:
            raise refusal("parameter_missing", param="type")
        case "card":
            details = _card(call, params.get("card") or {})
        case "sepa_debit":
            iban = (params.get("sepa_debit") or {}).get("iban", "").replace(" ", "").upper()
            if iban not in BANK_ACCOUNTS:
                raise refusal("invalid_iban", param="sepa_debit[iban]")
            details = shapes.sepa_debit_of_method(iban)
        case other:
            raise refusal("no_such_type", param="type", kind=other)
    method = _made(call, params["type"], details, params.get("billing_details"))
    method |= changes_of(method, params, ("allow_redisplay",))
    call.save(method)
    return method


def attach(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """POST /v1/payment_methods/:id/attach."""
    customer = call.find("customer", params.get("customer", ""), param="customer")
    method = test_payment_method(call, identifier) or call.find("payment_method", identifier)
    if method["customer"] not in (None, customer["id"]):
        raise refusal("already_attached")
    card = CARDS.get(identifier)
    if card and card.decline and identifier != "pm_card_chargeCustomerFail":
        raise refusal("not_attachable", decline_code=card.decline)
    return belongs_to(call, method, customer["id"])


def detach(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """POST /v1/payment_methods/:id/detach."""
    method = call.find("payment_method", identifier)
    if method["customer"] is None:
        raise refusal("not_attached")
    return call.change(method, {"customer": None}, "payment_method.detached")


def belongs_to(call: Call, method: StripeObject, customer: str) -> StripeObject:
    """Keep a PaymentMethod for a customer."""
    method["customer"] = customer
    call.save(method)
    call.emit("payment_method.attached", method)
    return method


def test_payment_method(call: Call, identifier: str) -> StripeObject | None:
    """A new PaymentMethod for a documented `pm_card_…` id; None for any other id."""
    card = CARDS.get(identifier)
    return _made(call, "card", shapes.card_of_method(card, 12, _today(call).year + 1)) if card else None


def _made(call: Call, kind: str, details: StripeObject, billing: StripeObject | None = None) -> StripeObject:
    method = shapes.new("payment_method", call.now, type=kind, **{kind: details})
    known = method["billing_details"]
    for name, value in (billing or {}).items():
        known[name] = {**known["address"], **(value or {})} if name == "address" else value
    call.save(method)
    return method


def _card(call: Call, typed: Parameters) -> StripeObject:
    number, cvc, today = str(typed.get("number", "")).replace(" ", ""), typed.get("cvc"), _today(call)
    if token := typed.get("token"):
        card = CARDS.get(str(token).replace("tok_", "pm_card_"))
        if card is None:
            raise refusal("missing", param="card[token]", noun="token", id=token)
        return shapes.card_of_method(card, 12, today.year + 1)
    if not call.publishable:
        raise refusal("raw_card")
    if not number.isdigit() or not passes_luhn(number) or not 12 <= len(number) <= 19:
        raise refusal("incorrect_number", param="number")
    month, year = int(typed.get("exp_month", 0)), int(typed.get("exp_year", 0))
    year += 2000 if year < 100 else 0
    if not 1 <= month <= 12:
        raise refusal("invalid_expiry_month", param="exp_month")
    if (year, month) < (today.year, today.month):
        raise refusal("invalid_expiry_year", param="exp_year")
    if cvc is not None and not (str(cvc).isdigit() and len(str(cvc)) in (3, 4)):
        raise refusal("invalid_cvc", param="cvc")
    if number not in BY_NUMBER:
        raise refusal("live_card")
    return shapes.card_of_method(BY_NUMBER[number], month, year)


def _today(call: Call) -> datetime:
    return datetime.fromtimestamp(call.now, UTC)
