"""A payment as Stripe shows it: charges, what Stripe kept, and no secret."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from lumira.errors import PaymentFailed
from lumira.redaction import without_secrets
from lumira.stripe_gateway import StripeGateway
from tests.conftest import opened, wait_until


def test_the_charges_of_a_payment_are_read_newest_first(desk, support):
    created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    with pytest.raises(PaymentFailed):
        desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclinedInsufficientFunds", actor=support)
    order = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    # Stripe works out its fee a moment after the payment.
    details = wait_until(lambda: (read := desk.payments.details(order.id, actor=support)).paid.fee and read)
    assert {charge.status for charge in details.charges} == {"succeeded", "failed"}
    paid = details.paid
    assert (paid.amount, paid.currency, paid.method, paid.brand, paid.last4) == (
        6700,
        "eur",
        "card",
        "visa",
        "4242",
    )
    assert paid.fee > 0
    assert paid.fee_currency == "eur"
    assert paid.country
    assert paid.expiry
    assert "_secret_" not in json.dumps(details.payment_intent)
    assert created.client_secret not in json.dumps(details.payment_intent)


def test_where_the_bank_must_be_asked_there_is_a_way_to_it(desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    desk.intents.confirm(created.order_id, "pm_card_threeDSecure2Required", actor=support)
    order = desk.intents.find(created.order_id, actor=support)
    assert order.stripe_status == "requires_action"
    details = desk.payments.details(order.id, actor=support)
    assert details.action_url.startswith("http")
    assert "_secret_" not in json.dumps(details.payment_intent)


def test_orders_are_found_by_the_last_digits_of_a_card(desk, support):
    def tried(card: str, product: str = "mystique") -> str:
        created = desk.intents.create({"productId": product}, actor=support, source="tests")
        with suppress(PaymentFailed):
            desk.intents.confirm(created.order_id, card, actor=support)
        return created.order_id

    declined = tried("pm_card_chargeDeclinedExpiredCard")
    dear = tried("pm_card_chargeDeclinedExpiredCard", "profond")
    tried("pm_card_mastercard")
    last4 = desk.gateway.list_charges(declined)[0]["payment_method_details"]["card"]["last4"]

    def found(*bounds):
        orders = desk.payments.by_card(last4, *bounds, actor=support).orders
        return [order.payment_intent_id for order in orders]

    assert found() == [dear, declined]
    assert found(None, None, 4700, 4700) == [declined]
    now = datetime.now(UTC)
    assert found(now - timedelta(hours=1), now + timedelta(hours=1)) == [dear, declined]
    assert found(None, now - timedelta(hours=1)) == []


def test_a_free_order_has_none(desk, support):
    created = desk.intents.create({"productId": "initie"}, actor=support, source="tests")
    order = desk.intents.find(created.order_id, actor=support)
    assert desk.payments.details(order.id, actor=support) is None


def test_secrets_are_left_out_wherever_they_stand():
    told = {
        "client_secret": "x",
        "next": [{"client_secret": "y", "url": "https://a/?s=pi_1_secret_2"}],
        "id": 1,
    }
    assert without_secrets(told) == {"next": [{"url": "…"}], "id": 1}


def test_a_key_that_may_not_read_disputes_still_shows_the_payment(
    settings, support, faulty_sandbox_url, fault
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
        order = desk.intents.confirm(created.order_id, "pm_card_createDispute", actor=support)
        wait_until(lambda: desk.payments.details(order.id, actor=support).disputes)
        fault(answer=403, path="/v1/disputes")
        details = desk.payments.details(order.id, actor=support)
    assert details.paid.amount == 4700
    assert details.disputes == []


DASHBOARD, NOBODY = "https://dashboard.stripe.com", "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("key", "api_base", "payment", "dispute"),
    [
        *(
            (key, None, f"{DASHBOARD}/test/payments/pi_1", f"{DASHBOARD}/test/disputes/dp_1")
            for key in ("sk_test_1", "rk_test_1")
        ),
        *(
            (key, None, f"{DASHBOARD}/payments/pi_1", f"{DASHBOARD}/disputes/dp_1")
            for key in ("sk_live_1", "rk_live_1")
        ),
        # The sandbox shows a dispute with its payment.
        ("sk_test_1", NOBODY, f"{NOBODY}/payment_intents/pi_1", f"{NOBODY}/payment_intents/pi_1"),
    ],
)
def test_staff_are_led_to_where_stripe_shows_it(key, api_base, payment, dispute):
    gateway = StripeGateway(key, api_base=api_base)
    assert gateway.payment_intent_url("pi_1") == payment
    assert gateway.dispute_url("dp_1", "pi_1") == dispute
    # The sandbox has no page for payouts.
    assert gateway.payout_url("po_1") == (None if api_base else payment.replace("payments/pi", "payouts/po"))
