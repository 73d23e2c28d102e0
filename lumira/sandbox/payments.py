"""PaymentIntents and the charges of their attempts.

    requires_payment_method → requires_confirmation → requires_action → processing → succeeded
                 ▲                    (declined)            │        → requires_capture → succeeded
                 └──────────────────────────────────────────┘        → canceled, from all but succeeded

https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

import re
from typing import Any

from lumira.sandbox import shapes
from lumira.sandbox.call import Call, changed
from lumira.sandbox.cards import BANK_ACCOUNTS_BY_FINGERPRINT, BY_FINGERPRINT, CARDS, DECLINES, Card, Decline
from lumira.sandbox.errors import StripeError, StripeObject, invalid_request, unexpected_state
from lumira.sandbox.ledger import record
from lumira.sandbox.money import check_amount, check_currency, formatted, processing_fee
from lumira.sandbox.parameters import Parameters, merged_metadata
from lumira.sandbox.payment_methods import make_payment_method, test_payment_method

AUTHENTICATION_FAILURE = "We are unable to authenticate your payment method. Please choose a different payment method and try again."
NEEDS_RETURN_URL = (
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these "
    "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't "
    "want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
    "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
)
STATEMENT_DESCRIPTOR_REFUSED = (
    "The `statement_descriptor` parameter is not supported for PaymentIntents that accept cards. Please use "
    "`statement_descriptor_suffix` instead. See https://docs.stripe.com/get-started/account/statement-descriptors"
)
ONLY_WITH_CONFIRM = (
    "error_on_requires_action",
    "mandate_data",
    "off_session",
    "return_url",
    "use_stripe_sdk",
)
UPDATABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
# What may change in any state; the rest only while nothing has been paid.
ALWAYS_UPDATABLE = {
    "description",
    "metadata",
    "receipt_email",
    "shipping",
    "transfer_group",
    "payment_details",
}
COPIED = (
    "allowed_payment_method_types", "capture_method", "confirmation_method", "customer", "customer_account",
    "description", "excluded_payment_method_types", "receipt_email", "setup_future_usage", "shipping",
    "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip
# https://docs.stripe.com/payments/accept-a-payment-synchronously: all a browser sees with the publishable key.
SHOWN_TO_BROWSERS = (
    "id", "object", "amount", "amount_details", "automatic_payment_methods", "canceled_at", "cancellation_reason",
    "capture_method", "client_secret", "confirmation_method", "created", "currency", "description",
    "last_payment_error", "livemode", "next_action", "payment_method", "payment_method_configuration_details",
    "payment_method_types", "processing", "receipt_email", "setup_future_usage", "shipping", "source", "status",
)  # fmt: skip


# The operations


def create(call: Call, params: Parameters) -> StripeObject:
    """POST /v1/payment_intents"""
    currency = check_currency(params["currency"])
    amount = check_amount(params["amount"], currency)
    if not params.get("confirm"):
        for name in ONLY_WITH_CONFIRM:
            if name in params:
                message = f"`{name}` cannot be passed when creating a PaymentIntent unless `confirm` is set to true."
                raise invalid_request(message, param=name)
    intent = shapes.payment_intent(call.now, amount, currency, [])
    automatic = params.get("automatic_payment_methods")
    if automatic is None and "payment_method_types" not in params:
        automatic = {"enabled": True}
    if automatic and automatic["enabled"]:
        if "payment_method_types" in params:
            message = "You may only specify one of these parameters: automatic_payment_methods, payment_method_types."
            raise invalid_request(message, param="payment_method_types", code="parameters_exclusive")
        intent["automatic_payment_methods"] = {"allow_redirects": "always", **automatic}
    _apply(call, intent, params)
    call.save(intent)
    call.emit("payment_intent.created", intent)
    return confirm(call, intent["id"], params) if params.get("confirm") else intent


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """POST /v1/payment_intents/:id"""
    intent = call.find("payment_intent", identifier)
    frozen = [name for name in params if name not in ALWAYS_UPDATABLE]
    if frozen and intent["status"] not in UPDATABLE:
        what = "amount" if "amount" in frozen else frozen[0]
        raise unexpected_state(
            f"This PaymentIntent's {what} could not be updated because it has a status of {intent['status']}. You may "
            f"only update the {what} of a PaymentIntent with one of the following statuses: {', '.join(UPDATABLE)}.",
            intent,
        )
    if "currency" in params:
        intent["currency"] = check_currency(params["currency"])
    if "amount" in params or "currency" in params:
        intent["amount"] = check_amount(params.get("amount", intent["amount"]), intent["currency"])
    _apply(call, intent, params)
    call.save(intent)
    return intent


def confirm(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """POST /v1/payment_intents/:id/confirm

    Raises StripeError 402 when the card is declined; the failed charge and its events stay.
    """
    intent = call.find("payment_intent", identifier)
    if intent["status"] not in CONFIRMABLE:
        if intent["status"] == "succeeded":
            message = "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
        else:
            message = (
                f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a "
                f"PaymentIntent with one of the following statuses may be confirmed: {', '.join(CONFIRMABLE)}."
            )
        raise unexpected_state(message, intent)
    _apply(call, intent, params)
    if not intent["payment_method"]:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            intent,
        )
    return_url = params.get("return_url")
    automatic = intent["automatic_payment_methods"]
    redirects = automatic and automatic["enabled"] and automatic["allow_redirects"] == "always"
    if redirects and not return_url and not params.get("use_stripe_sdk") and not params.get("off_session"):
        raise invalid_request(NEEDS_RETURN_URL)
    method = call.find("payment_method", intent["payment_method"])
    intent |= {"last_payment_error": None, "next_action": None}
    if method["type"] == "sepa_debit":
        return _debit(call, intent, method)
    card = BY_FINGERPRINT.get(method["card"]["fingerprint"]) or Card(method["card"]["fingerprint"])
    if _needs_authentication(card, intent, params):
        if params.get("off_session") or params.get("error_on_requires_action"):
            raise _declined(call, intent, method, card, DECLINES["authentication_required"])
        return _ask_authentication(call, intent, return_url)
    return _authorize(call, intent, method, card)


def capture(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """POST /v1/payment_intents/:id/capture"""
    intent = call.find("payment_intent", identifier)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be captured: requires_capture.",
            intent,
        )
    amount = params.get("amount_to_capture", intent["amount_capturable"])
    if amount < 1:
        code = "parameter_invalid_integer"
        message = "This value must be greater than or equal to 1."
        raise invalid_request(message, param="amount_to_capture", code=code)
    if amount > intent["amount_capturable"]:
        raise invalid_request(
            "The amount to capture is greater than the amount authorized: at most "
            f"{formatted(intent['amount_capturable'], intent['currency'])} can be captured.",
            param="amount_to_capture",
            code="amount_too_large",
        )
    if "metadata" in params:
        intent["metadata"] = merged_metadata(intent["metadata"], params["metadata"])
    charge = call.find("charge", intent["latest_charge"])
    charge |= {"amount_captured": amount, "captured": True}
    settle_charge(call, charge)
    _succeed(call, intent, amount)
    call.emit("charge.captured", charge)
    call.emit("payment_intent.succeeded", intent)
    return intent


def cancel(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """POST /v1/payment_intents/:id/cancel; what was authorized is given back."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
            intent,
        )
    if intent["status"] == "processing":
        message = (
            "You cannot cancel this PaymentIntent because its payment is already being processed by the bank."
        )
        raise unexpected_state(message, intent)
    if intent["status"] == "requires_capture":
        charge = call.find("charge", intent["latest_charge"])
        charge |= {"amount_refunded": charge["amount"], "refunded": True}
        call.save(charge)
        call.emit("charge.refunded", charge, {"amount_refunded": 0, "refunded": False})
    intent |= {
        "amount_capturable": 0,
        "canceled_at": call.now,
        "cancellation_reason": params.get("cancellation_reason"),
        "next_action": None,
        "status": "canceled",
    }
    call.save(intent)
    call.emit("payment_intent.canceled", intent)
    return intent


def for_browser(intent: StripeObject) -> StripeObject:
    """What Stripe shows of a PaymentIntent to a publishable key."""
    return {name: intent[name] for name in SHOWN_TO_BROWSERS}


def authenticate(call: Call, identifier: str, *, accepted: bool) -> StripeObject:
    """The cardholder answered their bank's 3-D Secure page; a decline after that shows in last_payment_error."""
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


# What an attempt goes through


def _apply(call: Call, intent: StripeObject, params: Parameters) -> None:
    """Take over the parameters that create, update and confirm have in common."""
    if params.get("customer"):
        call.find("customer", params["customer"], param="customer")
    email = params.get("receipt_email")
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise invalid_request(f"Invalid email address: {email}", param="receipt_email", code="email_invalid")
    for name in COPIED:
        if name in params:
            intent[name] = params[name]
    if "metadata" in params:
        intent["metadata"] = merged_metadata(intent["metadata"], params["metadata"])
    for name in ("payment_details", "hooks", "amount_details"):
        if params.get(name):
            intent[name] = params[name]
    intent["payment_method_types"] = _payment_method_types(intent, params.get("payment_method_types"))
    intent["payment_method_options"] = _payment_method_options(
        intent, params.get("payment_method_options") or {}
    )
    if "card" in intent["payment_method_types"]:
        if params.get("statement_descriptor"):
            raise invalid_request(STATEMENT_DESCRIPTOR_REFUSED, param="statement_descriptor")
        _check_suffix(params.get("statement_descriptor_suffix"))
    elif "statement_descriptor" in params:
        intent["statement_descriptor"] = params["statement_descriptor"]
    method = None
    if "payment_method_data" in params:
        method = make_payment_method(call, params["payment_method_data"])
    elif "payment_method" in params:
        method = find_payment_method(call, params["payment_method"], intent)
    if method:
        if method["type"] not in intent["payment_method_types"]:
            raise invalid_request(
                f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Please attach a "
                f"PaymentMethod of one of the following types: {', '.join(intent['payment_method_types'])}.",
                param="payment_method",
            )
        intent["payment_method"] = method["id"]
        if intent["status"] in ("requires_payment_method", "requires_action"):
            intent |= {"status": "requires_confirmation", "next_action": None}


def find_payment_method(call: Call, identifier: str, intent: StripeObject) -> StripeObject:
    """A PaymentMethod by id, or a new one for a documented test id. It must be the intent's customer's, or nobody's."""
    if method := test_payment_method(call, identifier):
        return method
    method = call.find("payment_method", identifier, param="payment_method")
    if method["customer"] and method["customer"] != intent["customer"]:
        raise invalid_request(
            f"The provided PaymentMethod ({identifier}) belongs to the Customer {method['customer']}. Please include "
            "the Customer in the `customer` parameter on the PaymentIntent.",
            param="payment_method",
        )
    return method


def _payment_method_types(intent: StripeObject, requested: list[str] | None) -> list[str]:
    """What this intent may be paid with: what the sandbox knows for the currency, narrowed as asked."""
    known = ["card", "sepa_debit"] if intent["currency"] == "eur" else ["card"]
    if requested:
        unknown = [kind for kind in requested if kind not in known]
        if unknown:
            raise invalid_request(
                f'The payment method type "{unknown[0]}" is invalid. Please ensure the provided type is activated in '
                "your dashboard (https://dashboard.stripe.com/account/payments/settings) and your account is enabled "
                "for any preview features that you are trying to use.",
                param="payment_method_types",
                code="payment_intent_invalid_parameter",
            )
        return requested
    if not intent["automatic_payment_methods"] and intent["payment_method_types"]:
        return list(intent["payment_method_types"])
    allowed = intent["allowed_payment_method_types"] or known
    excluded = intent["excluded_payment_method_types"] or []
    left = [kind for kind in known if kind in allowed and kind not in excluded]
    if not left:
        message = "No valid payment method types for this Payment Intent. Please ensure that you have activated payment methods compatible with your chosen currency."
        raise invalid_request(message)
    return left


def _payment_method_options(intent: StripeObject, given: Parameters) -> StripeObject:
    """The options of each type the intent may be paid with, the given ones over Stripe's defaults."""
    card = {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": "automatic",
    }
    defaults: StripeObject = {"card": card, "sepa_debit": {}}
    current = intent["payment_method_options"]
    return {
        kind: {**defaults[kind], **(current.get(kind) or {}), **(given.get(kind) or {})}
        for kind in intent["payment_method_types"]
    }


def _check_suffix(suffix: str | None) -> None:
    """https://docs.stripe.com/get-started/account/statement-descriptors#requirements"""
    if not suffix:
        return
    if len(suffix) > 22:
        message = "The statement descriptor suffix must be at most 22 characters."
    elif re.search(r"[<>\\'\"*]", suffix):
        message = "The statement descriptor suffix contains invalid characters. It may not contain <, >, \\, ', \" or *."
    elif not re.search(r"[A-Za-z]", suffix):
        message = "The statement descriptor suffix must contain at least one letter."
    else:
        return
    raise invalid_request(message, param="statement_descriptor_suffix")


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
    """requires_action: a redirect when the caller said where to come back to, else for Stripe.js to handle."""
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
    _succeed(call, intent, intent["amount"])
    call.emit("charge.succeeded", charge)
    call.emit("payment_intent.succeeded", intent)
    if card.dispute:
        call.later("open_dispute", charge["id"])
    return intent


def _debit(call: Call, intent: StripeObject, method: StripeObject) -> StripeObject:
    """A SEPA direct debit: processing, until the bank answers."""
    charge = _charge(call, intent, method)
    charge |= {
        "outcome": {
            **shapes.outcome(Card(""), None, None, blocked=False),
            "network_status": "approved_by_network",
        },
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
    _succeed(call, intent, intent["amount"])
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


def _succeed(call: Call, intent: StripeObject, amount: int) -> None:
    changes = {"status": "succeeded", "amount_received": amount, "amount_capturable": 0, "next_action": None}
    changed(intent, changes)
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
    shown = for_browser(intent) if call.publishable else intent
    return StripeError(402, {**error, "payment_intent": shown}, keeps_changes=True)


__all__ = [
    "CARDS",
    "authenticate",
    "cancel",
    "capture",
    "confirm",
    "create",
    "for_browser",
    "settle_debit",
    "update",
]
