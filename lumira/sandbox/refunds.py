"""Refunds: of a whole charge or part of it, at once, later, or failing later. https://docs.stripe.com/refunds."""

from __future__ import annotations

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.cards import BY_FINGERPRINT
from lumira.sandbox.errors import StripeObject, refusal, words
from lumira.sandbox.ledger import record
from lumira.sandbox.lists import list_objects
from lumira.sandbox.money import check_unit, formatted
from lumira.sandbox.parameters import Parameters, changes_of, merged_metadata

# Stripe tells of one change under two names, the older of them for refunds with a charge.
UPDATED = ("refund.updated", "charge.refund.updated")


def create(call: Call, params: Parameters) -> StripeObject:
    """Refund a charge, given itself or by its PaymentIntent: POST /v1/refunds."""
    charge = _charge_of(call, params)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise refusal("already_refunded", id=charge["id"])
    disputes = call.store.each("dispute", charge=charge["id"]) if charge["disputed"] else ()
    if not all(dispute["is_charge_refundable"] for dispute in disputes):
        raise refusal("charged_back", id=charge["id"])
    amount = params.get("amount", left)
    if amount < 1:
        raise refusal("below_minimum", param="amount", least=1)
    if amount > left:
        name = "refund_above_rest" if charge["amount_refunded"] else "refund_above_charge"
        asked, most = (formatted(money, charge["currency"]) for money in (amount, left))
        raise refusal(name, param="amount", asked=asked, most=most)
    check_unit(amount, charge["currency"])
    card = charge["payment_method_details"].get("card")
    pending = _outcome(card) == "pending"
    refund = _new(call, charge, amount, "pending" if pending else "succeeded")
    refund |= {
        "metadata": merged_metadata({}, params.get("metadata", {})),
        "reason": params.get("reason"),
        **({"pending_reason": "processing"} if pending else {}),
    }
    about = f" ({charge['description']})" if charge["description"] else ""
    transaction = record(
        call,
        refund["id"],
        "refund" if card else "payment_refund",
        -amount,
        charge["currency"],
        description=f"REFUND FOR CHARGE{about}",
        reporting_category="refund",
    )
    refund["balance_transaction"] = transaction["id"]
    _count(call, charge, refund)
    call.later("settle_refund", refund["id"])
    return refund


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Change the metadata, all that can be changed: POST /v1/refunds/:id."""
    refund = call.find("refund", identifier)
    return call.change(refund, changes_of(refund, params, ()), *UPDATED)


def cancel(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """Refuse: POST /v1/refunds/:id/cancel.

    Stripe cancels a refund only while the customer has to act (requires_action), which neither cards nor
    SEPA Direct Debit ever ask. https://docs.stripe.com/api/refunds/cancel
    """
    raise refusal("refund_not_cancelable", refund=call.find("refund", identifier))


def refunds_of(call: Call, charge: StripeObject) -> StripeObject:
    """A charge's refunds as the list that expanding `refunds` shows."""
    url, charged = f"/v1/charges/{charge['id']}/refunds", {"charge": charge["id"]}
    return list_objects(call, "refund", url, charged, ("charge",))


def release(call: Call, charge: StripeObject, amount: int) -> None:
    """Give back what was authorized and not captured: a refund, which the balance notices beside a capture.

    https://docs.stripe.com/reports/reporting-categories
    """
    refund = _new(call, charge, amount, "succeeded")
    refund["destination_details"]["card"]["type"] = "reversal"
    if charge["captured"]:
        kind, currency = "partial_capture_reversal", charge["currency"]
        transaction = record(call, refund["id"], "refund", -amount, currency, reporting_category=kind)
        refund["balance_transaction"] = transaction["id"]
    _count(call, charge, refund)


def settle(call: Call, identifier: str) -> None:
    """What the bank makes of a refund: it goes through, and has a reference; or it comes back."""
    refund = call.find("refund", identifier)
    charge = call.find("charge", refund["charge"])
    card = charge["payment_method_details"].get("card")
    refund.pop("pending_reason", None)
    if _outcome(card) == "failed":
        _fail(call, refund, charge)
        return
    details = _destination(card, reference=shapes.random_text(16))
    call.change(refund, {"status": "succeeded", "destination_details": details}, *UPDATED)


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
    call.change(refund, changes, "refund.failed", *UPDATED)
    left = charge["amount_refunded"] - refund["amount"]
    call.change(charge, {"amount_refunded": left, "refunded": False}, "charge.updated")


def _charge_of(call: Call, params: Parameters) -> StripeObject:
    if "payment_intent" in params:
        intent = call.find("payment_intent", params["payment_intent"], param="payment_intent")
        charge = call.store.get(intent["latest_charge"] or "")
        if intent["status"] != "succeeded" or charge is None:
            raise refusal("nothing_to_refund", param="payment_intent", id=intent["id"])
        if params.get("charge") not in (None, charge["id"]):
            raise refusal(
                "charge_of_another_intent", param="charge", charge=params["charge"], id=intent["id"]
            )
        return charge
    if "charge" not in params:
        raise refusal("refund_of_nothing")
    charge = call.find("charge", params["charge"], param="charge")
    if not charge["paid"]:
        raise refusal("charge_failed", param="charge", id=charge["id"])
    if not charge["captured"] and not charge["refunded"]:
        raise refusal("charge_not_captured", param="charge", id=charge["id"])
    return charge


def _new(call: Call, charge: StripeObject, amount: int, status: str) -> StripeObject:
    return shapes.new(
        "refund",
        call.now,
        **{name: charge[name] for name in words("currency customer payment_intent payment_method")},
        amount=amount,
        charge=charge["id"],
        destination_details=_destination(charge["payment_method_details"].get("card")),
        status=status,
    )


def _count(call: Call, charge: StripeObject, refund: StripeObject) -> None:
    """Add a new refund to its charge, and say so."""
    refunded = charge["amount_refunded"] + refund["amount"]
    changes = {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    call.save(refund)
    call.change(charge, changes, "charge.refunded")
    call.emit("refund.created", refund)


def _outcome(card: StripeObject | None) -> str:
    return BY_FINGERPRINT[card["fingerprint"]].refund if card else "pending"


def _destination(card: StripeObject | None, *, reference: str | None = None) -> StripeObject:
    """https://docs.stripe.com/api/refunds/object#refund_object-destination_details."""
    if not card:
        return {"type": "sepa_debit"}
    status = {"reference_status": "pending" if reference is None else "available"}
    known = {} if reference is None else {"reference": reference}
    kind = {"reference_type": "acquirer_reference_number", "type": "refund"}
    return {"card": {**known, **status, **kind}, "type": "card"}
