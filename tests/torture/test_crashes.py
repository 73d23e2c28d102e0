"""The process killed at each step of each thing it does; then started again, asked again, reconciled."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from lumira.errors import OrderNotPayable
from tests.conftest import reconciliation_of
from tests.torture.conftest import ROUNDS
from tests.torture.crash import ACTOR, crashed
from tests.torture.stripe_side import SEPA_PAID, compare, delivery

PAID = "pm_card_visa"
BODY = {"productId": "mystique", "customerEmail": "a@b.fr"}


class Survivors:
    """What the test crashes, and how it looks afterwards."""

    def __init__(self, desk: Any, stripe_side: Any, documents: Any, counts: Counter[str]) -> None:
        self.desk, self.side, self.documents, self.counts = desk, stripe_side, documents, counts
        self.started = datetime.now(UTC) - timedelta(seconds=2)

    def each_step(self, step: str, arguments: Callable[[], dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Kills the step at every call it makes, before it and after; yields the arguments of each crash.

        `arguments` prepares a new case for each.
        """
        at = 1
        while True:
            given = arguments()
            if not crashed(self.desk.settings, step, given, at):
                assert at > 2, "nothing was killed"
                return
            self.counts["crashes survived"] += 1
            yield given
            if ROUNDS > 1:
                # To die after a call is to die before the next: only the last one tells something new.
                given = arguments()
                if crashed(self.desk.settings, step, given, at, after=True):
                    self.counts["crashes survived"] += 1
                    yield given
            at += 1

    def create(self) -> str:
        return self.desk.intents.create(BODY, actor=ACTOR, source="torture").order_id

    def redeliver(self, times: int = 1) -> None:
        """Everything Stripe has told, again; leases of workers that died have run out."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        self.documents.processed_events.update_many({"state": "processing"}, {"$set": {"leaseUntil": past}})
        for event in self.side.events(set()) * times:
            self.desk.webhooks.receive(*delivery(event))
            self.counts["events sent"] += 1
        rows = list(self.documents.processed_events.find())
        assert {row["state"] for row in rows} <= {"processed"}
        assert len({row["eventId"] for row in rows}) == len(rows)

    def reconcile(self) -> None:
        """A walk an hour later repairs, and the next finds nothing."""
        later = reconciliation_of(self.desk, timedelta(hours=1))
        assert later.run(self.started, actor=ACTOR, apply=True).open_differences == []
        assert later.run(self.started, actor=ACTOR).differences == []

    def entries(self, order: dict[str, Any], action: str) -> int:
        """How often the audit log tells of this action on the order."""
        query = {"order_id": str(order["_id"]), "action": action}
        return self.documents.audit_entries.count_documents(query)


@pytest.fixture
def survivors(desk, stripe_side, documents, counts):
    return Survivors(desk, stripe_side, documents, counts)


def test_killed_while_creating(survivors, desk):
    def arguments() -> dict[str, Any]:
        return {"body": BODY, "source": "torture", "idempotency_key": uuid4().hex}

    answers = []
    for asked_again in (0, 2) * ROUNDS:
        for given in survivors.each_step("create", arguments):
            repeats = {desk.intents.create(**given, actor=ACTOR).order_id for _ in range(asked_again)}
            assert len(repeats) == min(asked_again, 1)
            answers += repeats
    survivors.redeliver()
    survivors.reconcile()
    orders = compare(survivors.side, survivors.documents, survivors.counts)
    assert set(answers) <= set(orders)
    for answer in answers:
        assert survivors.entries(orders[answer], "create_intent") == 1


def test_killed_while_correcting_a_customer(survivors, desk):
    def arguments() -> dict[str, Any]:
        body = {"email": f"{uuid4().hex}@example.com", "firstName": "Anna", "lastName": "Garçon"}
        return {"order_id": survivors.create(), "body": body}

    for _ in range(ROUNDS):
        for _ in survivors.each_step("edit_customer", arguments):
            pass
    survivors.reconcile()
    orders = compare(survivors.side, survivors.documents, survivors.counts)
    for payment_intent_id, order in orders.items():
        at_stripe = desk.gateway.retrieve_payment_intent(payment_intent_id)["metadata"]
        said = order["metadata"]["customerEmail"]
        assert at_stripe.get("customerEmail", "") == said


@pytest.mark.long(10)
def test_killed_while_refunding(survivors, desk):
    def arguments() -> dict[str, Any]:
        paid = survivors.create()
        desk.intents.confirm(paid, PAID, actor=ACTOR)
        return {"order_id": paid, "amount": 700, "idempotency_key": uuid4().hex}

    repeated = set()
    for asked_again in (0, 2) * ROUNDS:
        for given in survivors.each_step("refund", arguments):
            for _ in range(asked_again):
                assert desk.refunds.create(**given, actor=ACTOR).amount_refunded == 700
                repeated.add(given["order_id"])
    survivors.redeliver()
    survivors.reconcile()
    orders = compare(survivors.side, survivors.documents, survivors.counts)
    for order in orders.values():
        # Once, or never when nobody asked again; its entry in the timeline likewise.
        assert order["amountRefunded"] in ({700} if order["paymentIntentId"] in repeated else {0, 700})
        told = [entry["kind"] for entry in order["timeline"]]
        assert told.count("refund.succeeded") == len(order.get("refunds", []))
        assert told.count("refund.requested") <= 1
    for order_id in repeated:
        assert survivors.entries(orders[order_id], "refund") == 1


def test_killed_while_confirming_or_cancelling(survivors, desk):
    def confirm() -> dict[str, Any]:
        return cancel() | {"payment_method": PAID, "idempotency_key": uuid4().hex}

    def cancel() -> dict[str, Any]:
        return {"order_id": survivors.create()}

    for asked_again in (False, True) * ROUNDS:
        for given in survivors.each_step("confirm", confirm):
            if asked_again:
                # What was paid already says so.
                with contextlib.suppress(OrderNotPayable):
                    assert desk.intents.confirm(**given, actor=ACTOR).status == "completed"
        for given in survivors.each_step("cancel", cancel):
            if asked_again:
                assert desk.intents.cancel(**given, actor=ACTOR).status == "cancelled"
    survivors.redeliver()
    survivors.reconcile()
    compare(survivors.side, survivors.documents, survivors.counts)


HAPPENED: dict[str, Callable[[Any, str], Any]] = {
    "payment_intent.succeeded": lambda side, intent: side.confirm(intent, PAID),
    "payment_intent.payment_failed": lambda side, intent: side.confirm(intent, "pm_card_visa_chargeDeclined"),
    "payment_intent.canceled": lambda side, intent: side.post(f"payment_intents/{intent}/cancel"),
    "payment_intent.processing": lambda side, intent: side.debit(intent, SEPA_PAID),
    "charge.refunded": lambda side, intent: (side.confirm(intent, PAID), side.refund(intent, 700)),
    "refund.created": lambda side, intent: (side.confirm(intent, PAID), side.refund(intent, 700)),
    "charge.dispute.created": lambda side, intent: side.confirm(intent, "pm_card_createDispute"),
}

# Of orders we don't know, in the short form.
UNKNOWN = {"payment_intent.succeeded", "refund.created"}


@pytest.mark.long(15)
def test_killed_while_handling_an_event(survivors, documents, counts):
    seen: set[str] = set()

    def arguments(kind: str, known: bool) -> dict[str, Any]:
        intent = survivors.create()
        HAPPENED[kind](survivors.side, intent)
        if not known:
            documents.productorders.delete_one({"paymentIntentId": intent})
        event = next(event for event in survivors.side.events(seen) if event["type"] == kind)
        payload, signature = delivery(event)
        return {"payload": payload, "signature": signature}

    cases = [(kind, True) for kind in HAPPENED]
    cases += [(kind, False) for kind in HAPPENED if ROUNDS > 1 or kind in UNKNOWN]
    for kind, known in cases * ROUNDS:
        for _ in survivors.each_step("deliver", functools.partial(arguments, kind, known)):
            pass
    survivors.redeliver(times=2)
    orders = compare(survivors.side, documents, counts)
    survivors.reconcile()
    assert compare(survivors.side, documents, counts).keys() == orders.keys()
    assert max(row["attempts"] for row in documents.processed_events.find()) == 2


@pytest.mark.long(15)
def test_killed_while_reconciling(survivors, documents, counts):
    def arguments() -> dict[str, Any]:
        return {"since": survivors.started}

    def missed(intent: str) -> None:
        """We heard of neither payment nor refund."""
        survivors.side.refund(intent, 700)

    def missing(intent: str) -> None:
        documents.productorders.delete_one({"paymentIntentId": intent})

    def untied(intent: str) -> None:
        documents.productorders.update_one(
            {"paymentIntentId": intent}, {"$unset": {"paymentIntentId": "", "stripeStatus": ""}}
        )

    def differ() -> None:
        intent = survivors.create()
        survivors.side.confirm(intent, PAID)
        next(kinds)(intent)

    kinds = itertools.cycle([missed, missing, untied])
    for _ in range(ROUNDS):
        for _ in range(3):
            differ()
        for _ in survivors.each_step("reconcile", arguments):
            differ()
    survivors.reconcile()
    compare(survivors.side, documents, counts)
