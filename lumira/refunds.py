"""Refunds and disputes of an order: what Stripe said of each, merged so that no order of arrival matters.

Both live on the order. Stripe tells of them many times (our own request, `refund.*`, `charge.refunded`,
`charge.dispute.*`, reconciliation), late and out of order; a state only ever gives way to a later one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from lumira.documents import StoredDocument, Text, instant_of, mapping_or_empty, mappings_in
from lumira.money import check_amount
from lumira.money_back import due_by

# Ours beside Stripe's: Stripe, asked for all refunds of the payment, knows of no such one. Nothing went back.
UNKNOWN: Final = "unknown"
# The money of a refund in one of these states came back to us, or never left.
RETURNED: Final = frozenset({"failed", "canceled", UNKNOWN})
# https://docs.stripe.com/api/refunds/object#refund_object-status: a refund that succeeded may still fail.
# Whatever Stripe says after all stands above what it did not know.
_REFUND_RANK: Final = {
    UNKNOWN: -1,
    "pending": 0,
    "requires_action": 0,
    "succeeded": 1,
    "failed": 2,
    "canceled": 2,
}
# https://docs.stripe.com/api/disputes/object#dispute_object-status
_DISPUTE_RANK: Final = {
    "warning_needs_response": 0,
    "warning_under_review": 1,
    "warning_closed": 2,
    "needs_response": 3,
    "under_review": 4,
    "lost": 5,
    "won": 5,
    "prevented": 5,
}
# A refund we know only as a sum on its charge; it gives way to the refund itself.
_SUM_PREFIX: Final = "sum_"


class Refund(StoredDocument):
    """One refund; `amount` in minor units of the order's currency, `created_at` UTC.

    `attempt_id` is the idempotency key of our own request, None for one that was made at Stripe.
    """

    id: str
    amount: int
    status: str = "succeeded"
    reason: Text = None
    created_at: datetime
    attempt_id: Text = None

    @property
    def counts(self) -> bool:
        """Whether its money left us, or is leaving."""
        return self.status not in RETURNED


class Dispute(StoredDocument):
    """One dispute; `amount` in minor units, `created_at` UTC, `status` Stripe's, heard of `as_of` (UTC).

    `due_by` is until when evidence is taken (UTC), where Stripe said so.
    """

    id: str
    amount: int
    status: str
    reason: Text = None
    created_at: datetime
    as_of: datetime | None = None
    due_by: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the issuer has not decided yet."""
        return self.status not in {"won", "lost", "warning_closed", "prevented"}

    @property
    def needs_response(self) -> bool:
        """Whether the issuer waits for our evidence: https://docs.stripe.com/disputes/responding."""
        return self.status in {"needs_response", "warning_needs_response"}

    @property
    def bars_refunds(self) -> bool:
        """Whether Stripe refuses to refund the charge: its issuer has taken the money, or may keep it.

        A mere inquiry bars nothing; a refund may even end it.
        """
        return self.status in {"needs_response", "under_review", "lost"}


def refund_from(refund: Mapping[str, Any], event_type: str = "", heard_at: datetime | None = None) -> Refund:
    """Reads Stripe's Refund object. Raises ValueError where it has no id, or no amount in minor units.

    A minimal sender leaves things out: the status is then what `event_type` implies, and the instant it was
    made the one it was `heard_at` (UTC), now by default.
    """
    implied = "failed" if event_type == "refund.failed" else "succeeded"
    read = Refund(
        id=refund.get("id"),
        amount=refund.get("amount"),
        status=refund.get("status") or implied,
        reason=refund.get("reason"),
        created_at=instant_of(refund.get("created"), heard_at or datetime.now(UTC)),
        attempt_id=mapping_or_empty(refund.get("metadata")).get("attemptId"),
    )
    check_amount("amount", read.amount)
    return read


def dispute_from(dispute: Mapping[str, Any], as_of: datetime) -> Dispute:
    """Reads Stripe's Dispute object, seen at an instant (UTC).

    Without a status, as from a minimal sender, it waits for evidence: that is how a dispute begins, and it
    gives way to whatever is known. Raises ValueError where it has no amount in minor units.
    """
    read = Dispute(
        id=dispute["id"],
        amount=dispute.get("amount"),
        status=dispute.get("status") or "needs_response",
        reason=dispute.get("reason"),
        created_at=instant_of(dispute.get("created"), as_of),
        as_of=as_of,
        due_by=due_by(dispute),
    )
    check_amount("amount", read.amount)
    return read


def refunds_of_charge(charge: Mapping[str, Any], known: Sequence[Refund], at: datetime) -> list[Refund]:
    """What a charge alone says of its refunds, for when Stripe can't be asked for them.

    Older API versions list them on the charge; today it holds the sum, of which the part that `known` does
    not explain stands in as one refund made `at`, until the refund itself is heard of. Raises ValueError
    where it is no sum in minor units.
    """
    if listed := mappings_in(mapping_or_empty(charge.get("refunds")).get("data")):
        return [refund_from(refund) for refund in listed]
    total = charge.get("amount_refunded") or 0
    check_amount("amount_refunded", total)
    # A refund that failed explains its part too: this charge may be older than the failure.
    unexplained = total - sum(refund.amount for refund in known if refund.status != UNKNOWN)
    if unexplained <= 0:
        return []
    return [Refund(id=f"{_SUM_PREFIX}{charge['id']}", amount=unexplained, created_at=at)]


def merge_refunds(known: Sequence[Refund], news: Iterable[Refund], *, complete: bool = False) -> list[Refund]:
    """`known` with the news, each refund in the latest state heard of, oldest refund first.

    `complete` news are all the refunds there are: what stood in for an unknown one goes.
    """
    merged = {refund.id: refund for refund in known if not (complete and refund.id.startswith(_SUM_PREFIX))}
    for refund in news:
        before = merged.get(refund.id)
        if before is None:
            if not refund.id.startswith(_SUM_PREFIX):
                _take_from_sums(merged, refund.amount)
            merged[refund.id] = refund
        elif refund.id.startswith(_SUM_PREFIX):
            merged[refund.id] = refund.model_copy(update={"amount": before.amount + refund.amount})
        elif _REFUND_RANK.get(refund.status, 0) > _REFUND_RANK.get(before.status, 0):
            merged[refund.id] = refund
    return sorted(merged.values(), key=lambda refund: (refund.created_at, refund.id))


def without_unknown(known: Sequence[Refund], unknown: Collection[str]) -> list[Refund]:
    """`known` where those of these ids, of which Stripe knows nothing, count no more."""
    return [
        refund.model_copy(update={"status": UNKNOWN}) if refund.counts and refund.id in unknown else refund
        for refund in known
    ]


def told_as_sum(before: Sequence[Refund], after: Sequence[Refund]) -> list[Refund]:
    """The refunds of `after` whose money was known before as a part of a sum on the charge."""
    before_ids = {refund.id for refund in before}
    explained = _in_sums(before) - _in_sums(after)
    told = []
    for refund in after:
        if refund.id not in before_ids and refund.counts and refund.amount <= explained:
            explained -= refund.amount
            told.append(refund)
    return told


def merge_disputes(known: Sequence[Dispute], news: Dispute) -> list[Dispute]:
    """`known` with the news, each dispute in the latest state heard of, oldest first."""
    merged = {dispute.id: dispute for dispute in known}
    before = merged.get(news.id)
    if before is None or (before.status != news.status and _standing(news) > _standing(before)):
        merged[news.id] = news
    elif before.status == news.status and news.due_by and (not before.due_by or news.due_by > before.due_by):
        # An earlier version kept no date, and Stripe may give more time.
        merged[news.id] = before.model_copy(update={"due_by": news.due_by})
    return sorted(merged.values(), key=lambda dispute: (dispute.created_at, dispute.id))


def _standing(dispute: Dispute) -> tuple[int, datetime, str]:
    """How far a dispute has come. Of two decisions the later one stands: a network may reverse the first."""
    return _DISPUTE_RANK.get(dispute.status, 0), dispute.as_of or dispute.created_at, dispute.status


def refunded(refunds: Iterable[Refund]) -> int:
    """The sum of the refunds that count, in minor units."""
    return sum(refund.amount for refund in refunds if refund.counts)


def last_refund_at(refunds: Iterable[Refund]) -> datetime | None:
    """When the latest refund that counts was made (UTC), or None."""
    return max((refund.created_at for refund in refunds if refund.counts), default=None)


def _in_sums(refunds: Iterable[Refund]) -> int:
    return sum(refund.amount for refund in refunds if refund.id.startswith(_SUM_PREFIX))


def _take_from_sums(merged: dict[str, Refund], amount: int) -> None:
    for key, refund in list(merged.items()):
        if not key.startswith(_SUM_PREFIX):
            continue
        rest = refund.amount - amount
        if rest > 0:
            merged[key] = refund.model_copy(update={"amount": rest})
        else:
            del merged[key]
        amount = max(0, -rest)
