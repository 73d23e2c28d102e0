"""What each change of an order writes: the fields, and the entries of its timeline. No I/O.

What depends on the order as the store has it when it writes, such as whether its amount is another, is an
expression in the update: see `conditions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lumira.orders import REFUND_REQUESTED, TIMELINE_LIMIT, Observation, Order, OrderStatus, TimelineEntry
from lumira.refunds import UNKNOWN, Dispute, Refund, last_refund_at, refunded, told_as_sum
from lumira.storage.conditions import Expression, PushedIf, is_value, list_of
from lumira.storage.failures import Document


def moved(observation: Observation, by: str, event_id: str | None, attempt_id: str | None = None) -> Document:
    """The update that moves an order that is not completed to the status observed, from wherever it is."""
    to = observation.status
    fields = _facts(observation) | _money(observation) | {"status": str(to), "updatedAt": datetime.now(UTC)}
    update: Document = {"$set": fields}
    if to is OrderStatus.COMPLETED:
        fields |= _payment(observation)
    if to is not OrderStatus.FAILED:
        update["$unset"] = {"failureCode": "", "failureMessage": ""}
    entry = _stored(_entry(observation, by, event_id, attempt_id))
    move = Expression({"$mergeObjects": [{"$literal": entry}, {"from": "$status"}]})
    return update | _push_to_timeline(*_new_amount(observation, by, event_id), move)


def observed_again(
    order: Order, observation: Observation, by: str, event_id: str | None, attempt_id: str | None = None
) -> Document:
    """The update of an order that has the status observed already, which still may bring news.

    Another state at Stripe or amount, or a second decline; and when it was paid, for an order of the program
    before ours that does not say so. What is news the store finds out as it writes: of two that bring the
    same, the second brings none.
    """
    update: Document = {"$set": _facts(observation)}
    if observation.status is OrderStatus.COMPLETED:
        if order.completed_at is None:
            update["$set"] |= _payment(observation) | {"updatedAt": datetime.now(UTC)}
        return update
    news = _new_amount(observation, by, event_id)
    if observation.status is OrderStatus.FAILED:
        # Where the bank's own page failed there is no second charge.
        decline = {"failureCode": observation.failure_code}
        if observation.latest_charge:
            decline["latestCharge"] = observation.latest_charge
        news.append(PushedIf(_differs(decline), _stored(_entry(observation, by, event_id, attempt_id))))
    if news:
        is_news = {"$or": [entry.condition for entry in news]}
        changed_at = Expression({"$cond": [is_news, {"$literal": datetime.now(UTC)}, "$updatedAt"]})
        update["$set"] |= _money(observation) | {"updatedAt": changed_at}
        update |= _push_to_timeline(*news)
    return update


def with_refunds(refunds: Sequence[Refund]) -> Document:
    """The update that gives an order these refunds, and the sums that follow from them."""
    last = last_refund_at(refunds)
    fields: Document = {
        "refunds": [refund.model_dump(by_alias=True, exclude_none=True) for refund in refunds],
        "amountRefunded": refunded(refunds),
    }
    if last is None:
        return {"$set": fields, "$unset": {"lastRefundAt": ""}}
    return {"$set": fields | {"lastRefundAt": last}}


def refund_entries(
    order: Order,
    merged: Sequence[Refund],
    *,
    by: str,
    event_id: str | None,
    note: str | None,
    as_of: datetime,
) -> list[TimelineEntry]:
    """An entry for each new state of a refund among `merged`, the order's refunds after what was heard.

    By whoever asked for the refund here, else `by`. None for a refund whose money an entry has told of as a
    part of the sum on its charge. `as_of` (UTC) is when it was heard.
    """
    ids = {refund.id for refund in order.refunds}
    known = {(refund.id, refund.status) for refund in order.refunds}
    known |= {(refund.id, refund.status) for refund in told_as_sum(order.refunds, merged)}
    asked: dict[str | None, str] = {
        entry.attempt_id: entry.by
        for entry in order.timeline
        if entry.kind == REFUND_REQUESTED and entry.attempt_id
    }
    return [
        TimelineEntry(
            # It begins when it was made; what comes of it comes later.
            at=refund.created_at if refund.counts and refund.id not in ids else as_of,
            kind=f"refund.{refund.status}",
            by=asked.get(refund.attempt_id, by),
            amount=refund.amount,
            event_id=event_id,
            note=note or refund.reason,
        )
        for refund in merged
        if (refund.id, refund.status) not in known
    ]


def unknown_entries(order: Order, after: Sequence[Refund], *, by: str, at: datetime) -> list[TimelineEntry]:
    """An entry for each refund of `after` that counts no more because Stripe knows nothing of it."""
    return [
        TimelineEntry(at=at, kind=f"refund.{UNKNOWN}", by=by, amount=refund.amount, note=refund.id)
        for refund in after
        if refund.status == UNKNOWN and refund not in order.refunds
    ]


def with_disputes(disputes: Sequence[Dispute]) -> Document:
    """The update that gives an order these disputes."""
    return {"$set": {"disputes": [one.model_dump(by_alias=True, exclude_none=True) for one in disputes]}}


def dispute_entries(order: Order, news: Dispute, event_id: str | None) -> list[TimelineEntry]:
    """An entry for the news of a dispute; none where only the time to answer it changed."""
    if (news.id, news.status) in {(dispute.id, dispute.status) for dispute in order.disputes}:
        return []
    began = news.is_open and news.id not in {dispute.id for dispute in order.disputes}
    return [
        TimelineEntry(
            at=news.created_at if began else news.as_of or news.created_at,
            kind=f"dispute.{news.status}",
            by="stripe",
            amount=news.amount,
            event_id=event_id,
            note=news.reason,
        )
    ]


def has_timeline_of(order: Order) -> Document:
    """The condition that nothing was added to the timeline since this order was read: no edit, no move."""
    return {"$eq": [{"$size": list_of("timeline")}, len(order.timeline)]}


def append_to_timeline(*entries: TimelineEntry) -> Document:
    """The update operator that adds entries and keeps the timeline bounded."""
    return _push_to_timeline(*map(_stored, entries))


def _facts(observation: Observation) -> Document:
    facts: Document = {"stripeStatus": observation.stripe_status, "stripeSyncedAt": observation.at}
    if observation.latest_charge:
        facts["latestCharge"] = observation.latest_charge
    if observation.status is OrderStatus.FAILED:
        facts["failureCode"] = observation.failure_code
        facts["failureMessage"] = observation.failure_message
    return facts


def _payment(observation: Observation) -> Document:
    paid: Document = {"completedAt": observation.completed_at or observation.at}
    if observation.fee is not None:
        paid |= {"fee": observation.fee, "feeCurrency": observation.fee_currency}
    return paid


def _money(observation: Observation) -> Document:
    """The amount that Stripe states, for an order that is not paid yet."""
    if observation.amount is None:
        return {}
    return {"amount": observation.amount, "currency": observation.currency}


def _new_amount(observation: Observation, by: str, event_id: str | None) -> list[PushedIf]:
    """The timeline entry of another amount than the order has; the store looks whether it is another.

    Whoever read the order before may have read an amount that somebody else has changed meanwhile.
    """
    if observation.amount is None:
        return []
    entry = TimelineEntry(
        at=observation.at, kind="amount.changed", by=by, event_id=event_id, amount=observation.amount
    )
    return [PushedIf(_differs(_money(observation)), _stored(entry))]


def _differs(fields: Mapping[str, object]) -> Document:
    """The condition that one of the fields has another value than this."""
    return {"$not": [{"$and": [is_value(name, value) for name, value in fields.items()]}]}


def _entry(observation: Observation, by: str, event_id: str | None, attempt_id: str | None) -> TimelineEntry:
    return TimelineEntry(
        at=observation.at,
        kind=f"payment_intent.{observation.stripe_status}",
        by=by,
        after=observation.status,
        event_id=event_id,
        attempt_id=attempt_id,
        code=observation.failure_code if observation.status is OrderStatus.FAILED else None,
        note=observation.failure_message if observation.status is OrderStatus.FAILED else None,
    )


def _push_to_timeline(*entries: Document | PushedIf) -> Document:
    return {"$push": {"timeline": {"$each": list(entries), "$slice": -TIMELINE_LIMIT}}}


def _stored(entry: TimelineEntry) -> Document:
    return entry.model_dump(by_alias=True, exclude_none=True)
