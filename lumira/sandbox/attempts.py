"""One attempt to pay a PaymentIntent, and the charge it leaves: authorized, declined, or debited later."""

from __future__ import annotations

from typing import Any

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.cards import BANK_ACCOUNTS_BY_FINGERPRINT, BY_FINGERPRINT, DECLINES, Card, Decline
from lumira.sandbox.disputes import open_dispute
from lumira.sandbox.errors import StripeError, StripeObject, invalid_request
from lumira.sandbox.ledger import record
from lumira.sandbox.money import processing_fee
from lumira.sandbox.parameters import Parameters

AUTHENTICATION_FAILURE = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try "
    "again."
)
MANDATE_MISSING = (
    "This PaymentIntent requires a mandate, but no existing mandate was found. Collect mandate acceptance "
    "from the customer and try again, providing acceptance data in the mandate_data parameter."
)


def attempt(call: Call, intent: StripeObject, params: Parameters) -> StripeObject:
    """Try to pay a PaymentIntent that has a payment method; `params` are those of confirm.

    Raises StripeError 402 when the card is declined; the failed charge and its events stay.
    """
    return_url = params.get("return_url")
    method = call.find("payment_method", intent["payment_method"])
    intent |= {"last_payment_error": None, "next_action": None}
    if method["type"] == "sepa_debit":
        # Stripe.js collects the mandate by itself; a server has to say that the customer gave one.
        if not params.get("mandate_data") and not call.publishable:
            raise invalid_request(MANDATE_MISSING, code="payment_intent_mandate_invalid")
        return _debit(call, intent, method)
    card = BY_FINGERPRINT[method["card"]["fingerprint"]]
    if _needs_authentication(card, intent, params):
        if params.get("off_session") or params.get("error_on_requires_action"):
            raise _declined(call, intent, method, card, DECLINES["authentication_required"])
        return _ask_authentication(call, intent, None if params.get("use_stripe_sdk") else return_url)
    return _authorize(call, intent, method, card)


def authenticate(call: Call, identifier: str, *, accepted: bool) -> StripeObject:
    """The cardholder answered the 3-D Secure page; a decline after that shows in last_payment_error."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] != "requires_action":
        return intent
    method = call.find("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if accepted:
        card = BY_FINGERPRINT[method["card"]["fingerprint"]]
        try:
            return _authorize(call, intent, method, card, shapes.three_d_secure("authenticated"))
        except StripeError:
            return call.find("payment_intent", identifier)
    error = {
        "code": "payment_intent_authentication_failure",
        "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
        "message": AUTHENTICATION_FAILURE,
        "payment_method": method,
        "type": "invalid_request_error",
    }
    _fail(call, intent, error)
    return intent


def _needs_authentication(card: Card, intent: StripeObject, params: Parameters) -> bool:
    wanted = intent["payment_method_options"]["card"]["request_three_d_secure"]
    match card.authentication:
        case "required":
            return True
        case "unless_set_up":
            return not params.get("off_session")
        case "optional":
            return wanted in ("any", "challenge")
        case _:
            return False


def _ask_authentication(call: Call, intent: StripeObject, return_url: str | None) -> StripeObject:
    """requires_action: a redirect when the caller gave a return_url, else for Stripe.js to handle."""
    url = f"{call.base_url}/redirect/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url:
        action: StripeObject = {
            "redirect_to_url": {"return_url": return_url, "url": url},
            "type": "redirect_to_url",
        }
    else:
        action = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
        }
    intent |= {"status": "requires_action", "next_action": action}
    call.save(intent)
    call.emit("payment_intent.requires_action", intent)
    return intent


def _authorize(
    call: Call,
    intent: StripeObject,
    method: StripeObject,
    card: Card,
    authentication: StripeObject | None = None,
) -> StripeObject:
    """Ask the card's bank; the answer is a charge. Raises StripeError 402 when it declines."""
    if card.decline:
        raise _declined(call, intent, method, card, DECLINES[card.decline], authentication)
    charge = _charge(call, intent, method)
    charge |= {
        "outcome": shapes.outcome(card, None, None, blocked=False),
        "paid": True,
        "payment_method_details": shapes.card_details(method["card"], card, intent["amount"], authentication),
        "receipt_url": f"{call.base_url}/receipts/{charge['id']}",
        "status": "succeeded",
    }
    intent |= {"latest_charge": charge["id"], "next_action": None}
    if intent["setup_future_usage"] and intent["customer"] and not method["customer"]:
        method["customer"] = intent["customer"]
        call.save(method)
        call.emit("payment_method.attached", method)
    if intent["capture_method"] == "manual":
        charge["payment_method_details"]["card"]["capture_before"] = call.now + 7 * 86400
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        call.save(charge, intent)
        call.emit("charge.succeeded", charge)
        call.emit("payment_intent.amount_capturable_updated", intent)
        return intent
    charge |= {"amount_captured": intent["amount"], "captured": True}
    if intent["capture_method"] == "automatic":
        settle_charge(call, charge)
    else:  # automatic_async: the balance transaction comes a moment later, with charge.updated
        call.save(charge)
        call.later("settle_charge", charge["id"])
    succeed(call, intent, intent["amount"])
    call.emit("charge.succeeded", charge)
    call.emit("payment_intent.succeeded", intent)
    if card.dispute:
        open_dispute(call, charge, card.dispute)
    return intent


def _debit(call: Call, intent: StripeObject, method: StripeObject) -> StripeObject:
    """A SEPA direct debit: processing, until the bank answers."""
    charge = _charge(call, intent, method)
    charge |= {
        "outcome": shapes.outcome(Card(""), None, None, blocked=False),
        "payment_method_details": shapes.sepa_debit_details(method["sepa_debit"]),
        "status": "pending",
    }
    intent |= {"latest_charge": charge["id"], "status": "processing"}
    call.save(charge, intent)
    call.emit("charge.pending", charge)
    call.emit("payment_intent.processing", intent)
    call.later("settle_debit", intent["id"])
    return intent


def settle_debit(call: Call, identifier: str) -> None:
    """The bank's answer to a direct debit arrives."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] != "processing":
        return
    charge = call.find("charge", intent["latest_charge"])
    method = call.find("payment_method", intent["payment_method"])
    account = BANK_ACCOUNTS_BY_FINGERPRINT.get(method["sepa_debit"]["fingerprint"])
    if account and account.outcome == "failed":
        message = "The debit failed: the bank account has insufficient funds."
        charge |= {"status": "failed", "failure_code": "insufficient_funds", "failure_message": message}
        call.save(charge)
        call.emit("charge.failed", charge)
        error = {
            "code": "insufficient_funds",
            "charge": charge["id"],
            "message": message,
            "type": "card_error",
        }
        _fail(call, intent, {**error, "payment_method": method})
        return
    charge |= {"amount_captured": charge["amount"], "captured": True, "paid": True, "status": "succeeded"}
    settle_charge(call, charge)
    succeed(call, intent, intent["amount"])
    call.emit("charge.succeeded", charge)
    call.emit("payment_intent.succeeded", intent)


def settle_charge(call: Call, charge: StripeObject) -> None:
    """Book a captured charge: its amount less Stripe's fee."""
    amount = charge["amount_captured"]
    card = BY_FINGERPRINT.get((charge["payment_method_details"].get("card") or {}).get("fingerprint", ""))
    transaction = record(
        call,
        charge["id"],
        "charge" if card else "payment",
        amount,
        charge["currency"],
        fee=processing_fee(amount),
        available_at_once=bool(card and card.available_at_once),
        description=charge["description"],
        reporting_category="charge",
    )
    charge["balance_transaction"] = transaction["id"]
    call.save(charge)


def settle_charge_later(call: Call, identifier: str) -> None:
    """The asynchronous capture is done: the charge gets its balance transaction."""
    charge = call.find("charge", identifier)
    if charge["balance_transaction"]:
        return
    settle_charge(call, charge)
    call.emit("charge.updated", charge, {"balance_transaction": None})


def _charge(call: Call, intent: StripeObject, method: StripeObject) -> StripeObject:
    suffix = intent["statement_descriptor_suffix"]
    return shapes.charge(call.now, intent, method, f"SANDBOX* {suffix}"[:22] if suffix else "SANDBOX")


def succeed(call: Call, intent: StripeObject, amount: int) -> None:
    """The money is taken."""
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0, "next_action": None}
    call.save(intent)


def _fail(call: Call, intent: StripeObject, error: StripeObject) -> None:
    """Back to requires_payment_method: the customer may try again with another one."""
    intent |= {"last_payment_error": error, "payment_method": None, "status": "requires_payment_method"}
    intent["next_action"] = None
    call.save(intent)
    call.emit("payment_intent.payment_failed", intent)


def _declined(
    call: Call,
    intent: StripeObject,
    method: StripeObject,
    card: Card,
    decline: Decline,
    authentication: StripeObject | None = None,
) -> StripeError:
    """Book a decline: a failed charge, the intent open again. Returns the 402 that the caller raises."""
    charge = _charge(call, intent, method)
    charge |= {
        "failure_code": decline.code,
        "failure_message": decline.message,
        "outcome": shapes.outcome(card, decline.decline_code, decline.advice_code, blocked=decline.blocked),
        "payment_method_details": shapes.card_details(method["card"], card, intent["amount"], authentication),
        "status": "failed",
    }
    intent["latest_charge"] = charge["id"]
    error: dict[str, Any] = {
        "advice_code": decline.advice_code,
        "charge": charge["id"],
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "param": decline.param,
        "payment_method": method,
        "type": "card_error",
    }
    error = {name: value for name, value in error.items() if value is not None}
    call.save(charge)
    call.emit("charge.failed", charge)
    _fail(call, intent, error)
    return StripeError(402, {**error, "payment_intent": intent}, keeps_changes=True)
