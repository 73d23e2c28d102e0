"""`lumira import`: another program's database, as mongoose wrote it, read and copied."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from lumira.cli import main
from lumira.order_import import Examination, Oddity, oddities, repeated
from tests.conftest import NO_STORE

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


def order(**fields: Any) -> dict[str, Any]:
    """An order as mongoose writes it: whole numbers as doubles, nothing as null, and a version."""
    return {
        "_id": ObjectId(),
        "productId": "mystique",
        "customerId": None,
        "customerEmail": "old@example.com",
        "amount": 4700.0,
        "currency": "eur",
        "status": "completed",
        "paymentIntentId": f"pi_{ObjectId()}",
        "createdAt": NOW,
        "updatedAt": NOW,
        "completedAt": NOW,
        "metadata": {"level": "mystique", "productName": "Niveau Mystique"},
        "__v": 0,
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "oddity"),
    [
        ({"productId": "tarot"}, Oddity.UNKNOWN_PRODUCT),
        ({"metadata": {"level": "cosmique"}}, Oddity.UNKNOWN_LEVEL),
        ({"amount": 47}, Oddity.EUROS_AS_CENTS),
        ({"amount": 99.0}, Oddity.EUROS_AS_CENTS),
        ({"status": "paid"}, Oddity.UNKNOWN_STATUS),
        ({"completedAt": None}, Oddity.COMPLETED_WITHOUT_DATE),
        ({"customerEmail": "nobody"}, Oddity.BAD_EMAIL),
        ({"amount": "47,00"}, Oddity.UNREADABLE),
        ({"amount": 4700.5}, Oddity.FRACTION_OF_CENT),
        ({"amount": -1}, Oddity.UNREADABLE),
        ({"amount": float("nan")}, Oddity.UNREADABLE),
        ({"amount": float("inf")}, Oddity.UNREADABLE),
        ({"amount": 10**12}, Oddity.UNREADABLE),
        ({"createdAt": "2026-11-01"}, Oddity.UNREADABLE),
        ({"completedAt": datetime.min.replace(tzinfo=UTC)}, Oddity.UNREADABLE),
        ({"disputes": "none"}, Oddity.UNREADABLE),
        ({"currency": None}, Oddity.UNREADABLE),
        # What the store's own rules refuse would stay behind unsaid.
        ({"completedAt": "2026-11-01"}, Oddity.UNREADABLE),
        ({"customerEmail": 7}, Oddity.UNREADABLE),
        ({"paymentIntentId": 7}, Oddity.UNREADABLE),
        ({"metadata": ["mystique"]}, Oddity.UNREADABLE),
        ({"refunds": {}}, Oddity.UNREADABLE),
    ],
)
def test_each_oddity_is_seen(fields, oddity):
    assert [found.oddity for found in oddities(order(**fields))] == [oddity]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"productId": "ALCHIMIQUE", "metadata": None},
        {"productId": "initie", "amount": 0, "paymentIntentId": None},
        {"customerEmail": None, "status": "pending", "completedAt": None},
        {"amount": 3900, "metadata": {"level": "2", "nested": {"any": ["thing"]}}},
    ],
)
def test_what_is_only_old_is_not_odd(fields):
    assert list(oddities(order(**fields))) == []


def test_of_one_payment_intent_the_first_order_is_the_order():
    first, second = order(paymentIntentId="pi_1"), order(paymentIntentId="pi_1")
    none = [order(paymentIntentId=None), order(paymentIntentId=None)]
    seen = [[one.oddity for one in found] for _, found in repeated([first, second, first, *none])]
    assert seen == [[], [Oddity.SAME_PAYMENT_INTENT], [], [], []]


def test_stripe_is_not_asked_about_what_stays_behind(desk):
    examination = Examination(desk.gateway, 5)
    odd = [order(status=["pending"]), order(status="paid"), order(status="pending", amount="47")]
    assert list(examination.importable(odd)) == []
    assert (examination.read, examination.stays_behind(), examination.to_ask) == (3, 3, 5)


@pytest.fixture
def former(desk):
    """The other program's database, beside ours."""
    name = f"{desk.settings.mongodb_db}_former"
    with MongoClient(desk.settings.mongodb_uri.get_secret_value(), tz_aware=True) as client:
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def lumira_import(desk, former, monkeypatch, capsys):
    """Runs the command; how it ended and what it printed."""
    uri = desk.settings.mongodb_uri.get_secret_value()
    monkeypatch.setenv("MONGODB_URI", uri)
    monkeypatch.setenv("MONGODB_DB", desk.settings.mongodb_db)
    monkeypatch.setenv("STRIPE_SECRET_KEY", desk.settings.stripe_secret_key.get_secret_value())
    monkeypatch.setenv("STRIPE_API_BASE", desk.settings.stripe_api_base)
    monkeypatch.setenv("LUMIRA_HOME", str(desk.settings.home))
    monkeypatch.setenv("COLUMNS", "200")

    def lumira_import(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(
            sys, "argv", ["lumira", "import", "--from", uri, "--database", former.name, *words]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out + printed.err

    return lumira_import


def test_a_database_is_looked_through_then_copied_once(
    lumira_import, former, desk, documents, admin, support
):
    paid = desk.intents.create({"productId": "mystique"}, actor=support, source="tests").order_id
    desk.intents.confirm(paid, "pm_card_visa", actor=support)
    documents.productorders.delete_many({})
    good = [order(createdAt=NOW - timedelta(days=day)) for day in range(1_200)]
    waiting = order(status="pending", paymentIntentId=paid, completedAt=None)
    strange = order(status="pending", paymentIntentId="pi_of_another_account", completedAt=None)
    free = [order(productId="initie", amount=0.0, paymentIntentId=None) for _ in range(3)]
    former.productorders.insert_many(
        [*good, waiting, strange, *free, order(status="paid"), order(amount="47")]
    )
    former.processed_events.insert_one(
        {"eventId": "evt_1", "eventType": "x", "processedAt": NOW, "createdAt": NOW, "__v": 0}
    )

    code, said = lumira_import()
    assert code == 0
    for words in (
        "paid at stripe",
        "unknown at stripe",
        "unknown status",
        "unreadable",
        "1207 orders read, 2",
    ):
        assert words in said
    assert list(documents.productorders.find()) == []

    documents.revenue_state.insert_one({"_id": "fees|test", "until": NOW})
    # As a desk does that runs meanwhile: from then on it looks for what is new, and not at days of the past.
    desk.revenue.refresh()
    code, said = lumira_import("--apply")
    assert "1205 orders and 1 event copied" in said
    desk.revenue.refresh()
    assert desk.revenue.verify(actor=admin)[0] == []
    # What Stripe kept of them is still to be read.
    assert documents.revenue_state.find_one({"_id": "fees|test"}) is None
    assert former.productorders.count_documents({}) == 1207
    assert "0 orders and 0 events copied" in lumira_import("--apply")[1]
    stored = {one["_id"]: one for one in documents.productorders.find()}
    assert stored.keys() == {one["_id"] for one in (*good, waiting, strange, *free)}

    # What the report promised: reconciliation completes what was paid, and revenue counts the rest.
    desk.reconciliation.run(NOW - timedelta(days=1), actor=admin, apply=True)
    assert documents.productorders.find_one({"_id": waiting["_id"]})["status"] == "completed"
    desk.revenue.refresh()
    assert desk.revenue.verify(actor=admin)[0] == []


def test_a_second_import_brings_nobody_back_who_was_erased(lumira_import, former, desk, documents, admin):
    """The program before ours goes on for a while, and hears of payments with their customer."""
    paid = order(customerEmail="zoe@example.com")
    former.productorders.insert_one(paid)
    billing = {"billing_details": {"email": "zoe@example.com", "name": "Zoé Martin"}}
    charge = {"id": "ch_1", "payment_intent": paid["paymentIntentId"], "amount": 4700, **billing}

    def hears_of(event_id):
        event = {"eventId": event_id, "eventType": "charge.refunded", "processedAt": NOW, "createdAt": NOW}
        former.processed_events.insert_one(event | {"data": {"object": charge}})

    hears_of("evt_1")
    lumira_import("--apply")
    desk.privacy.erase("zoe@example.com", actor=admin)
    hears_of("evt_2")
    assert "0 orders and 1 event copied" in lumira_import("--apply")[1]
    kept = [event["data"]["object"] for event in documents.processed_events.find()]
    assert kept == 2 * [{name: charge[name] for name in ("id", "payment_intent", "amount")}]
    assert "zoe@" not in str(list(documents.productorders.find()))


def test_what_is_no_database_is_said_in_a_line(desk, monkeypatch, capsys):
    monkeypatch.setenv("MONGODB_URI", desk.settings.mongodb_uri.get_secret_value())
    for uri, words in (("http://127.0.0.1", "--from"), (NO_STORE, "does not answer")):
        monkeypatch.setattr(sys, "argv", ["lumira", "import", "--from", uri])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        assert words in capsys.readouterr().err
