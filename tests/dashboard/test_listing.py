"""What the pages ask of the rules beside their own tests: a page of orders, a client secret, agreement."""

from datetime import UTC, datetime

import pytest

from lumira.access import PERMISSIONS, Actor, Permission, Role
from lumira.errors import Forbidden, OrderNotFound
from lumira.orders import Order

CREATED = datetime(2026, 11, 1, tzinfo=UTC)


def order(**fields):
    return Order(
        id="f" * 24, product_id="profond", amount=6700, created_at=CREATED, updated_at=CREATED, **fields
    )


@pytest.mark.parametrize(
    ("status", "stripe_status", "agrees"),
    [
        ("pending", None, True),
        ("pending", "requires_payment_method", True),
        ("failed", "requires_payment_method", True),
        ("completed", "requires_payment_method", False),
        ("completed", "succeeded", True),
        ("pending", "succeeded", False),
        ("cancelled", "canceled", True),
        ("processing", "requires_capture", True),
        ("failed", "refused", True),
        ("pending", "refused", False),
        ("cancelled", "never_reached_stripe", True),
        ("pending", "never_reached_stripe", False),
    ],
)
def test_an_order_knows_whether_it_agrees_with_stripe(status, stripe_status, agrees):
    assert order(status=status, stripe_status=stripe_status).agrees_with_stripe is agrees


def test_the_client_secret_is_asked_of_stripe(desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    free = desk.intents.create({"productId": "initie"}, actor=support, source="tests")
    assert desk.intents.client_secret(created.order_id, actor=support) == created.client_secret
    assert desk.intents.client_secret(free.order_id, actor=support) == ""
    with pytest.raises(OrderNotFound):
        desk.intents.client_secret("pi_nobody_knows", actor=support)


def test_a_client_secret_needs_the_permission_to_create(desk):
    assert Permission.CREATE_INTENT not in PERMISSIONS[Role.STAFF]
    with pytest.raises(Forbidden):
        desk.intents.client_secret("pi_any", actor=Actor("max", Role.STAFF))
