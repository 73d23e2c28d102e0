"""PaymentIntents and the charges of their attempts.

    requires_payment_method → requires_confirmation → requires_action → processing → succeeded
                 ▲                    (declined)            │        → requires_capture → succeeded
                 └──────────────────────────────────────────┘        → canceled, from all but succeeded

https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

import re

from lumira.sandbox import payment_methods, refunds, shapes
from lumira.sandbox.attempts import attempt, book, succeed
from lumira.sandbox.call import Call
from lumira.sandbox.customers import check_email
from lumira.sandbox.errors import StripeObject, refusal, words
from lumira.sandbox.money import check_amount, check_currency, check_unit, formatted
from lumira.sandbox.parameters import Parameters, changes_of

ONLY_WITH_CONFIRM = words("error_on_requires_action mandate_data off_session return_url use_stripe_sdk")
OPEN = words("requires_payment_method requires_confirmation requires_action")
# What may change in any state; the rest only while nothing has been paid.
ALWAYS_UPDATABLE = words("description metadata payment_details receipt_email shipping transfer_group")
COPIED = words(
    "allowed_payment_method_types capture_method confirmation_method customer description "
    "excluded_payment_method_types receipt_email setup_future_usage shipping statement_descriptor_suffix "
    "transfer_group"
)
# https://docs.stripe.com/payments/payment-methods/integration-options
OPTIONS = {
    "card": {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": "automatic",
    },
    "sepa_debit": {},
}


# The operations


def create(call: Call, params: Parameters) -> StripeObject:
    """Make a PaymentIntent, and with `confirm` try to pay it: POST /v1/payment_intents."""
    currency = check_currency(params["currency"])
    amount = check_amount(params["amount"], currency)
    for name in ONLY_WITH_CONFIRM:
        if name in params and not params.get("confirm"):
            raise refusal("only_with_confirm", param=name)
    intent = shapes.new("payment_intent", call.now, amount=amount, currency=currency)
    intent["client_secret"] = f"{intent['id']}_{shapes.new_id('secret', 25)}"
    default = None if "payment_method_types" in params else {"enabled": True}
    automatic = params.get("automatic_payment_methods", default)
    if automatic and automatic["enabled"]:
        if "payment_method_types" in params:
            raise refusal("types_and_automatic", param="payment_method_types")
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
    if frozen and intent["status"] not in OPEN:
        what = "amount" if "amount" in frozen else frozen[0]
        raise refusal("not_updatable", payment_intent=intent, what=what)
    if "currency" in params:
        intent["currency"] = check_currency(params["currency"])
    if "amount" in params or "currency" in params:
        intent["amount"] = check_amount({**intent, **params}["amount"], intent["currency"])
    _apply(call, intent, params)
    call.save(intent)
    return intent


def confirm(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Try to pay: POST /v1/payment_intents/:id/confirm.

    Raises StripeError 402 when the card is declined; the failed charge and its events stay.
    """
    intent = call.find("payment_intent", identifier)
    if intent["status"] not in OPEN:
        name = "already_succeeded" if intent["status"] == "succeeded" else "not_confirmable"
        raise refusal(name, payment_intent=intent)
    _apply(call, intent, params)
    return _confirm(call, intent, params)


def _confirm(call: Call, intent: StripeObject, params: Parameters) -> StripeObject:
    if not intent["payment_method"]:
        raise refusal("payment_method_missing", payment_intent=intent)
    return_url = params.get("return_url")
    if return_url and not re.match(r"[A-Za-z][\w+.-]*://", return_url):
        raise refusal("invalid_url", param="return_url")
    automatic = intent["automatic_payment_methods"]
    redirects = automatic and automatic["enabled"] and automatic["allow_redirects"] == "always"
    if redirects and not return_url and not params.get("use_stripe_sdk") and not params.get("off_session"):
        raise refusal("return_url_missing")
    return attempt(call, intent, params)


def capture(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Take what was authorized, or part of it and release the rest: POST /v1/payment_intents/:id/capture."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] != "requires_capture":
        raise refusal("not_capturable", payment_intent=intent)
    amount = params["amount_to_capture"] if "amount_to_capture" in params else intent["amount_capturable"]
    if amount < 1:
        raise refusal("below_minimum", param="amount_to_capture", least=1)
    if amount > intent["amount_capturable"]:
        most = formatted(intent["amount_capturable"], intent["currency"])
        raise refusal("capture_above_authorized", param="amount_to_capture", most=most)
    check_unit(amount, intent["currency"], "amount_to_capture")
    intent |= changes_of(intent, params, ())
    charge = call.find("charge", intent["latest_charge"])
    charge |= {"amount_captured": amount, "captured": True}
    book(call, charge)
    if rest := charge["amount"] - amount:
        refunds.release(call, charge, rest)
    succeed(call, intent, charge, "charge.captured")
    return intent


def cancel(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Give up; what was authorized is given back: POST /v1/payment_intents/:id/cancel."""
    intent = call.find("payment_intent", identifier)
    if intent["status"] == "processing":
        raise refusal("still_processing", payment_intent=intent)
    if intent["status"] not in (*OPEN, "requires_capture"):
        raise refusal("not_cancelable", payment_intent=intent)
    if intent["status"] == "requires_capture":
        refunds.release(call, call.find("charge", intent["latest_charge"]), intent["amount_capturable"])
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
    intent |= changes_of(intent, params, COPIED)
    intent |= {
        name: params[name] for name in ("payment_details", "hooks", "amount_details") if params.get(name)
    }
    kinds = intent["payment_method_types"] = _kinds(intent, params.get("payment_method_types"))
    current, given = intent["payment_method_options"], params.get("payment_method_options") or {}
    intent["payment_method_options"] = {
        kind: {**OPTIONS[kind], **(current.get(kind) or {}), **(given.get(kind) or {})} for kind in kinds
    }
    if "card" in kinds:
        if params.get("statement_descriptor"):
            raise refusal("statement_descriptor_refused", param="statement_descriptor")
        _check_suffix(params.get("statement_descriptor_suffix"))
    elif "statement_descriptor" in params:
        intent["statement_descriptor"] = params["statement_descriptor"]
    if "payment_method_data" in params:
        method = payment_methods.create(call, params["payment_method_data"])
    elif "payment_method" in params:
        method = _payment_method(call, params["payment_method"], intent)
    else:
        return
    if method["type"] not in kinds:
        allowed = ", ".join(kinds)
        raise refusal(
            "payment_method_not_allowed", param="payment_method", kind=method["type"], allowed=allowed
        )
    intent["payment_method"] = method["id"]
    if intent["status"] in ("requires_payment_method", "requires_action"):
        intent |= {"status": "requires_confirmation", "next_action": None}


def _payment_method(call: Call, identifier: str, intent: StripeObject) -> StripeObject:
    """A PaymentMethod by id, or a new one for a test id; the intent's customer's, or nobody's."""
    if method := payment_methods.test_payment_method(call, identifier):
        return method
    method = call.find("payment_method", identifier, param="payment_method")
    owner = method["customer"]
    if owner and owner != intent["customer"]:
        name = "payment_method_of_another_customer"
        raise refusal(name, param="payment_method", id=identifier, customer=owner)
    return method


def _kinds(intent: StripeObject, requested: list[str] | None) -> list[str]:
    """What this intent may be paid with: what the sandbox knows for the currency, narrowed as asked."""
    known = ["card", "sepa_debit"] if intent["currency"] == "eur" else ["card"]
    for kind in requested or ():
        if kind not in known:
            raise refusal("payment_method_type_unknown", param="payment_method_types", kind=kind)
    if requested:
        return requested
    if not intent["automatic_payment_methods"] and intent["payment_method_types"]:
        return list(intent["payment_method_types"])
    allowed = intent["allowed_payment_method_types"] or known
    excluded = intent["excluded_payment_method_types"] or ()
    left = [kind for kind in known if kind in allowed and kind not in excluded]
    if not left:
        raise refusal("no_payment_method_type")
    return left


def _check_suffix(suffix: str | None) -> None:
    """https://docs.stripe.com/get-started/account/statement-descriptors#requirements."""
    for name, wrong in (
        ("suffix_too_long", r".{23,}"),
        ("suffix_characters", r".*[<>\\'\"*]"),
        ("suffix_without_letter", r"[^A-Za-z]+$"),
    ):
        if suffix and re.match(wrong, suffix):
            raise refusal(name, param="statement_descriptor_suffix")
