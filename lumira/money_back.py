"""What only Stripe knows of money that goes back: where a refund is, and what a dispute asks for. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from lumira.documents import instant_of, mapping_or_empty

# A refund to a card shows on the statement after five to ten business days: https://docs.stripe.com/refunds
_BUSINESS_DAYS: Final = 10
_SATURDAY: Final = 5
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RefundAtStripe:
    """One refund, made at `created_at` (UTC).

    By `reference`, None until the bank has given one, the customer's bank finds it. `reversal`: the payment
    itself goes from the statement and no refund shows. `failure` is Stripe's reason why the money came back,
    `waits_for` that why it has not left.
    """

    id: str
    status: str
    created_at: datetime
    reference: str | None = None
    reversal: bool = False
    failure: str | None = None
    waits_for: str | None = None


@dataclass(frozen=True)
class DisputeAtStripe:
    """One dispute. `due_by` is until when evidence is taken (UTC), None when none is.

    `moved` is what the dispute has moved on our balance so far, in minor units of `currency`, below zero
    where it was taken; `fee` what Stripe has kept for it. `drafted`: there is evidence at Stripe.
    """

    id: str
    due_by: datetime | None = None
    drafted: bool = False
    moved: int = 0
    fee: int = 0
    currency: str = ""


def refund_at_stripe(refund: Mapping[str, Any]) -> RefundAtStripe:
    """Reads Stripe's Refund: https://docs.stripe.com/api/refunds/object."""
    details = mapping_or_empty(refund.get("destination_details"))
    way = mapping_or_empty(details.get(str(details.get("type"))))
    return RefundAtStripe(
        id=refund["id"],
        status=refund.get("status") or "pending",
        created_at=datetime.fromtimestamp(refund["created"], UTC),
        reference=way.get("reference") or None,
        reversal=way.get("type") == "reversal",
        failure=refund.get("failure_reason"),
        waits_for=refund.get("pending_reason"),
    )


def dispute_at_stripe(dispute: Mapping[str, Any]) -> DisputeAtStripe:
    """Reads Stripe's Dispute: https://docs.stripe.com/api/disputes/object."""
    evidence = mapping_or_empty(dispute.get("evidence_details"))
    moves = dispute.get("balance_transactions") or []
    return DisputeAtStripe(
        id=dispute["id"],
        due_by=due_by(dispute),
        drafted=bool(evidence.get("has_evidence")),
        moved=sum(move["amount"] for move in moves),
        fee=sum(move["fee"] for move in moves),
        currency=moves[0]["currency"] if moves else "",
    )


def due_by(dispute: Mapping[str, Any]) -> datetime | None:
    """Until when evidence is taken (UTC); None when none is."""
    seconds = mapping_or_empty(dispute.get("evidence_details")).get("due_by")
    due = instant_of(seconds, _NEVER) if seconds else _NEVER
    return None if due is _NEVER else due


def on_statement_by(sent: date) -> date:
    """The day by which the customer's bank shows a refund sent on this day, bank holidays aside."""
    day, left = sent, _BUSINESS_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < _SATURDAY
    return day
