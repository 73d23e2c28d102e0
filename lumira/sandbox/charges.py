"""Charges: made by PaymentIntents, read and annotated here. https://docs.stripe.com/api/charges."""

from __future__ import annotations

from lumira.sandbox.call import Call
from lumira.sandbox.customers import check_email
from lumira.sandbox.errors import StripeObject, words
from lumira.sandbox.parameters import Parameters, changes_of

COPIED = words("customer description receipt_email shipping transfer_group")


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Annotate a charge: POST /v1/charges/:id."""
    charge = call.find("charge", identifier)
    check_email(params.get("receipt_email"), "receipt_email")
    changes = changes_of(charge, params, COPIED)
    if "fraud_details" in params:
        changes["fraud_details"] = {name: value for name, value in params["fraud_details"].items() if value}
    return call.change(charge, changes, "charge.updated")
