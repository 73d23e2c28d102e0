"""Seeded orders: the same for the same seed, believable, and stored as any order."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lumira.catalog import Level
from lumira.orders import OrderStatus
from lumira.seed import generate, insert_orders, seed_demo

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)


def test_the_same_seed_makes_the_same_orders():
    first = list(generate(300, 90, 3, zone=PARIS, now=NOW))
    assert first == list(generate(300, 90, 3, zone=PARIS, now=NOW))
    assert first != list(generate(300, 90, 4, zone=PARIS, now=NOW))


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


def test_seeding_twice_adds_nothing(desk, capsys):
    assert insert_orders(desk, orders=50, days=30, seed=9) == 50
    assert insert_orders(desk, orders=50, days=30, seed=9) == 0
    seed_demo(desk)
    assert sum(1 for _ in desk.store.database.productorders.find({}, {"_id": 1})) == 50


def test_seeded_orders_agree_with_the_sandbox_they_are_written_to(settings, tmp_path, admin):
    from datetime import timedelta

    from lumira.embedded import running
    from tests.conftest import opened

    alone = settings.model_copy(update={"stripe_secret_key": None, "stripe_api_base": None})
    with running(alone) as complete, opened(complete) as desk:
        assert insert_orders(desk, orders=120, days=10, seed=3) == 120
        since = datetime.now(UTC) - timedelta(days=12)
        report = desk.reconciliation.run(since, actor=admin)
        assert report.payment_intents > 50
        assert report.differences == []
        assert insert_orders(desk, orders=120, days=10, seed=3) == 0
