"""Refunds: of a whole charge or part of it, at once, later, or failing later. https://docs.stripe.com/refunds."""

from __future__ import annotations

from lumira.sandbox import shapes
from lumira.sandbox.call import Call, changed
from lumira.sandbox.cards import BY_FINGERPRINT
from lumira.sandbox.errors import StripeObject, invalid_request
from lumira.sandbox.ledger import record
from lumira.sandbox.lists import list_objects
from lumira.sandbox.money import formatted
from lumira.sandbox.parameters import Parameters, merged_metadata


def create(call: Call, params: Parameters) -> StripeObject:
    """Refund a charge, given itself or by its PaymentIntent: POST /v1/refunds."""
    charge = _charge_of(call, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["refunded"] or left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid_request(message, code="charge_already_refunded")
    if charge["disputed"] and not _dispute_allows_refund(call, charge):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise invalid_request(message, code="charge_disputed")
    amount = params.get("amount", left)
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid_request(message, param="amount", code="parameter_invalid_integer")
    if amount > left:
        # Stripe gives this one a param and no code.
        kind = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
        currency = charge["currency"]
        asked, most = formatted(amount, currency), formatted(left, currency)
        message = f"Refund amount ({asked}) is greater than {kind} ({most})"
        raise invalid_request(message, param="amount")
    card = _card_details(charge)
    outcome = BY_FINGERPRINT[card["fingerprint"]].refund if card else "pending"
    refund = shapes.refund(call.now, charge, amount, "pending" if outcome == "pending" else "succeeded")
    refund |= {
        "metadata": merged_metadata({}, params.get("metadata", {})),
        "reason": params.get("reason"),
        "destination_details": _destination(card, reference=None),
    }
    transaction = record(
        call,
        refund["id"],
        "refund" if card else "payment_refund",
        -amount,
        charge["currency"],
        description=f"REFUND FOR CHARGE ({charge['description']})"
        if charge["description"]
        else "REFUND FOR CHARGE",
        reporting_category="refund",
    )
    refund["balance_transaction"] = transaction["id"]
    call.save(refund)
    _count(call, charge, amount)
    call.emit("refund.created", refund)
    call.later("settle_refund", refund["id"])
    return refund


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Change the metadata, all that can be changed: POST /v1/refunds/:id."""
    refund = call.find("refund", identifier)
    if "metadata" in params:
        metadata = merged_metadata(refund["metadata"], params["metadata"])
        if previous := changed(refund, {"metadata": metadata}):
            call.save(refund)
            _emit_update(call, refund, previous)
    return refund


def cancel(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """POST /v1/refunds/:id/cancel: only while the customer has to act, which refunds to cards never ask."""
    refund = call.find("refund", identifier)
    raise invalid_request(
        f"You cannot cancel the refund {identifier} because it has a status of {refund['status']}. Only a "
        "refund with one of the following statuses may be canceled: requires_action."
    )


def refunds_of(call: Call, charge: StripeObject) -> StripeObject:
    """A charge's refunds as the list that expanding `refunds` shows."""
    return list_objects(
        call, "refund", f"/v1/charges/{charge['id']}/refunds", {"charge": charge["id"]}, ("charge",)
    )


def release(call: Call, charge: StripeObject) -> None:
    """Give back an authorization that was never captured: a refund that no balance notices."""
    refund = shapes.refund(call.now, charge, charge["amount"], "succeeded")
    refund["destination_details"] = _destination(_card_details(charge), reference=None)
    refund["destination_details"]["card"]["type"] = "reversal"
    call.save(refund)
    _count(call, charge, charge["amount"])
    call.emit("refund.created", refund)


def settle(call: Call, identifier: str) -> None:
    """What the bank makes of a refund: it goes through, and has a reference; or it comes back."""
    refund = call.find("refund", identifier)
    charge = call.find("charge", refund["charge"])
    card = _card_details(charge)
    if card and BY_FINGERPRINT[card["fingerprint"]].refund == "failed":
        _fail(call, refund, charge)
        return
    changes = {
        "status": "succeeded",
        "destination_details": _destination(card, reference=shapes.new_id("", 16)[1:]),
    }
    previous = changed(refund, changes)
    call.save(refund)
    _emit_update(call, refund, previous)


def _fail(call: Call, refund: StripeObject, charge: StripeObject) -> None:
    """The money comes back, and the charge is as if it had not been refunded."""
    transaction = record(
        call,
        refund["id"],
        "refund_failure",
        refund["amount"],
        refund["currency"],
        description="REFUND FAILURE",
        reporting_category="refund_failure",
    )
    changes = {
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "failure_balance_transaction": transaction["id"],
    }
    previous = changed(refund, changes)
    former = changed(
        charge, {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False}
    )
    call.save(refund, charge)
    call.emit("refund.failed", refund)
    _emit_update(call, refund, previous)
    call.emit("charge.updated", charge, former)


def _charge_of(call: Call, params: Parameters) -> StripeObject:
    if "payment_intent" in params:
        intent = call.find("payment_intent", params["payment_intent"], param="payment_intent")
        charge = call.store.get(intent["latest_charge"] or "")
        if intent["status"] != "succeeded" or charge is None:
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise invalid_request(message, param="payment_intent")
        if params.get("charge") not in (None, charge["id"]):
            message = f"Charge {params['charge']} does not belong to PaymentIntent {intent['id']}."
            raise invalid_request(message, param="charge")
        return charge
    if "charge" not in params:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise invalid_request(message, code="parameter_missing")
    charge = call.find("charge", params["charge"], param="charge")
    if not charge["paid"]:
        raise invalid_request(f"The charge {charge['id']} failed and so can't be refunded.", param="charge")
    if not charge["captured"] and not charge["refunded"]:
        message = f"Charge {charge['id']} has not been captured: cancel its PaymentIntent instead."
        raise invalid_request(message, param="charge")
    return charge


def _count(call: Call, charge: StripeObject, amount: int) -> None:
    """Add a refund to its charge, and say so."""
    refunded = charge["amount_refunded"] + amount
    whole = charge["amount_captured"] or charge["amount"]
    previous = changed(charge, {"amount_refunded": refunded, "refunded": refunded == whole})
    call.save(charge)
    call.emit("charge.refunded", charge, previous)


def _dispute_allows_refund(call: Call, charge: StripeObject) -> bool:
    return all(dispute["is_charge_refundable"] for dispute in call.store.each("dispute", charge=charge["id"]))


def _card_details(charge: StripeObject) -> StripeObject | None:
    details: StripeObject | None = charge["payment_method_details"].get("card")
    return details


def _destination(card: StripeObject | None, *, reference: str | None) -> StripeObject:
    """https://docs.stripe.com/api/refunds/object#refund_object-destination_details."""
    if not card:
        return {"type": "sepa_debit"}
    status = {"reference_status": "pending" if reference is None else "available"}
    known = {} if reference is None else {"reference": reference}
    kind = {"reference_type": "acquirer_reference_number", "type": "refund"}
    return {"card": {**known, **status, **kind}, "type": "card"}


def _emit_update(call: Call, refund: StripeObject, previous: StripeObject) -> None:
    """Stripe tells of one change under two names, the older of them for refunds with a charge."""
    call.emit("refund.updated", refund, previous)
    call.emit("charge.refund.updated", refund, previous)
