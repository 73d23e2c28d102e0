"""Disputes, opened by the dispute test cards and settled by the test evidence.
https://docs.stripe.com/disputes.

Evidence `uncategorized_text` decides: winning_evidence, losing_evidence, escalate_inquiry_evidence.
https://docs.stripe.com/testing#disputes
"""

from __future__ import annotations

from lumira.sandbox import shapes
from lumira.sandbox.call import Call, changed
from lumira.sandbox.errors import StripeObject, invalid_request
from lumira.sandbox.ledger import record
from lumira.sandbox.parameters import Parameters, merged_metadata

DAYS_TO_RESPOND = 7
FEE = 2000  # €20 a dispute, as Stripe charges in Europe; given back with a dispute won
OPEN = ("needs_response", "warning_needs_response")


def open_dispute(call: Call, charge: StripeObject, reason: str) -> None:
    """The cardholder goes to their bank; the bank takes the money back, except for a mere inquiry."""
    inquiry = reason == "inquiry"
    dispute = shapes.dispute(
        call.now,
        charge,
        "fraudulent" if inquiry else reason,
        "warning_needs_response" if inquiry else "needs_response",
        call.now + DAYS_TO_RESPOND * 86400,
    )
    charge["disputed"] = True
    if not inquiry:
        _move_funds(call, dispute, -1)
    call.save(dispute, charge)
    call.emit("charge.dispute.created", dispute)
    if not inquiry:
        call.emit("charge.dispute.funds_withdrawn", dispute)
    call.emit("charge.updated", charge, {"disputed": False})


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Stage evidence, or submit it (`submit`, true unless said otherwise): POST /v1/disputes/:id."""
    dispute = call.find("dispute", identifier)
    evidence = params.get("evidence")
    if evidence is not None and dispute["status"] not in OPEN:
        raise invalid_request(f"This dispute can't take evidence: it has a status of {dispute['status']}.")
    changes: StripeObject = {}
    if "metadata" in params:
        changes["metadata"] = merged_metadata(dispute["metadata"], params["metadata"])
    submits = params.get("submit", True) and (evidence is not None or "submit" in params)
    details = dict(dispute["evidence_details"])
    if evidence is not None:
        changes["evidence"] = {**dispute["evidence"], **evidence}
        details["has_evidence"] = True
    if submits:
        details["submission_count"] += 1
        changes["status"] = dispute["status"].replace("needs_response", "under_review")
        call.later("decide_dispute", dispute["id"])
    if details != dispute["evidence_details"]:
        changes["evidence_details"] = details
    if previous := changed(dispute, changes):
        call.save(dispute)
        call.emit("charge.dispute.updated", dispute, previous)
    return dispute


def close(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """Accept the dispute as lost: POST /v1/disputes/:id/close."""
    dispute = call.find("dispute", identifier)
    if dispute["status"] not in OPEN:
        raise invalid_request(f"This dispute is already closed: it has a status of {dispute['status']}.")
    _close(call, dispute, "lost" if dispute["status"] == "needs_response" else "warning_closed")
    return dispute


def decide(call: Call, identifier: str) -> None:
    """The bank's answer to the test evidence; other evidence stays under review."""
    dispute = call.find("dispute", identifier)
    text = dispute["evidence"]["uncategorized_text"]
    if dispute["status"] == "warning_under_review" and text == "escalate_inquiry_evidence":
        dispute |= {"status": "needs_response", "is_charge_refundable": False}
        dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
        _move_funds(call, dispute, -1)
        call.save(dispute)
        call.emit("charge.dispute.updated", dispute, {"status": "warning_under_review"})
        call.emit("charge.dispute.funds_withdrawn", dispute)
    elif dispute["status"] == "warning_under_review" and text in ("winning_evidence", "losing_evidence"):
        _close(call, dispute, "warning_closed")
    elif dispute["status"] == "under_review" and text == "winning_evidence":
        _move_funds(call, dispute, 1)
        _close(call, dispute, "won")
        call.emit("charge.dispute.funds_reinstated", dispute)
    elif dispute["status"] == "under_review" and text == "losing_evidence":
        _close(call, dispute, "lost")


def _close(call: Call, dispute: StripeObject, status: str) -> None:
    previous = changed(dispute, {"status": status})
    call.save(dispute)
    call.emit("charge.dispute.closed", dispute, previous)


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
