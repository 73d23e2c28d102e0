"""PaymentIntents and the charges of their attempts.

    requires_payment_method → requires_confirmation → requires_action → processing → succeeded
                 ▲                    (declined)            │        → requires_capture → succeeded
                 └──────────────────────────────────────────┘        → canceled, from all but succeeded

https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

import re

from lumira.sandbox import refunds, shapes
from lumira.sandbox.attempts import attempt, settle_charge, succeed
from lumira.sandbox.call import Call
from lumira.sandbox.customers import check_email
from lumira.sandbox.errors import StripeObject, invalid_request, unexpected_state, words
from lumira.sandbox.money import check_amount, check_currency, formatted
from lumira.sandbox.parameters import Parameters, merged_metadata
from lumira.sandbox.payment_methods import make_payment_method, test_payment_method

NEEDS_RETURN_URL = (
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
    "these payment methods might redirect your customer off of your page, you must provide a `return_url`. "
    "If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
    "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
    "Payment Intents."
)
STATEMENT_DESCRIPTOR_REFUSED = (
    "The statement_descriptor parameter is not supported for the payment_method_type `card`. To continue "
    "supporting payment_method_type `card`, please pass in `statement_descriptor_suffix` or remove the "
    "`statement_descriptor` parameter altogether. Please see https://support.stripe.com/questions/"
    "use-of-the-statement-descriptor-parameter-on-paymentintents-for-card-charges for additional details."
)
ONLY_WITH_CONFIRM = (
    "error_on_requires_action",
    "mandate_data",
    "off_session",
    "return_url",
    "use_stripe_sdk",
)
UPDATABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*UPDATABLE, "requires_capture", "processing")
CONFIRMABLE = UPDATABLE
# What may change in any state; the rest only while nothing has been paid.
ALWAYS_UPDATABLE = words("description metadata payment_details receipt_email shipping transfer_group")
COPIED = words(
    "allowed_payment_method_types capture_method confirmation_method customer description "
    "excluded_payment_method_types receipt_email setup_future_usage shipping statement_descriptor_suffix "
    "transfer_group"
)


# The operations


def create(call: Call, params: Parameters) -> StripeObject:
    """Make a PaymentIntent, and with `confirm` try to pay it: POST /v1/payment_intents."""
    currency = check_currency(params["currency"])
    amount = check_amount(params["amount"], currency)
    if not params.get("confirm"):
        for name in ONLY_WITH_CONFIRM:
            if name in params:
                message = f"`{name}` cannot be passed when creating a PaymentIntent unless `confirm` is true."
                raise invalid_request(message, param=name)
    intent = shapes.payment_intent(call.now, amount, currency, [])
    automatic = params.get("automatic_payment_methods")
    if automatic is None and "payment_method_types" not in params:
        automatic = {"enabled": True}
    if automatic and automatic["enabled"]:
        if "payment_method_types" in params:
            message = "You may only specify one of: automatic_payment_methods, payment_method_types."
            raise invalid_request(message, param="payment_method_types", code="parameters_exclusive")
        intent["automatic_payment_methods"] = {"allow_redirects": "always", **automatic}
    _apply(call, intent, params)
    call.save(intent)
    # The event shows the intent before it was confirmed, even when one request does both.
    untried = {"payment_method": None, "status": "requires_payment_method"} if params.get("confirm") else {}
    call.emit("payment_intent.created", {**intent, **untried})
    return _confirm(call, intent, params) if params.get("confirm") else intent


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Change what has not been paid yet: POST /v1/payment_intents/:id."""
    intent = call.find("payment_intent", identifier)
    frozen = [name for name in params if name not in ALWAYS_UPDATABLE]
    if frozen and intent["status"] not in UPDATABLE:
        what = "amount" if "amount" in frozen else frozen[0]
        raise unexpected_state(
            f"This PaymentIntent's {what} could not be updated because it has a status of "
            f"{intent['status']}. You may only update the {what} of a PaymentIntent with one of the "
            f"following statuses: {', '.join(UPDATABLE)}.",
            intent,
        )
    if "currency" in params:
        intent["currency"] = check_currency(params["currency"])
    if "amount" in params or "currency" in params:
        intent["amount"] = check_amount(
            params["amount"] if "amount" in params else intent["amount"], intent["currency"]
        )
    _apply(call, intent, params)
    call.save(intent)
    return intent


def confirm(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Try to pay: POST /v1/payment_intents/:id/confirm.

    Raises StripeError 402 when the card is declined; the failed charge and its events stay.
    """
    intent = call.find("payment_intent", identifier)
    if intent["status"] not in CONFIRMABLE:
        if intent["status"] == "succeeded":
            message = (
                "You cannot confirm this PaymentIntent because it has already succeeded after being "
                "previously confirmed."
            )
        else:
            message = (
                f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only "
                "a PaymentIntent with one of the following statuses may be confirmed: "
                f"{', '.join(CONFIRMABLE)}."
            )
        raise unexpected_state(message, intent)
    _apply(call, intent, params)
    return _confirm(call, intent, params)


def _confirm(call: Call, intent: StripeObject, params: Parameters) -> StripeObject:
    if not intent["payment_method"]:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the PaymentIntent with a payment method and then confirm it again, or confirm it again "
            "directly with a payment method or ConfirmationToken.",
            intent,
        )
    return_url = params.get("return_url")
    if return_url and not re.match(r"[A-Za-z][\w+.-]*://", return_url):
        raise invalid_request("Not a valid URL", param="return_url", code="url_invalid")
    automatic = intent["automatic_payment_methods"]
    redirects = automatic and automatic["enabled"] and automatic["allow_redirects"] == "always"
    if redirects and not return_url and not params.get("use_stripe_sdk") and not params.get("off_session"):
        raise invalid_request(NEEDS_RETURN_URL)
    return attempt(call, intent, params)


def capture(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Take what was authorized, or part of it: POST /v1/payment_intents/:id/capture."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be captured: requires_capture.",
            intent,
        )
    amount = params["amount_to_capture"] if "amount_to_capture" in params else intent["amount_capturable"]
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
    succeed(call, intent, amount)
    call.emit("charge.captured", charge)
    call.emit("payment_intent.succeeded", intent)
    return intent


def cancel(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Give up; what was authorized is given back: POST /v1/payment_intents/:id/cancel."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
            intent,
        )
    if intent["status"] == "processing":
        message = (
            "You cannot cancel this PaymentIntent because its payment is already being processed by the bank."
        )
        raise unexpected_state(message, intent)
    if intent["status"] == "requires_capture":
        charge = call.find("charge", intent["latest_charge"])
        refunds.release(call, charge)
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


# What create, update and confirm have in common


def _apply(call: Call, intent: StripeObject, params: Parameters) -> None:
    """Take over the parameters that create, update and confirm have in common."""
    if params.get("customer"):
        call.find("customer", params["customer"], param="customer")
    check_email(params.get("receipt_email"), "receipt_email")
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
                f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. "
                "Please attach a PaymentMethod of one of the following types: "
                f"{', '.join(intent['payment_method_types'])}.",
                param="payment_method",
            )
        intent["payment_method"] = method["id"]
        if intent["status"] in ("requires_payment_method", "requires_action"):
            intent |= {"status": "requires_confirmation", "next_action": None}


def find_payment_method(call: Call, identifier: str, intent: StripeObject) -> StripeObject:
    """A PaymentMethod by id, or a new one for a test id; the intent's customer's, or nobody's."""
    if method := test_payment_method(call, identifier):
        return method
    method = call.find("payment_method", identifier, param="payment_method")
    if method["customer"] and method["customer"] != intent["customer"]:
        raise invalid_request(
            f"The provided PaymentMethod ({identifier}) belongs to the Customer {method['customer']}. Please "
            "include the Customer in the `customer` parameter on the PaymentIntent.",
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
                f'The payment method type "{unknown[0]}" is invalid. Please ensure the provided type is '
                "activated in your dashboard (https://dashboard.stripe.com/account/payments/settings) and "
                "your account is enabled for any preview features that you are trying to use.",
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
        raise invalid_request(
            "No valid payment method types for this Payment Intent. Please ensure that you have activated "
            "payment methods compatible with your chosen currency."
        )
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
    """https://docs.stripe.com/get-started/account/statement-descriptors#requirements."""
    if not suffix:
        return
    if len(suffix) > 22:
        message = "The statement descriptor suffix must be at most 22 characters."
    elif re.search(r"[<>\\'\"*]", suffix):
        message = "The statement descriptor suffix may not contain <, >, \\, ', \" or *."
    elif not re.search(r"[A-Za-z]", suffix):
        message = "The statement descriptor suffix must contain at least one letter."
    else:
        return
    raise invalid_request(message, param="statement_descriptor_suffix")
