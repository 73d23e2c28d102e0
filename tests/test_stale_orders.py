"""Who comes second sees what the first did: an order that moved meanwhile is not answered as it was."""

from datetime import UTC, datetime

import pytest

from lumira.lifecycle import apply_payment_intent


@pytest.mark.parametrize(
    ("card", "status", "stripe_status"),
    [
        ("pm_card_visa", "completed", "succeeded"),
        ("pm_card_threeDSecure2Required", "pending", "requires_action"),
    ],
)
def test_a_move_made_by_another_is_seen(desk, support, card, status, stripe_status):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    stale = desk.intents.find(created.order_id, actor=support)
    # A webhook is faster than whoever read the order before.
    desk.intents.confirm(created.order_id, card, actor=support)
    payment_intent = desk.gateway.retrieve_payment_intent(created.order_id)
    after = apply_payment_intent(
        desk.orders, desk.gateway, stale, payment_intent, datetime.now(UTC), by="stripe"
    )
    assert (after.status, after.stripe_status) == (status, stripe_status)
