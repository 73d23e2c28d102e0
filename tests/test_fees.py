"""What Stripe keeps of each payment, from the sandbox's balance to the figures of revenue."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from lumira.access import Actor, Role
from lumira.errors import StripeServiceError
from lumira.revenue_sums import frame, totals
from lumira.storage import FeesRead, Rollups
from lumira.stripe_gateway import created_within
from tests.api.conftest import event, sign
from tests.conftest import wait_until

FANNY = Actor("fanny", Role.FINANCE)
LONG_AGO = timedelta(days=40)


@pytest.fixture
def paid(desk, support):
    """An order that was paid at Stripe, its fee worked out there; nobody has told us yet."""

    def paid() -> str:
        created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
        desk.gateway.confirm_payment_intent(
            created.order_id, "pm_card_visa", created.order_id, "https://example.com/"
        )
        wait_until(lambda: charge_of(desk, created.order_id)["balance_transaction"])
        return created.order_id

    return paid


@pytest.fixture
def paid_by_webhook(desk, paid):
    """Such an order, then completed by its event: which says nothing about the fee."""

    def paid_by_webhook() -> str:
        payment_intent_id = paid()
        body = json.dumps(
            event("payment_intent.succeeded", {"id": payment_intent_id, "status": "succeeded"})
        ).encode()
        desk.webhooks.receive(body, sign(body)["Stripe-Signature"])
        return payment_intent_id

    return paid_by_webhook


def charge_of(desk, payment_intent_id):
    return desk.gateway.retrieve_payment_intent(payment_intent_id)["latest_charge"]


def stored_fee(desk, payment_intent_id):
    row = desk.store.database.productorders.find_one({"paymentIntentId": payment_intent_id})
    return row.get("fee"), row.get("feeCurrency")


def figures(desk):
    today = desk.revenue.today()
    (found,) = totals(frame(desk.revenue.days(today, today, actor=FANNY)))
    return found


def test_what_stripe_says_of_a_payment_is_kept_with_it(desk, paid, support):
    """1.5 % and 25 cents of €47: https://stripe.com/fr/pricing."""
    order_id = paid()
    desk.intents.refresh(order_id, actor=support)
    assert stored_fee(desk, order_id) == (96, "eur")
    now = figures(desk)
    assert (now.fees, now.fees_known, now.orders, now.left) == (96, 1, 1, 4700 - 96)


def test_the_fee_of_a_payment_that_a_webhook_told_follows_without_a_rebuild(desk, paid_by_webhook):
    order_id = paid_by_webhook()
    assert figures(desk).fees_known == 0
    desk.fees.follow(60)
    assert stored_fee(desk, order_id) == (96, "eur")
    assert (figures(desk).fees, figures(desk).fees_known) == (96, 1)
    assert desk.revenue.verify(actor=FANNY)[0] == []


def test_what_was_read_is_not_read_again_and_what_comes_later_is(desk, paid_by_webhook):
    first = paid_by_webhook()
    desk.fees.follow(60)
    assert stored_fee(desk, first) == (96, "eur")
    later = paid_by_webhook()
    # It rests for minutes once it is up to date.
    desk.fees.follow(60)
    assert stored_fee(desk, later) == (None, None)
    another = type(desk).open(desk.settings)
    another.fees.follow(60)
    another.store.close()
    assert stored_fee(desk, later) == (96, "eur")


def test_a_death_before_the_day_was_marked_leaves_no_fee_uncounted(desk, paid_by_webhook, monkeypatch):
    order_id = paid_by_webhook()
    # Not among what changed lately, which is looked at again anyway.
    desk.store.database.productorders.update_one(
        {"paymentIntentId": order_id}, {"$set": {"updatedAt": datetime.now(UTC) - timedelta(hours=3)}}
    )
    assert figures(desk).fees == 0

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Rollups, "mark", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.fees.follow(60)
    assert stored_fee(desk, order_id) == (96, "eur")
    another = type(desk).open(desk.settings)
    another.fees.follow(60)
    another.store.close()
    assert figures(desk).fees == 96
    assert desk.revenue.verify(actor=FANNY)[0] == []


def test_it_reads_on_where_it_stopped(desk, paid_by_webhook):
    order_id = paid_by_webhook()
    desk.store.database.productorders.insert_one(
        {
            **{"productId": "initie", "amount": 0, "currency": "eur", "status": "completed"},
            **{"createdAt": datetime.now(UTC) - LONG_AGO, "updatedAt": datetime.now(UTC)},
        }
    )
    states = desk.store.database.revenue_state
    seen = []
    while stored_fee(desk, order_id)[0] is None:
        desk.fees.follow(0)
        seen.append(states.find_one({"_id": "fees|test"})["until"])
    assert len(seen) > 3
    assert seen == sorted(set(seen))


def fees_read(desk) -> FeesRead:
    return FeesRead(desk.store.database, livemode=False)


def test_orders_that_come_in_for_days_already_read_get_their_fees(desk, paid_by_webhook):
    """As `lumira import` brings them."""
    order_id = paid_by_webhook()
    fees_read(desk).advance(None, datetime.now(UTC) + timedelta(hours=2))
    desk.fees.follow(60)
    assert stored_fee(desk, order_id) == (None, None)
    desk.fees.read_anew()
    another = type(desk).open(desk.settings)
    another.fees.follow(60)
    another.store.close()
    assert stored_fee(desk, order_id) == (96, "eur")


def test_who_reads_while_all_is_to_be_read_anew_does_not_say_that_it_was(desk):
    read, now = fees_read(desk), datetime.now(UTC)
    assert read.advance(None, now)
    assert not read.advance(None, now + timedelta(seconds=1))
    read.forget()
    assert not read.advance(now, now + timedelta(days=1))
    assert read.until() is None


def test_a_stripe_that_is_down_leaves_everything_to_a_later_time(desk, paid_by_webhook, settings):
    order_id = paid_by_webhook()
    nowhere = type(desk).open(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"}))
    with pytest.raises(StripeServiceError):
        nowhere.fees.follow(60)
    # Every ten seconds would be too often to find out that it is still down.
    nowhere.fees.follow(60)
    nowhere.store.close()
    assert stored_fee(desk, order_id) == (None, None)
    desk.fees.follow(60)
    assert stored_fee(desk, order_id) == (96, "eur")


def test_a_fee_in_another_currency_stands_in_that_currency(desk):
    now = datetime.now(UTC)
    desk.store.database.productorders.insert_one(
        {
            **{"productId": "mystique", "amount": 5000, "currency": "usd", "status": "completed"},
            **{"createdAt": now, "completedAt": now, "updatedAt": now, "livemode": False},
            **{"fee": 96, "feeCurrency": "eur"},
        }
    )
    today: date = desk.revenue.today()
    by_currency = {
        found.currency: found for found in totals(frame(desk.revenue.days(today, today, actor=FANNY)))
    }
    assert (by_currency["usd"].gross, by_currency["usd"].fees, by_currency["usd"].fees_known) == (5000, 0, 1)
    assert (by_currency["eur"].gross, by_currency["eur"].fees, by_currency["eur"].orders) == (0, 96, 0)


def test_stripe_is_asked_for_nothing_before_its_time_begins():
    # An old program's order may be dated 1970, and what is asked for begins a little earlier still.
    hour = timedelta(hours=1)
    beginning = datetime(1970, 1, 1, tzinfo=UTC)
    assert created_within(beginning - hour, beginning + hour) == {"gte": 0, "lt": 3600}
