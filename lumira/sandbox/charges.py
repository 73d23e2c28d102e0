"""Charges: made by PaymentIntents, read and annotated here. https://docs.stripe.com/api/charges."""

from __future__ import annotations

from lumira.sandbox.call import Call, changed
from lumira.sandbox.customers import check_email
from lumira.sandbox.errors import StripeObject
from lumira.sandbox.parameters import Parameters, merged_metadata

COPIED = ("customer", "description", "receipt_email", "shipping", "transfer_group")


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Annotate a charge: POST /v1/charges/:id."""
    charge = call.find("charge", identifier)
    check_email(params.get("receipt_email"), "receipt_email")
    changes = {name: params[name] for name in COPIED if name in params}
    if "fraud_details" in params:
        changes["fraud_details"] = {name: value for name, value in params["fraud_details"].items() if value}
    if "metadata" in params:
        changes["metadata"] = merged_metadata(charge["metadata"], params["metadata"])
    if previous := changed(charge, changes):
        call.save(charge)
        call.emit("charge.updated", charge, previous)
    return charge
