"""Payments of the past, written into a sandbox's state: a desk filled with a history finds it at Stripe too.

They are made by the functions that answer Stripe's API, at the time they say. Their events are recorded, as
far back as Stripe keeps any, and delivered to nobody.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lumira.sandbox import disputes, payment_methods, payments, refunds
from lumira.sandbox.call import Call
from lumira.sandbox.cards import CARDS
from lumira.sandbox.errors import StripeError, StripeObject
from lumira.sandbox.resources import TASKS
from lumira.sandbox.store import EVENTS_KEPT, Store

DEBIT = {
    "type": "sepa_debit",
    "sepa_debit": {"iban": "FR1420041010050500013M02606"},
    "billing_details": {"name": "Camille Laurent", "email": "camille@example.com"},
}
# The test evidence that decides a dispute so; other evidence stays under review.
EVIDENCE = {"won": "winning_evidence", "lost": "losing_evidence", "under_review": "Delivered as described."}


@dataclass(frozen=True)
class PastRefund:
    """A refund of `amount` minor units at an instant (UTC); `reason` is one of Stripe's."""

    amount: int
    at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class PastDispute:
    """A dispute of the whole payment, opened at an instant, for one of Stripe's reasons; instants UTC.

    `status` is needs_response, or under_review since evidence was sent, when it was `answered`, or what the
    issuer decided on that, when it was `closed`: won or lost.
    """

    at: datetime
    reason: str
    status: str = "needs_response"
    answered: datetime | None = None
    closed: datetime | None = None


@dataclass(frozen=True)
class PastPayment:
    """A PaymentIntent of the past: `amount` in minor units, instants UTC.

    `status` is succeeded, processing, canceled or requires_payment_method; `decline_code` then tells why the
    payment failed, if it did. One that was `authorized` and succeeded is captured by hand as it settles.
    """

    id: str
    amount: int
    currency: str
    created: datetime
    settled: datetime
    status: str
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    decline_code: str | None = None
    refunds: tuple[PastRefund, ...] = ()
    disputes: tuple[PastDispute, ...] = ()
    authorized: datetime | None = None


@dataclass(frozen=True)
class PastIds:
    """The ids that a payment's latest charge, its refunds and its disputes were given, oldest first."""

    charge: str | None
    refunds: list[str]
    disputes: list[str]


@dataclass(frozen=True)
class Written:
    """What a history has left: the ids of what belongs to each payment, and the events of the new ones."""

    ids: dict[str, PastIds]
    events: list[StripeObject]


class History:
    """The past of a store up to `now` (UTC seconds): its calls, and what follows from them as it fell due."""

    def __init__(self, store: Store, now: float) -> None:
        self.store = store
        self.now = now
        self.tasks: list[tuple[float, str, str]] = []
        self.events: list[StripeObject] = []

    def at(self, clock: float, *, silent: bool = False) -> PastCall:
        """A call at a time (UTC seconds), which if `silent` has no events."""
        return PastCall(self.store, clock, history=self, silent=silent)

    def catch_up(self) -> None:
        """Do what fell due before now, and leave the rest to the sandbox."""
        while self.tasks:
            due, kind, identifier = heapq.heappop(self.tasks)
            if due > self.now:
                self.store.add_task(due, kind, identifier)
            else:
                TASKS[kind](self.at(due), identifier)


@dataclass(kw_only=True)
class PastCall(Call):
    """A call that happened: whoever wanted its events has had them."""

    history: History
    silent: bool

    def emit(self, kind: str, body: StripeObject, previous: StripeObject | None = None) -> None:
        """Record an event that Stripe would still know of."""
        if not self.silent and self.clock >= self.history.now - EVENTS_KEPT:
            self.history.events.append(self.record(kind, body, previous))

    def later(self, kind: str, identifier: str, *, at: float | None = None) -> None:
        """Keep the task for `History.catch_up`; a debit is one that the bank has not answered yet."""
        if kind != "settle_debit":
            due = self.clock + self.settlement_delay if at is None else at
            heapq.heappush(self.history.tasks, (due, kind, identifier))


def write_history(state: Path, past: Iterable[PastPayment]) -> Written:
    """Write the payments into a sandbox's state file, running or not.

    A PaymentIntent that is there already stays as it is. Raises sqlite3.Error when the file can't be used.
    """
    store = Store(state)
    history = History(store, time.time())
    try:
        with store.transaction():
            ids = {payment.id: _write(history, payment) for payment in past}
            history.catch_up()
        return Written(ids, history.events)
    finally:
        store.close()


def _write(history: History, payment: PastPayment) -> PastIds:
    store, created = history.store, payment.created.timestamp()
    if store.get(payment.id):
        return _ids(store, payment.id)
    intent = payments.create(
        # Silent: the event would tell the id it is made with, which is replaced below.
        history.at(created, silent=True),
        {
            "amount": payment.amount,
            "currency": payment.currency,
            "description": payment.description,
            "metadata": {key: value for key, value in payment.metadata.items() if value},
            **({"capture_method": "manual"} if payment.authorized else {}),
        },
    )
    store.delete(intent["id"])
    intent["client_secret"] = intent["client_secret"].replace(intent["id"], payment.id)
    intent["id"] = payment.id
    store.save(intent)
    history.at(created).emit("payment_intent.created", intent)
    if payment.authorized:
        _confirm(history.at(payment.authorized.timestamp()), payment, "pm_card_visa")
    _settle(history.at(payment.settled.timestamp()), payment)
    for refund in payment.refunds:
        refunds.create(
            history.at(refund.at.timestamp()),
            {
                "payment_intent": payment.id,
                "amount": refund.amount,
                **({"reason": refund.reason} if refund.reason else {}),
            },
        )
    for dispute in payment.disputes:
        _dispute(history, payment.id, dispute)
    return _ids(store, payment.id)


def _ids(store: Store, payment: str) -> PastIds:
    charges, refunded, disputed = (
        [body["id"] for body in store.each(kind, payment_intent=payment)][::-1]
        for kind in ("charge", "refund", "dispute")
    )
    return PastIds(charges[-1] if charges else None, refunded, disputed)


def _dispute(history: History, payment: str, past: PastDispute) -> None:
    [charge] = history.store.each("charge", payment_intent=payment)
    dispute = disputes.open_dispute(history.at(past.at.timestamp()), charge, past.reason)
    if past.answered:
        call = history.at(past.answered.timestamp())
        if past.closed:
            call.settlement_delay = (past.closed - past.answered).total_seconds()
        disputes.update(call, dispute["id"], {"evidence": {"uncategorized_text": EVIDENCE[past.status]}})


def _settle(call: PastCall, payment: PastPayment) -> None:
    match payment.status:
        case "canceled":
            payments.cancel(call, payment.id, {"cancellation_reason": "abandoned"})
        case "succeeded" if payment.authorized:
            payments.capture(call, payment.id, {})
        case "succeeded":
            _confirm(call, payment, "pm_card_visa")
        case "processing":
            _confirm(call, payment, payment_methods.create(call, DEBIT)["id"])
        case "requires_payment_method" if payment.decline_code:
            declined = (name for name, card in CARDS.items() if card.decline == payment.decline_code)
            with contextlib.suppress(StripeError):
                _confirm(call, payment, next(declined, "pm_card_chargeDeclined"))


def _confirm(call: PastCall, payment: PastPayment, method: str) -> None:
    mandate = {"customer_acceptance": {"type": "offline"}}  # a direct debit needs one; a card doesn't mind
    params = {"payment_method": method, "return_url": "https://example.com/", "mandate_data": mandate}
    payments.confirm(call, payment.id, params)
