"""Customers. https://docs.stripe.com/api/customers."""

from __future__ import annotations

import re

from lumira.sandbox import payment_methods, shapes
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject, refusal, words
from lumira.sandbox.parameters import Parameters, changes_of

COPIED = words(
    "address balance description email name phone preferred_locales shipping tax_exempt business_name "
    "individual_name invoice_prefix next_invoice_sequence"
)


def create(call: Call, params: Parameters) -> StripeObject:
    """Make a customer, with a PaymentMethod attached if one is given: POST /v1/customers."""
    prefix = shapes.random_text(8).upper()
    customer = shapes.new("customer", call.now, invoice_prefix=prefix)
    customer |= _changes(customer, params)
    call.save(customer)
    call.emit("customer.created", customer)
    if "payment_method" in params:
        payment_methods.attach(call, params["payment_method"], {"customer": customer["id"]})
    return shapes.shown(customer)


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Change a customer: POST /v1/customers/:id."""
    customer = call.find("customer", identifier)
    return shapes.shown(call.change(customer, _changes(customer, params), "customer.updated"))


def _changes(customer: StripeObject, params: Parameters) -> StripeObject:
    check_email(params.get("email"), "email")
    changes = changes_of(customer, params, COPIED)
    if settings := params.get("invoice_settings"):
        changes["invoice_settings"] = {**customer["invoice_settings"], **settings}
    if changes.get("address"):
        nowhere = dict.fromkeys(words("city country line1 line2 postal_code state"))
        changes["address"] = {**nowhere, **changes["address"]}
    return changes


def check_email(email: str | None, param: str) -> None:
    """Raise StripeError (400) email_invalid for what can't be an address."""
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise refusal("invalid_email", param=param, email=email)
