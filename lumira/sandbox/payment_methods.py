"""PaymentMethods: the documented test ids, and test card numbers typed into the stand-in for Stripe.js."""

from __future__ import annotations

from datetime import UTC, datetime

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.cards import BANK_ACCOUNTS, BY_NUMBER, CARDS, BankAccount, passes_luhn
from lumira.sandbox.errors import StripeError, StripeObject, invalid_request
from lumira.sandbox.parameters import Parameters, merged_metadata

RAW_CARD_REFUSED = (
    "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test "
    "tokens that map to the test card you are using, see https://stripe.com/docs/testing. To enable testing "
    "raw card data APIs, see https://support.stripe.com/questions/enabling-access-to-raw-card-data-apis."
)


def create(call: Call, params: Parameters) -> StripeObject:
    """POST /v1/payment_methods."""
    return make_payment_method(call, params)


def attach(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """POST /v1/payment_methods/:id/attach."""
    customer = call.find("customer", params.get("customer", ""), param="customer")
    method = test_payment_method(call, identifier) or call.find("payment_method", identifier)
    if method["customer"] not in (None, customer["id"]):
        message = "The payment method you provided has already been attached to a customer."
        raise invalid_request(message, code="payment_method_unexpected_state")
    card = CARDS.get(identifier)
    if card and card.decline and identifier != "pm_card_chargeCustomerFail":
        error = {"code": "card_declined", "decline_code": card.decline, "message": "Your card was declined."}
        raise StripeError(402, {**error, "type": "card_error"})
    method["customer"] = customer["id"]
    call.save(method)
    call.emit("payment_method.attached", method)
    return method


def detach(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """POST /v1/payment_methods/:id/detach."""
    method = call.find("payment_method", identifier)
    if method["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise invalid_request(message, code="payment_method_unexpected_state")
    previous, method["customer"] = {"customer": method["customer"]}, None
    call.save(method)
    call.emit("payment_method.detached", method, previous)
    return method


def test_payment_method(call: Call, identifier: str) -> StripeObject | None:
    """A new PaymentMethod for a documented `pm_card_…` id; None for any other id."""
    card = CARDS.get(identifier)
    if card is None:
        return None
    method = shapes.payment_method(call.now, "card", shapes.card_of_method(card, 12, _year(call.now) + 1))
    call.save(method)
    return method


def make_payment_method(call: Call, params: Parameters) -> StripeObject:
    """A PaymentMethod from what a payer typed: a card (by publishable key only, as at Stripe) or an IBAN."""
    billing = params.get("billing_details")
    if "type" not in params:
        raise invalid_request("Missing required param: type.", param="type", code="parameter_missing")
    match params["type"]:
        case "card":
            method = shapes.payment_method(call.now, "card", _card(call, params.get("card") or {}), billing)
        case "sepa_debit":
            account = _bank_account((params.get("sepa_debit") or {}).get("iban", ""))
            method = shapes.payment_method(
                call.now, "sepa_debit", shapes.sepa_debit_of_method(account), billing
            )
        case other:
            message = f"The sandbox has no payment methods of the type {other}: it knows card and sepa_debit."
            raise invalid_request(message, param="type")
    method["metadata"] = merged_metadata({}, params.get("metadata", {}))
    call.save(method)
    return method


def _card(call: Call, typed: Parameters) -> StripeObject:
    number = str(typed.get("number", "")).replace(" ", "")
    if token := typed.get("token"):
        card = CARDS.get(str(token).replace("tok_", "pm_card_"))
        if card is None:
            raise invalid_request(f"No such token: '{token}'", param="card[token]", code="resource_missing")
        return shapes.card_of_method(card, 12, _year(call.now) + 1)
    if not call.publishable:
        raise invalid_request(RAW_CARD_REFUSED, status=402)
    if not number.isdigit() or not passes_luhn(number) or not 12 <= len(number) <= 19:
        raise _card_error("incorrect_number", "Your card number is incorrect.", "number")
    month, year = int(typed.get("exp_month", 0)), int(typed.get("exp_year", 0))
    year += 2000 if year < 100 else 0
    if not 1 <= month <= 12:
        raise _card_error("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
    if (year, month) < (_year(call.now), datetime.fromtimestamp(call.now, UTC).month):
        raise _card_error("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year")
    cvc = typed.get("cvc")
    if cvc is not None and not (str(cvc).isdigit() and len(str(cvc)) in (3, 4)):
        raise _card_error("invalid_cvc", "Your card's security code is invalid.", "cvc")
    card = BY_NUMBER.get(number)
    if card is None:
        raise StripeError(
            402,
            {
                "code": "card_declined",
                "decline_code": "test_mode_live_card",
                "message": "Your card was declined. Your request was in test mode, but used a non test card. "
                "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
                "type": "card_error",
            },
        )
    return shapes.card_of_method(card, month, year)


def _bank_account(iban: str) -> BankAccount:
    iban = iban.replace(" ", "").upper()
    account = BANK_ACCOUNTS.get(iban)
    if account is None:
        message = "The IBAN you provided is invalid. The sandbox takes the test IBANs of https://docs.stripe.com/testing."
        raise invalid_request(message, param="sepa_debit[iban]", code="invalid_iban")
    return account


def _card_error(code: str, message: str, param: str) -> StripeError:
    return StripeError(402, {"code": code, "message": message, "param": param, "type": "card_error"})


def _year(now: int) -> int:
    return datetime.fromtimestamp(now, UTC).year
