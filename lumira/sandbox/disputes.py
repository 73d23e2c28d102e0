"""Disputes, opened by the dispute test cards and settled by the test evidence.

Evidence `uncategorized_text` decides: winning_evidence, losing_evidence, escalate_inquiry_evidence.
https://docs.stripe.com/disputes and https://docs.stripe.com/testing#disputes
"""

from __future__ import annotations

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject, refusal
from lumira.sandbox.ledger import record
from lumira.sandbox.parameters import Parameters, changes_of

DAYS_TO_RESPOND = 7
FEE = 2000  # €20 a dispute, as Stripe charges in Europe; given back with a dispute won
OPEN = ("needs_response", "warning_needs_response")
# Visa's: https://docs.stripe.com/disputes/categories
REASON_CODES = {
    "duplicate": "12.6.1",
    "fraudulent": "10.4",
    "product_not_received": "13.1",
    "product_unacceptable": "13.3",
}


def open_dispute(call: Call, charge: StripeObject, reason: str) -> StripeObject:
    """The cardholder goes to their bank; the bank takes the money back, except for a mere inquiry."""
    inquiry = reason == "inquiry"
    reason = "fraudulent" if inquiry else reason
    card = {
        "brand": charge["payment_method_details"]["card"]["brand"],
        "case_type": "inquiry" if inquiry else "chargeback",
        "network_reason_code": REASON_CODES[reason],
    }
    dispute = shapes.new(
        "dispute",
        call.now,
        amount=charge["amount_captured"],
        charge=charge["id"],
        currency=charge["currency"],
        is_charge_refundable=inquiry,
        payment_intent=charge["payment_intent"],
        payment_method_details={"card": card, "type": "card"},
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
    )
    dispute["evidence_details"]["due_by"] = call.now + DAYS_TO_RESPOND * 86400
    if not inquiry:
        _take_funds(call, dispute)
    call.save(dispute)
    call.emit("charge.dispute.created", dispute)
    if not inquiry:
        call.emit("charge.dispute.funds_withdrawn", dispute)
    call.change(charge, {"disputed": True}, "charge.updated")
    return dispute


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Stage evidence, or submit it (`submit`, true unless said otherwise): POST /v1/disputes/:id."""
    dispute = call.find("dispute", identifier)
    evidence = params.get("evidence")
    if evidence is not None and dispute["status"] not in OPEN:
        raise refusal("dispute_takes_no_evidence", dispute=dispute)
    changes = changes_of(dispute, params, ("intended_submission_method",))
    details = changes["evidence_details"] = dict(dispute["evidence_details"])
    if evidence is not None:
        changes["evidence"] = {**dispute["evidence"], **evidence}
        details["has_evidence"] = True
    if params.get("submit", True) and (evidence is not None or "submit" in params):
        details["submission_count"] += 1
        changes["status"] = dispute["status"].replace("needs_response", "under_review")
        call.later("decide_dispute", dispute["id"])
    return call.change(dispute, changes, "charge.dispute.updated")


def close(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """Accept the dispute as lost: POST /v1/disputes/:id/close."""
    dispute = call.find("dispute", identifier)
    if dispute["status"] not in OPEN:
        raise refusal("dispute_closed", dispute=dispute)
    return _close(call, dispute, "lost" if dispute["status"] == "needs_response" else "warning_closed")


def decide(call: Call, identifier: str) -> None:
    """The bank's answer to the test evidence; other evidence stays under review."""
    dispute = call.find("dispute", identifier)
    match dispute["status"], dispute["evidence"]["uncategorized_text"]:
        case "warning_under_review", "escalate_inquiry_evidence":
            dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
            dispute["evidence_details"]["due_by"] = call.now + DAYS_TO_RESPOND * 86400
            _take_funds(call, dispute)
            changes = {"status": "needs_response", "is_charge_refundable": False}
            call.change(dispute, changes, "charge.dispute.updated")
            call.emit("charge.dispute.funds_withdrawn", dispute)
        case "warning_under_review", "winning_evidence" | "losing_evidence":
            _close(call, dispute, "warning_closed")
        case "under_review", "winning_evidence":
            _move_funds(call, dispute, 1)
            _close(call, dispute, "won")
            call.emit("charge.dispute.funds_reinstated", dispute)
        case "under_review", "losing_evidence":
            _close(call, dispute, "lost")


def expire(call: Call, identifier: str) -> None:
    """Who has not answered in time has lost; evidence that is only staged is no answer."""
    dispute = call.find("dispute", identifier)
    if dispute["status"] == "needs_response":
        _close(call, dispute, "lost")


def _take_funds(call: Call, dispute: StripeObject) -> None:
    """Take the amount and the fee, until somebody answers in time."""
    _move_funds(call, dispute, -1)
    call.later("expire_dispute", dispute["id"], at=dispute["evidence_details"]["due_by"])


def _close(call: Call, dispute: StripeObject, status: str) -> StripeObject:
    return call.change(dispute, {"status": status}, "charge.dispute.closed")


def _move_funds(call: Call, dispute: StripeObject, sign: int) -> None:
    """Take the amount and the fee (-1), or give them back (1)."""
    transaction = record(
        call,
        dispute["id"],
        "adjustment",
        sign * dispute["amount"],
        dispute["currency"],
        fee=-sign * FEE,
        fee_description="Dispute fee",
        available_at_once=True,
        description=f"Chargeback {'withdrawal' if sign < 0 else 'reversal'} for {dispute['charge']}",
        reporting_category="dispute" if sign < 0 else "dispute_reversal",
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], transaction]
