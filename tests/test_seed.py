"""Seeded orders: the same for the same seed, believable, and stored as any order."""

import json
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from lumira.audit import Action, AuditFilter
from lumira.catalog import Level
from lumira.embedded import running
from lumira.errors import SettingsError, StoreUnavailable
from lumira.events import ACTED_ON, EventState
from lumira.orders import OrderStatus
from lumira.overview import needed
from lumira.refunds import dispute_from
from lumira.sandbox.disputes import REASON_CODES
from lumira.seed import DEMO_ORDERS, generate, insert_orders, seed_demo
from lumira.stripe_gateway import signature
from tests.conftest import opened
from tests.store_gate import Fate, gate

PARIS = ZoneInfo("Europe/Paris")
# All of an order but when it was last compared with Stripe.
KEPT = {"stripeSyncedAt": 0, "revision": 0}
NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)


def test_the_same_seed_makes_the_same_orders():
    first = list(generate(300, 90, 3, zone=PARIS, now=NOW))
    assert first == list(generate(300, 90, 3, zone=PARIS, now=NOW))
    assert first != list(generate(300, 90, 4, zone=PARIS, now=NOW))


def test_nothing_of_a_seeded_order_is_dated_later_than_it_is_now():
    """As one was that is made less than the minutes ago that a payment takes."""
    now = max(order.created_at for order in generate(400, 9, 1, zone=PARIS, now=NOW)) + timedelta(seconds=9)
    orders = list(generate(400, 9, 1, zone=PARIS, now=now))
    assert max(order.created_at for order in orders) == now - timedelta(seconds=9)
    for order in orders:
        dates = [order.updated_at, order.completed_at, order.stripe_synced_at, order.timeline[-1].at]
        assert max(date for date in dates if date) <= now


def test_seeded_orders_are_believable():
    orders = list(generate(4000, 300, 1, zone=PARIS, now=NOW))
    assert len({order.id for order in orders}) == len({order.payment_intent_id for order in orders}) == 4000
    assert {order.level for order in orders} == set(Level)
    assert {order.status for order in orders} == set(OrderStatus)
    assert all(order.created_at <= NOW for order in orders)
    paid = [order for order in orders if order.status is OrderStatus.COMPLETED and order.amount]
    assert {order.amount for order in paid if order.level is Level.INITIE} == {4900, 2700}
    assert {order.amount for order in paid if order.level is Level.PROFOND} == {19900, 6700}
    assert all(order.is_free == (order.amount == 0) for order in orders)
    assert all(order.completed_at for order in paid)
    refunded = [order for order in paid if order.refunds]
    assert 0.02 < len(refunded) / len(paid) < 0.08
    assert all(
        order.amount_refunded == sum(r.amount for r in order.refunds) <= order.amount for order in paid
    )
    failed = [order for order in orders if order.status is OrderStatus.FAILED]
    assert all(order.failure_code for order in failed)
    hours = [order.created_at.astimezone(PARIS).hour for order in orders]
    assert sum(19 <= hour <= 22 for hour in hours) > 4 * sum(2 <= hour <= 5 for hour in hours)


@pytest.mark.parametrize(("count", "days", "seed"), [(1_200, 180, 7), (1_000, 90, 1), (1_000, 90, 5)])
def test_of_the_orders_of_a_demo_one_is_disputed_in_each_state(count, days, seed):
    orders = list(generate(count, days, seed, zone=PARIS, now=NOW))
    assert orders == list(generate(count, days, seed, zone=PARIS, now=NOW))
    disputed = {order.disputes[0].status: order for order in orders if order.disputes}
    assert sum(len(order.disputes) for order in orders) == 4
    assert disputed.keys() == {"needs_response", "under_review", "won", "lost"}
    assert timedelta(days=3) < disputed["needs_response"].evidence_due_by - NOW < timedelta(days=7)
    for status, order in disputed.items():
        [dispute] = order.disputes
        assert (dispute.amount, order.amount_refunded) == (order.amount, 0)
        assert dispute.created_at - order.completed_at > timedelta(days=1)
        assert dispute.due_by - dispute.created_at == timedelta(days=7)
        told = [(entry.at, entry.kind) for entry in order.timeline if entry.kind.startswith("dispute.")]
        states = ["needs_response", *([] if status == "needs_response" else ["under_review"])]
        states += [status] if status in {"won", "lost"} else []
        assert [kind for _, kind in told] == [f"dispute.{state}" for state in states]
        assert (told[0][0], told[-1][0]) == (dispute.created_at, dispute.as_of)
        assert sorted(told) == told
        assert order.updated_at == dispute.as_of < NOW
        if status in {"won", "lost"}:
            assert timedelta(days=20) < dispute.as_of - dispute.created_at < timedelta(days=45)


def test_one_in_some_250_paid_orders_is_disputed():
    orders = list(generate(8_000, 360, 1, zone=PARIS, now=NOW))
    paid = [order for order in orders if order.status is OrderStatus.COMPLETED and order.amount]
    disputes = [dispute for order in paid for dispute in order.disputes]
    assert 200 < len(paid) / len(disputes) < 300
    assert {dispute.reason for dispute in disputes} == set(REASON_CODES)
    assert not any(dispute.needs_response and dispute.due_by < NOW for dispute in disputes)


def test_the_orders_of_the_demo_are_those_that_pictures_and_documents_show():
    told = [
        f"{order.id} {order.customer_email} {order.amount} {order.status} {order.completed_at} "
        f"{order.amount_refunded}"
        for order in generate(1_200, 180, 7, zone=PARIS, now=NOW)
    ]
    found = zlib.crc32("\n".join(told).encode())
    assert found == 2238807384, "if they are meant to be others: make screenshots, look, and this number"


def test_seeding_twice_adds_nothing(desk, capsys):
    assert insert_orders(desk, orders=50, days=30, seed=9) == 50
    assert insert_orders(desk, orders=50, days=30, seed=9) == 0
    seed_demo(desk)
    assert sum(1 for _ in desk.store.database.productorders.find({}, {"_id": 1})) == 50


def test_what_staff_did_to_seeded_orders_stands_in_the_audit_log_once(desk, documents, admin):
    for _ in range(2):
        insert_orders(desk, orders=200, days=60, seed=7)
    entries, _ = desk.audit_trail.page(200, selected=AuditFilter(people=True), actor=admin)
    refunds = [entry for entry in entries if entry.action == Action.REFUND]
    refunded = {str(one["_id"]): one for one in documents.productorders.find({"amountRefunded": {"$gt": 0}})}
    assert sorted(entry.order_id for entry in refunds) == sorted(refunded) != []
    for entry in refunds:
        order = refunded[entry.order_id]
        assert (entry.actor, entry.at) == ("finance", order["lastRefundAt"])
        assert entry.after == {"amount_refunded": order["amountRefunded"], "currency": "eur"}


def test_of_a_demo_that_is_cut_short_all_orders_are_there_or_none(settings, documents):
    port = urlsplit(settings.mongodb_uri.get_secret_value()).port
    inserts = count()

    def second_is_lost(command: str) -> Fate:
        return Fate.WT_PANIC if command == "insert" and next(inserts) else Fate.PASSES

    with gate(port, second_is_lost) as uri:
        interrupted = settings.model_copy(update={"mongodb_uri": SecretStr(uri)})
        with opened(interrupted) as desk, pytest.raises(StoreUnavailable):
            seed_demo(desk)
    assert documents.productorders.count_documents({}) in (0, DEMO_ORDERS)


def test_no_order_is_made_up_beside_those_of_customers(settings, documents):
    """The live desk would not show it, but the programs beside it on the same orders would."""
    key = SecretStr("sk_live_of_the_tests")
    with (
        opened(settings.model_copy(update={"stripe_secret_key": key, "allow_live": True})) as live,
        pytest.raises(SettingsError, match="live key"),
    ):
        insert_orders(live, orders=3, days=2, seed=1)
    assert documents.productorders.find_one() is None


def test_seeded_orders_agree_with_the_sandbox_they_are_written_to(settings, tmp_path, admin):
    alone = settings.model_copy(update={"stripe_secret_key": None, "stripe_api_base": None})
    with running(alone) as complete, opened(complete) as desk:
        assert insert_orders(desk, orders=120, days=10, seed=3) == 120
        since = datetime.now(UTC) - timedelta(days=12)
        report = desk.reconciliation.run(since, actor=admin)
        assert report.payment_intents > 50
        assert report.differences == []
        assert insert_orders(desk, orders=120, days=10, seed=3) == 0


@pytest.fixture
def alone(settings):
    """A desk with an empty store and the sandbox that Lumira starts."""
    own = settings.model_copy(update={"stripe_secret_key": None, "stripe_api_base": None})
    with running(own) as complete, opened(complete) as desk:
        yield desk


def disputed_orders(desk):
    stored = desk.store.database.productorders.find({"disputes.id": {"$exists": True}}, {"_id": 1})
    return [desk.orders.get(str(document["_id"])) for document in stored]


def test_the_webhooks_of_seeded_orders_have_arrived(alone, admin):
    insert_orders(alone, orders=200, days=40, seed=3)
    ledger, _ = alone.webhooks.page(500, actor=admin)
    named = Counter(event.event_type for event in ledger)
    recent = datetime.now(UTC) - timedelta(days=30)
    orders = list(
        alone.store.database.productorders.find({"updatedAt": {"$gt": recent}, "amount": {"$gt": 0}})
    )
    for status, kind in (("completed", "succeeded"), ("failed", "payment_failed"), ("cancelled", "canceled")):
        settled = [order for order in orders if order["status"] == status and order["createdAt"] > recent]
        assert len(settled) <= named[f"payment_intent.{kind}"]
    refunds = [made for order in orders for made in order["refunds"] if made["createdAt"] > recent]
    assert len(refunds) <= named["charge.refunded"]
    assert named.total() > 50
    assert {event.state for event in ledger} == {EventState.PROCESSED}
    now = datetime.now(UTC)
    at_stripe = alone.gateway.list_events(ACTED_ON, recent + timedelta(hours=1), now, 100)
    assert {event["id"] for event in at_stripe} == alone.events.known([event["id"] for event in at_stripe])
    # They brought the orders to where they are: handled once more they change nothing.
    before = list(alone.store.database.productorders.find({}, KEPT))
    for event in ledger:
        alone.events.forget(event.event_id)
    for event in at_stripe:
        body = json.dumps(event)
        secret = alone.settings.stripe_webhook_secret.get_secret_value()
        assert not alone.webhooks.receive(body.encode(), signature(body, secret)).duplicate
    assert list(alone.store.database.productorders.find({}, KEPT)) == before
    assert "client_secret" not in str(list(alone.store.database.processed_events.find({})))


def test_what_stripe_keeps_of_seeded_payments_is_read_although_nothing_was_sold_before(alone):
    alone.fees.follow(60)
    insert_orders(alone, orders=120, days=10, seed=3)
    # What was paid a moment ago has no fee yet, there as at Stripe.
    earlier = datetime.now(UTC) - timedelta(minutes=1)
    alone.fees.follow(60)
    paid = {"status": "completed", "amount": {"$gt": 0}, "completedAt": {"$lt": earlier}}
    stored = list(alone.store.database.productorders.find(paid, {"fee": 1}))
    assert stored
    assert all(order.get("fee") for order in stored)


@pytest.mark.long(20)
def test_seeded_disputes_are_the_same_on_both_sides(alone, admin):
    assert insert_orders(alone, orders=1_000, days=90, seed=5) == 1_000
    orders = {order.disputes[0].status: order for order in disputed_orders(alone)}
    assert orders.keys() == {"needs_response", "under_review", "won", "lost"}
    for status, order in orders.items():
        [ours] = order.disputes
        [stripes] = alone.gateway.list_disputes(order.payment_intent_id)
        assert dispute_from(stripes, ours.as_of) == ours
        # As a webhook would have written it: one that comes again brings nothing new.
        assert not alone.orders.add_dispute(order, dispute_from(stripes, datetime.now(UTC)))
        [shown] = alone.payments.details(order.id, actor=admin).disputes
        taken = (0, 0) if status == "won" else (-order.amount, 2_000)
        assert (shown.moved, shown.fee, shown.due_by) == (*taken, ours.due_by)

    today = alone.revenue.today()
    waiting = next(one for one in needed(alone.order_list, today, actor=admin) if one.need == "disputed")
    assert [order.id for order in waiting.first] == [orders["needs_response"].id]

    report = alone.reconciliation.run(datetime.now(UTC) - timedelta(days=92), actor=admin)
    assert report.payment_intents > 400
    assert report.differences == []

    months = {f"{today - timedelta(days=back):%Y-%m}" for back in range(92)}
    closed = [alone.month_close.compare(month, actor=admin) for month in sorted(months)]
    assert [figures.differences for figures in closed] == [[]] * len(closed)
    lost = sum(order.amount for status, order in orders.items() if status != "won")
    assert sum(figures.balances[0].amounts["disputes"] for figures in closed if figures.balances) == -lost


def test_a_payment_that_another_seed_has_written_stays_as_it_is(alone, monkeypatch):
    """On another day the payments have the same ids, and others of them are disputed."""
    with monkeypatch.context() as patched:
        patched.setattr(
            "lumira.seed.generate",
            lambda *what, **how: (
                order.model_copy(update={"disputes": []}) for order in generate(*what, **how)
            ),
        )
        assert insert_orders(alone, orders=300, days=40, seed=7) == 300
    assert any(order.disputes for order in generate(300, 40, 7, zone=PARIS, now=datetime.now(UTC)))
    assert insert_orders(alone, orders=300, days=40, seed=7) == 0
    assert disputed_orders(alone) == []
