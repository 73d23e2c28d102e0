"""Events in any order, twice, never; polls, walks and a Stripe that does not answer between them.

Whatever happened on the way, the order ends as Stripe has it: status, amount, refunds, disputes.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lumira.access import Actor, Role
from lumira.desk import Desk
from tests.conftest import reconciliation_of
from tests.torture.conftest import ROUNDS
from tests.torture.stripe_side import (
    SEPA_PAID,
    SEPA_REFUSED,
    StripeSide,
    check_timeline,
    compare,
    delivery,
    status_meant,
)

ADMIN = Actor("ada", Role.ADMIN)

PAY = ("confirm", "pm_card_visa")
DECLINE = ("confirm", "pm_card_visa_chargeDeclined")
SECURE = ("confirm", "pm_card_threeDSecure2Required")
CANCEL = ("post", "cancel")
# What customers and staff do at Stripe, in this order.
LIVES: dict[str, list[tuple[str, Any]]] = {
    "nothing": [],
    "paid": [PAY],
    "declined": [DECLINE],
    "declined twice": [DECLINE, ("confirm", "pm_card_visa_chargeDeclinedInsufficientFunds")],
    "declined, then paid": [DECLINE, PAY],
    "declined, then asked for 3-D Secure": [DECLINE, SECURE],
    "3-D Secure passed": [SECURE, ("authenticate", "yes")],
    "3-D Secure failed": [SECURE, ("authenticate", "no")],
    "3-D Secure failed, then paid": [SECURE, ("authenticate", "no"), PAY],
    "made dearer, then paid": [("reprice", 5200), PAY],
    "declined, made cheaper, then paid, refunded": [DECLINE, ("reprice", 4200), PAY, ("refund", 700)],
    "made dearer, then cancelled": [("reprice", 5200), CANCEL],
    "debited": [("debit", SEPA_PAID)],
    "debit refused": [("debit", SEPA_REFUSED)],
    "debit refused, then paid, refunded": [("debit", SEPA_REFUSED), PAY, ("refund", 700)],
    "cancelled": [CANCEL],
    "declined, then cancelled": [DECLINE, CANCEL],
    "refunded in parts": [PAY, ("refund", 700), ("refund", 300), ("refund", 3700)],
    "refunded in two equal parts": [DECLINE, PAY, ("refund", 500), ("refund", 500)],
    "refund fails": [("confirm", "pm_card_refundFail"), ("refund", 4700)],
    "refunds fail": [("confirm", "pm_card_refundFail"), ("refund", 700), ("refund", 900)],
    "refund pends": [("confirm", "pm_card_pendingRefund"), ("refund", 4700)],
    "dispute won": [("confirm", "pm_card_createDispute"), ("dispute", "winning_evidence")],
    "dispute lost": [("confirm", "pm_card_createDispute"), ("dispute", "losing_evidence")],
}

# Seconds that Stripe's clock may be ahead of ours, or behind.
AHEAD = 60
# A step and which of the events at hand it takes.
STEPS = st.tuples(
    st.sampled_from(
        ["act", "deliver", "act", "deliver", "again", "lose", "poll", "walk", "repair", "outage"]
    ),
    st.integers(0, 12),
)


class History:
    """One order, its PaymentIntent's life, and what of it has come to us."""

    def __init__(self, desk: Desk, side: StripeSide, counts: Any, seen: set[str]) -> None:
        self.desk, self.side, self.counts, self.seen = desk, side, counts, seen
        self.started = datetime.now(UTC) - timedelta(seconds=AHEAD + 2)
        created = desk.intents.create({"productId": "mystique"}, actor=ADMIN, source="torture")
        self.payment_intent_id = created.order_id
        self.waiting: list[dict[str, Any]] = []
        self.delivered: list[dict[str, Any]] = []
        # Whether something kept the truth from us, so that only a reconciliation can bring it.
        self.incomplete = False
        self.has_been_completed = False

    def act(self, action: tuple[str, Any]) -> None:
        """One thing happens at Stripe."""
        what, how = action
        if what == "post":
            self.side.post(f"payment_intents/{self.payment_intent_id}/{how}")
        else:
            getattr(self.side, what)(self.payment_intent_id, how)
        self.waiting += self.side.events(self.seen)

    def deliver(self, event: dict[str, Any]) -> None:
        self.desk.webhooks.receive(*delivery(event))
        self.counts["events sent"] += 1

    def step(self, kind: str, which: int, actions: list[tuple[str, Any]]) -> None:
        """Does one step; one that has nothing to take does nothing. Nothing ever undoes a payment."""
        self._step(kind, which, actions)
        order = self.desk.orders.find_by_payment_intent(self.payment_intent_id)
        completed = order is not None and order.status == "completed"
        assert completed or not self.has_been_completed
        self.has_been_completed = completed

    def _step(self, kind: str, which: int, actions: list[tuple[str, Any]]) -> None:
        match kind:
            case "act" if actions:
                self.act(actions.pop(0))
            case "deliver" if self.waiting:
                self.delivered.append(self.waiting.pop(which % len(self.waiting)))
                self.deliver(self.delivered[-1])
            case "again" if self.delivered:
                self.deliver(self.delivered[which % len(self.delivered)])
            case "lose" if self.waiting:
                self.waiting.pop(which % len(self.waiting))
                self.counts["events lost"] += 1
                self.incomplete = True
            case "poll":
                self.desk.intents.refresh(self.payment_intent_id, actor=ADMIN)
                self.counts["polls"] += 1
            case "walk" | "repair":
                self.walk(apply=kind == "repair")
            case "outage" if self.waiting:
                # Stripe answers nothing while the next event is handled.
                self.side.switch("faults", answer=500, share=1, retry=False)
                self._step("deliver", which, actions)
                self.side.end_faults()
                self.incomplete = True

    def walk(self, *, apply: bool, later: timedelta = timedelta()) -> list[Any]:
        """Reconciles now, or as it will be later."""
        reconciliation = reconciliation_of(self.desk, later)
        self.counts["reconciliations"] += 1
        return reconciliation.run(self.started, actor=ADMIN, apply=apply).open_differences

    def end(self, ranks: list[int]) -> None:
        """Delivers the rest in the order of these ranks, and settles what was kept from us."""
        self.side.settled(self.payment_intent_id)
        self.waiting += self.side.events(self.seen)
        order = {event["id"]: ranks[n % len(ranks)] for n, event in enumerate(self.waiting)}
        for waiting in sorted(self.waiting, key=lambda event: order[event["id"]]):
            self.deliver(waiting)
        intent = self.side.get(f"payment_intents/{self.payment_intent_id}")
        if self.incomplete or intent["status"] == "requires_action":
            # The contract's desk does not act on payment_intent.requires_action.
            assert self.walk(apply=True, later=timedelta(hours=1)) == []


@pytest.fixture
def seen() -> set[str]:
    """The events at Stripe that a history has taken up already."""
    return set()


@pytest.mark.parametrize("ahead", [0, AHEAD, -AHEAD])
def test_every_arrival_ends_as_stripe_has_it(desk, stripe_side, documents, counts, seen, ahead):
    stripe_side.advance(ahead)

    @settings(
        max_examples=16 * ROUNDS,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(
        life=st.sampled_from(sorted(LIVES)),
        steps=st.lists(STEPS, min_size=4, max_size=25),
        ranks=st.lists(st.integers(0, 100), min_size=12, max_size=12),
    )
    def arrive(life: str, steps: list[tuple[str, int]], ranks: list[int]) -> None:
        event(life)
        stripe_side.events(seen)
        history = History(desk, stripe_side, counts, seen)
        counts["histories"] += 1
        actions = list(LIVES[life])
        try:
            for kind, which in steps:
                history.step(kind, which, actions)
            for action in actions:
                history.act(action)
            history.end(ranks)
        finally:
            stripe_side.end_faults()
        one = documents.productorders.find_one({"paymentIntentId": history.payment_intent_id})
        compare_one(stripe_side, one)

    arrive()
    compare(stripe_side, documents, counts)


def compare_one(side: StripeSide, order: dict[str, Any]) -> None:
    """The order of one history beside its PaymentIntent, at once, so that Hypothesis can shrink it."""
    intent = side.get(f"payment_intents/{order['paymentIntentId']}")
    assert order["status"] == status_meant(intent)
    assert order["amount"] == intent["amount"]
    refunds = side.get("refunds", payment_intent=intent["id"])["data"]
    theirs = {refund["id"]: (refund["amount"], refund["status"]) for refund in refunds}
    assert {
        refund["id"]: (refund["amount"], refund["status"]) for refund in order.get("refunds", [])
    } == theirs
    disputes = side.get("disputes", payment_intent=intent["id"])["data"]
    assert {(d["id"], d["status"]) for d in order.get("disputes", [])} == {
        (d["id"], d["status"]) for d in disputes
    }
    check_timeline(order)


def test_every_permutation_ends_the_same(desk, stripe_side, documents, counts, seen):
    lives = (
        *("declined, then paid", "refunded in two equal parts", "refund fails", "dispute won"),
        "declined, made cheaper, then paid, refunded",
    )
    for life in lives:
        history = History(desk, stripe_side, counts, seen)
        for action in LIVES[life]:
            history.act(action)
        stripe_side.settled(history.payment_intent_id)
        events = history.waiting + stripe_side.events(seen)
        if ROUNDS == 1:
            # Twenty-four permutations must do: of the payment, and of what came last.
            paid = [one for one in events if one["type"] == "payment_intent.succeeded"]
            events = paid + [one for one in events if one not in paid][-3:]
        before = documents.productorders.find_one({"paymentIntentId": history.payment_intent_id})
        for permutation in itertools.permutations(events[:6]):
            documents.productorders.replace_one({"_id": before["_id"]}, before)
            documents.processed_events.delete_many({})
            for one in permutation:
                history.deliver(one)
            end = documents.productorders.find_one({"_id": before["_id"]})
            compare_one(stripe_side, end)
            counts["permutations compared"] += 1
    counts["differences"] += 0


def test_no_permutation_undoes_a_payment_while_stripe_is_away(desk, stripe_side, documents, counts, seen):
    """Told by the events alone, whose clock is ahead of ours, polled before or not."""
    stripe_side.advance(AHEAD)
    history = History(desk, stripe_side, counts, seen)
    for action in (("debit", SEPA_REFUSED), DECLINE, PAY):
        history.act(action)
    before = documents.productorders.find_one({"paymentIntentId": history.payment_intent_id})
    for polled in (False, True):
        for permutation in itertools.permutations(history.waiting):
            documents.productorders.replace_one({"_id": before["_id"]}, before)
            documents.processed_events.delete_many({})
            if polled:
                desk.intents.refresh(history.payment_intent_id, actor=ADMIN)
            stripe_side.switch("faults", answer=500, share=1, retry=False)
            for one in permutation:
                history.deliver(one)
            stripe_side.end_faults()
            compare_one(stripe_side, documents.productorders.find_one({"_id": before["_id"]}))
            counts["permutations compared"] += 1
    counts["differences"] += 0
