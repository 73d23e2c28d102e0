"""Customers: found by e-mail and name, whoever wrote their orders; their history and highest level."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from lumira.catalog import Level
from lumira.customers import HISTORY, Customer, customers_of, highest_level
from lumira.orders import Order

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


def order(product="mystique", **fields):
    facts = {
        "id": "0" * 24,
        "product_id": product,
        "amount": 4700,
        "status": "completed",
        "created_at": AT,
        "updated_at": AT,
    }
    return Order(**facts | fields)


@pytest.fixture
def customers(desk, documents, support):
    for email, name in (("camille@example.com", "Camille Laurent"), ("carla@example.com", "Carla Öz")):
        for product in ("mystique", "profond"):
            body = {"productId": product, "customerEmail": email, "customerName": name}
            desk.intents.create(body, actor=support, source="tests")
    # A document of the other program: no name of its own, no field of ours.
    documents.productorders.insert_one(
        {
            "productId": "mystique",
            "customerEmail": "camelia@example.com",
            "amount": 9900,
            "currency": "eur",
            "status": "completed",
            "paymentIntentId": "pi_former",
            "createdAt": AT,
            "updatedAt": AT,
            "metadata": {"customerName": "Camélia Roux", "customerPhone": "+33 6"},
        }
    )
    return desk.customers


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("cam", ["camille@example.com", "camelia@example.com"]),
        ("laur", ["camille@example.com"]),
        ("camelia r", ["camelia@example.com"]),
        ("CARLA@ex", ["carla@example.com"]),
        ("c", []),
        ("nobody", []),
        (".*", []),
        ('{"$gt": ""}', []),
    ],
)
def test_customers_are_found_as_staff_type(customers, support, typed, found):
    assert [customer.email for customer in customers.search(typed, actor=support)] == found


def test_a_found_customer_brings_name_and_phone(customers, support):
    [camelia] = customers.search("camelia", actor=support)
    assert (camelia.name, camelia.phone) == ("Camélia Roux", "+33 6")


def test_the_history_is_this_address_alone_newest_first(customers, documents, support):
    history = customers.history("camille@example.com", actor=support)
    assert [order.product_id for order in history] == ["profond", "mystique"]
    assert customers.history("cam", actor=support) == []
    # Of the other mode none, as in the list of orders, however many of them are newer.
    profond = {"customerEmail": "camille@example.com", "productId": "profond"}
    live = {**documents.productorders.find_one(profond), "livemode": True}
    documents.productorders.insert_many(
        [
            live | {"_id": ObjectId(), "paymentIntentId": f"pi_live_{number}", "attemptId": f"live {number}"}
            for number in range(HISTORY)
        ]
    )
    assert customers.history("camille@example.com", actor=support) == history


def test_the_highest_level_is_the_highest_one_that_is_open():
    assert highest_level([]) is None
    assert highest_level([order("initie", amount=0, payment_intent_id="free_1")]) is Level.INITIE
    assert highest_level([order("profond", status="failed"), order()]) is Level.MYSTIQUE
    refunded = order("profond", amount_refunded=4700, created_at=AT + timedelta(days=1))
    assert highest_level([refunded, order(), order("initie")]) is Level.MYSTIQUE


def test_a_customer_whom_another_program_wrote_in_capitals_is_one_and_the_same(
    desk, customers, documents, support
):
    former = documents.productorders.find_one({"paymentIntentId": "pi_former"})
    del former["_id"]
    later = {"customerEmail": "CAMELIA@Example.com", "paymentIntentId": "pi_capitals", "createdAt": AT}
    documents.productorders.insert_one(former | later)
    desk.order_list.list_all()
    [found] = desk.customers.search("camelia", actor=support)
    assert found.email == "camelia@example.com"
    for written in ("camelia@example.com", "CAMELIA@Example.com"):
        assert len(desk.customers.history(written, actor=support)) == 2


def test_of_a_customers_orders_the_first_says_who_they_are():
    anna = {"customer_email": "Anna@Example.com", "metadata": {"customerPhone": "+33 6"}}
    orders = [
        order(customer_name="Anna Martin", **anna),
        order(customer_name="Nobody's"),
        order(customer_name="Anna Durand", customer_email="anna@example.com"),
    ]
    assert customers_of(orders) == [Customer("anna@example.com", "Anna Martin", "+33 6")]


@pytest.mark.reshapes
def test_a_date_that_was_written_as_text_without_a_zone_is_one_of_utc(desk, documents, support):
    """Beside an order that has a zone it could not be sorted, and the customer's history broke off."""
    # From before there was a validator.
    documents.command("collMod", "productorders", validator={})
    bought = {"productId": "mystique", "customerEmail": "zoe@example.com", "amount": 4700, "currency": "eur"}
    text = {
        "createdAt": "2024-05-01 10:00:00",
        "updatedAt": "2024-05-01T10:00:00",
        "completedAt": "2024-05-01",
    }
    for dated in (text, dict.fromkeys(text, AT)):
        documents.productorders.insert_one({**bought, "status": "completed", **dated})
    newest, oldest = desk.customers.history("zoe@example.com", actor=support)
    assert newest.created_at == AT
    assert oldest.created_at == oldest.updated_at == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert oldest.completed_at == datetime(2024, 5, 1, tzinfo=UTC)
