"""Customers. https://docs.stripe.com/api/customers."""

from __future__ import annotations

import re

from lumira.sandbox import payment_methods, shapes
from lumira.sandbox.call import Call, changed
from lumira.sandbox.errors import StripeObject, invalid_request
from lumira.sandbox.parameters import Parameters, merged_metadata

COPIED = (
    "address",
    "balance",
    "description",
    "email",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)
COPIED_WHEN_GIVEN = ("business_name", "individual_name", "invoice_prefix", "next_invoice_sequence")


def create(call: Call, params: Parameters) -> StripeObject:
    """Make a customer, with a PaymentMethod attached if one is given: POST /v1/customers."""
    customer = shapes.customer(call.now)
    customer |= _changes(customer, params)
    _drop_unset(customer)
    call.save(customer)
    call.emit("customer.created", customer)
    if "payment_method" in params:
        payment_methods.attach(call, params["payment_method"], {"customer": customer["id"]})
    return customer


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Change a customer: POST /v1/customers/:id."""
    customer = call.find("customer", identifier)
    previous = changed(customer, _changes(customer, params))
    _drop_unset(customer)
    if previous:
        call.save(customer)
        call.emit("customer.updated", customer, previous)
    return customer


def _changes(customer: StripeObject, params: Parameters) -> StripeObject:
    check_email(params.get("email"), "email")
    changes: StripeObject = {name: params[name] for name in (*COPIED, *COPIED_WHEN_GIVEN) if name in params}
    if "metadata" in params:
        changes["metadata"] = merged_metadata(customer["metadata"], params["metadata"])
    if settings := params.get("invoice_settings"):
        changes["invoice_settings"] = {**customer["invoice_settings"], **settings}
    if changes.get("address"):
        changes["address"] = {**shapes.NO_ADDRESS, **changes["address"]}
    return changes


def _drop_unset(customer: StripeObject) -> None:
    """Some fields are absent, not null, while they have no value."""
    for name in COPIED_WHEN_GIVEN:
        if customer.get(name, "") is None:
            del customer[name]


def check_email(email: str | None, param: str) -> None:
    """Raise StripeError (400) email_invalid for what can't be an address."""
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise invalid_request(f"Invalid email address: {email}", param=param, code="email_invalid")
