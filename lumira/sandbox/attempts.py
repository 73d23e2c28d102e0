"""One attempt to pay a PaymentIntent, and the charge it leaves: authorized, declined, or debited later."""

from __future__ import annotations

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.cards import BY_FINGERPRINT, DEBITS, DECLINES, Card
from lumira.sandbox.disputes import open_dispute
from lumira.sandbox.errors import StripeError, StripeObject, refusal, words
from lumira.sandbox.ledger import record
from lumira.sandbox.money import processing_fee
from lumira.sandbox.parameters import Parameters
from lumira.sandbox.payment_methods import belongs_to

IN_ERRORS = words("advice_code code decline_code message param")
RISK_SCORES = {"normal": 20, "elevated": 65, "highest": 90}


def attempt(call: Call, intent: StripeObject, params: Parameters) -> StripeObject:
    """Try to pay a PaymentIntent that has a payment method; `params` are those of confirm.

    Raises StripeError 402 when the card is declined; the failed charge and its events stay.
    """
    method = call.find("payment_method", intent["payment_method"])
    intent |= {"last_payment_error": None, "next_action": None}
    if method["type"] == "sepa_debit":
        # Stripe.js collects the mandate by itself; a server has to say that the customer gave one.
        if not params.get("mandate_data") and not call.publishable:
            raise refusal("mandate_missing")
        return _debit(call, intent, method)
    if _needs_authentication(BY_FINGERPRINT[method["card"]["fingerprint"]], intent, params):
        if params.get("off_session") or params.get("error_on_requires_action"):
            raise _declined(call, intent, method, "authentication_required")
        return_url = None if params.get("use_stripe_sdk") else params.get("return_url")
        return _ask_authentication(call, intent, return_url)
    return _authorize(call, intent, method)


def authenticate(call: Call, identifier: str, *, accepted: bool) -> StripeObject:
    """The cardholder answered the 3-D Secure page; a decline after that shows in last_payment_error."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] != "requires_action":
        return intent
    method = call.find("payment_method", intent["payment_method"])
    if not accepted:
        code = "payment_intent_authentication_failure"
        message = (
            "We are unable to authenticate your payment method. Please choose a different payment method "
            "and try again."
        )
        return _fail(call, intent, method, code=code, message=message, type="invalid_request_error")
    identifier = shapes.new_id("tds", 20)
    try:
        authentication = shapes.shape(
            "charge.three_d_secure", result="authenticated", transaction_id=identifier
        )
        return _authorize(call, intent, method, authentication)
    except StripeError:
        return call.find("payment_intent", intent["id"])


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
    kind = "redirect_to_url" if return_url else "use_stripe_sdk"
    for_stripe_js = {"type": "three_d_secure_redirect", "stripe_js": url}
    details = {"return_url": return_url, "url": url} if return_url else for_stripe_js
    intent |= {"status": "requires_action", "next_action": {"type": kind, kind: details}}
    call.save(intent)
    call.emit("payment_intent.requires_action", intent)
    return intent


def _authorize(
    call: Call, intent: StripeObject, method: StripeObject, authentication: StripeObject | None = None
) -> StripeObject:
    """Ask the card's bank; the answer is a charge. Raises StripeError 402 when it declines."""
    card = BY_FINGERPRINT[method["card"]["fingerprint"]]
    if card.decline:
        raise _declined(call, intent, method, card.decline, authentication)
    charge = _charge(call, intent, method, authentication)
    charge |= {
        "paid": True,
        "receipt_url": f"{call.base_url}/receipts/{charge['id']}",
        "status": "succeeded",
    }
    intent |= {"latest_charge": charge["id"], "next_action": None}
    wanted = {**intent, **intent["payment_method_options"]["card"]}  # options for cards win
    if wanted["setup_future_usage"] and intent["customer"] and not method["customer"]:
        belongs_to(call, method, intent["customer"])
    if wanted["capture_method"] == "manual":
        charge["payment_method_details"]["card"]["capture_before"] = call.now + 7 * 86400
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        call.save(charge, intent)
        call.emit("charge.succeeded", charge)
        call.emit("payment_intent.amount_capturable_updated", intent)
        return intent
    charge |= {"amount_captured": intent["amount"], "captured": True}
    if intent["capture_method"] == "automatic":
        book(call, charge)
    else:  # automatic_async: the balance transaction comes a moment later, with charge.updated
        call.save(charge)
        call.later("settle_charge", charge["id"])
    succeed(call, intent, charge, "charge.succeeded")
    if card.dispute:
        open_dispute(call, charge, card.dispute)
    return intent


def _debit(call: Call, intent: StripeObject, method: StripeObject) -> StripeObject:
    """A SEPA direct debit: processing, until the bank answers."""
    charge = _charge(call, intent, method)
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
    if DEBITS.get(method["sepa_debit"]["fingerprint"]) == "failed":
        code, message = "insufficient_funds", "The debit failed: the bank account has insufficient funds."
        charge |= {"status": "failed", "failure_code": code, "failure_message": message}
        call.save(charge)
        call.emit("charge.failed", charge)
        _fail(call, intent, method, charge=charge["id"], code=code, message=message, type="card_error")
        return
    charge |= {"amount_captured": charge["amount"], "captured": True, "paid": True, "status": "succeeded"}
    book(call, charge)
    succeed(call, intent, charge, "charge.succeeded")


def book(call: Call, charge: StripeObject) -> None:
    """Keep a captured charge with its balance transaction: its amount less Stripe's fee.

    A charge captured in part is booked with its whole amount; what is released is booked back.
    """
    details = charge["payment_method_details"].get("card")
    transaction = record(
        call,
        charge["id"],
        "charge" if details else "payment",
        charge["amount"],
        charge["currency"],
        fee=processing_fee(charge["amount_captured"]),
        available_at_once=bool(details and BY_FINGERPRINT[details["fingerprint"]].available_at_once),
        description=charge["description"],
        reporting_category="charge",
    )
    charge["balance_transaction"] = transaction["id"]
    call.save(charge)


def settle_charge(call: Call, identifier: str) -> None:
    """The asynchronous capture is done: the charge gets its balance transaction."""
    charge = call.find("charge", identifier)
    if not charge["balance_transaction"]:
        book(call, charge)
        call.emit("charge.updated", charge, {"balance_transaction": None})


def succeed(call: Call, intent: StripeObject, charge: StripeObject, event: str) -> None:
    """The money is taken: `event` tells it of the charge, then payment_intent.succeeded."""
    received = charge["amount_captured"]
    intent |= {"status": "succeeded", "amount_received": received, "amount_capturable": 0}
    intent["next_action"] = None
    call.save(intent)
    call.emit(event, charge)
    call.emit("payment_intent.succeeded", intent)


def _charge(
    call: Call, intent: StripeObject, method: StripeObject, authentication: StripeObject | None = None
) -> StripeObject:
    suffix = intent["statement_descriptor_suffix"]
    copied = words(
        "amount currency customer description receipt_email shipping statement_descriptor_suffix "
        "transfer_group"
    )
    if card := method.get("card"):
        details = shapes.card_of_charge(card, intent["amount"], authentication)
        risk_level = BY_FINGERPRINT[card["fingerprint"]].risk_level
    else:
        details, risk_level = shapes.sepa_debit_of_charge(method["sepa_debit"]), "normal"
    outcome = shapes.shape("charge.outcome", risk_level=risk_level, risk_score=RISK_SCORES[risk_level])
    return shapes.new(
        "charge",
        call.now,
        **{name: intent[name] for name in copied},
        billing_details=method["billing_details"],
        calculated_statement_descriptor=f"SANDBOX* {suffix}"[:22] if suffix else "SANDBOX",
        metadata=dict(intent["metadata"]),
        outcome=outcome,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=details,
    )


def _fail(call: Call, intent: StripeObject, method: StripeObject, **error: str) -> StripeObject:
    """Back to requires_payment_method: the customer may try again with another one."""
    url = f"https://stripe.com/docs/error-codes/{error['code'].replace('_', '-')}"
    intent |= {
        "last_payment_error": {**error, "doc_url": url, "payment_method": method},
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    call.save(intent)
    call.emit("payment_intent.payment_failed", intent)
    return intent


def _declined(
    call: Call,
    intent: StripeObject,
    method: StripeObject,
    decline_code: str,
    authentication: StripeObject | None = None,
) -> StripeError:
    """Book a decline: a failed charge, the intent open again. Returns the 402 that the caller raises.

    https://docs.stripe.com/declines
    """
    decline = DECLINES[decline_code]
    charge = _charge(call, intent, method, authentication)
    charge |= {"failure_code": decline.code, "failure_message": decline.message, "status": "failed"}
    charge["outcome"] |= {"advice_code": decline.advice_code} | (
        {
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        }
        if decline.blocked
        else {
            "network_decline_code": "01",
            "network_status": "declined_by_network",
            "reason": decline_code,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
    )
    intent["latest_charge"] = charge["id"]
    shown = {name: value for name in IN_ERRORS if (value := getattr(decline, name))}
    call.save(charge)
    call.emit("charge.failed", charge)
    _fail(call, intent, method, **shown, charge=charge["id"], type="card_error")
    error = {**intent["last_payment_error"], "payment_intent": intent}
    return StripeError(402, error, keeps_changes=True)
