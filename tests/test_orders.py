"""The transition table and what a PaymentIntent says."""

from datetime import UTC, datetime, timedelta

import pytest

from lumira.catalog import Level, level_of
from lumira.lifecycle import edited_unknown_to_stripe, order_from
from lumira.money import decimals, format_money, is_amount, major_units
from lumira.orders import (
    REFUND_REQUESTED,
    TRANSITIONS,
    Order,
    OrderStatus,
    TimelineEntry,
    observe,
    status_of,
)
from lumira.refunds import Dispute, Refund

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DECLINE = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "No funds."}


@pytest.mark.parametrize(
    ("payment_intent", "status"),
    [
        ({"status": "succeeded"}, "completed"),
        ({"status": "processing"}, "processing"),
        ({"status": "requires_capture"}, "processing"),
        ({"status": "canceled"}, "cancelled"),
        ({"status": "requires_confirmation"}, "pending"),
        ({"status": "requires_action"}, "pending"),
        ({"status": "requires_payment_method"}, "pending"),
        ({"status": "requires_payment_method", "last_payment_error": None}, "pending"),
        ({"status": "requires_payment_method", "last_payment_error": DECLINE}, "failed"),
        ({"status": "a state Stripe adds one day"}, "pending"),
    ],
)
def test_the_status_a_payment_intent_means(payment_intent, status):
    assert status_of(payment_intent) == status


def test_nothing_leaves_completed_and_a_failed_payment_may_be_tried_again():
    assert TRANSITIONS[OrderStatus.COMPLETED] == frozenset()
    assert TRANSITIONS[OrderStatus.CANCELLED] == {OrderStatus.COMPLETED}
    assert TRANSITIONS[OrderStatus.FAILED] == set(OrderStatus) - {OrderStatus.FAILED}
    assert OrderStatus.PENDING not in TRANSITIONS[OrderStatus.PROCESSING]


def test_a_success_is_dated_by_its_charge_when_stripe_shows_it():
    charge = {"id": "ch_1", "created": 1_700_000_000}
    seen = observe({"status": "succeeded", "latest_charge": charge}, NOW)
    assert seen.completed_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert seen.latest_charge == "ch_1"
    assert observe({"status": "succeeded", "latest_charge": "ch_1"}, NOW).completed_at == NOW
    assert observe({"status": "processing", "latest_charge": charge}, NOW).completed_at is None


def test_a_debit_and_a_capture_are_dated_by_the_day_the_money_came():
    """The charge of a debit is days older than its success, by which an event would date it."""
    begun, came = 1_700_000_000, 1_700_400_000
    debit = {"id": "py_1", "created": begun, "payment_method_details": {"type": "sepa_debit"}}
    booked = {"balance_transaction": {"id": "txn_1", "created": came}}
    card = {"id": "ch_1", "created": begun, "payment_method_details": {"type": "card"}}
    paid = {"status": "succeeded", "capture_method": "automatic_async"}
    when = datetime.fromtimestamp(came, UTC)
    assert observe({**paid, "latest_charge": debit | booked}, NOW).completed_at == when
    assert observe({**paid, "latest_charge": debit}, NOW).completed_at == NOW
    captured = {**paid, "capture_method": "manual", "latest_charge": card | booked}
    assert observe(captured, NOW).completed_at == when
    by_hand = {"type": "card", "card": {"capture_before": came}}
    cards_alone = {**paid, "latest_charge": {**card, **booked, "payment_method_details": by_hand}}
    assert observe(cards_alone, NOW).completed_at == when
    # A card pays at once, whenever its balance transaction is made.
    at_once = observe({**paid, "latest_charge": card | booked}, NOW).completed_at
    assert at_once == datetime.fromtimestamp(begun, UTC)


def test_a_decline_keeps_the_issuers_reason():
    seen = observe({"status": "requires_payment_method", "last_payment_error": DECLINE}, NOW)
    assert (seen.failure_code, seen.failure_message) == ("insufficient_funds", "No funds.")


def test_a_document_of_the_other_program_is_a_whole_order():
    order = Order.model_validate(
        {
            "_id": "65f0c0ffee0000000000abcd",
            "productId": "Alchimique",
            "amount": 19900.0,
            "currency": "eur",
            "status": "completed",
            "paymentIntentId": "pi_old",
            "createdAt": NOW,
            "updatedAt": NOW,
            "metadata": None,
            "__v": 0,
        }
    )
    assert order.level is Level.PROFOND
    assert (order.amount, order.net, order.refunds, order.name) == (19900, 19900, [], None)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("initie", Level.INITIE),
        ("Intégrale", Level.INTEGRALE),
        ("INTUITIVE", Level.MYSTIQUE),
        ("niveau Profond", Level.PROFOND),
        (1, Level.INITIE),
        ("4", Level.INTEGRALE),
        (3.0, Level.PROFOND),
        (3.5, None),
        ("5", None),
        (None, None),
        ("", None),
    ],
)
def test_levels_of_all_years_are_found(name, level):
    assert level_of(name) is level


def test_money_is_written_by_its_currency():
    assert format_money(123456, "eur", "fr") == "1\u202f234,56\u00a0€"
    assert format_money(123456, "EUR", "en") == "€1,234.56"
    assert format_money(-4700, "eur", "en") == "\u2212€47.00"
    assert format_money(-123456, "eur", "fr") == "\u22121\u202f234,56\u00a0€"
    assert format_money(500, "jpy", "en") == "¥500"
    # Stripe counts two decimals where ISO 4217 has none.
    assert format_money(123400, "ugx", "en") == "UGX1,234.00"
    assert decimals("KWD") == 3
    assert str(major_units(1234, "kwd")) == "1.234"


def test_an_amount_is_a_whole_number_of_at_most_twelve_digits():
    assert [amount for amount in (0, 999_999_999_999) if is_amount(amount)] == [0, 999_999_999_999]
    assert [odd for odd in (-1, 10**12, 1.0, True, "1", None) if is_amount(odd)] == []


@pytest.mark.parametrize(
    ("metadata", "product", "level"),
    [
        ({"productId": "mystique", "level": "profond"}, "mystique", Level.MYSTIQUE),
        ({"level": "profond"}, "profond", Level.PROFOND),
        ({}, "unknown", None),
    ],
)
def test_an_order_found_at_stripe_is_what_its_metadata_says(metadata, product, level):
    customer = {"customerEmail": "Anna@Example.com", "customerName": "Anna Martin"}
    found = {"id": "pi_1", "amount": 4700, "currency": "EUR", "created": 1_700_000_000}
    order = order_from(found | {"metadata": metadata | customer}, "1", livemode=True)
    assert (order.product_id, order.level) == (product, level)
    assert (order.customer_email, order.customer_name) == ("anna@example.com", "Anna Martin")
    assert (order.amount, order.currency, order.livemode) == (4700, "eur", True)
    assert order.created_at == order.timeline[0].at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert order_from(found | {"livemode": False}, "1", livemode=True).livemode is False


def an_order(**fields):
    """A paid order of 47.00 EUR with these fields."""
    paid = {"product_id": "mystique", "amount": 4700, "status": "completed"}
    return Order(id="1", created_at=NOW, updated_at=NOW, **paid | fields)


def test_of_several_disputes_the_first_that_is_due_counts():
    day = timedelta(days=1)

    def dispute(number, status, due):
        return Dispute(id=f"dp_{number}", amount=1, status=status, created_at=NOW, due_by=due)

    disputes = [
        dispute(1, "needs_response", NOW + 9 * day),
        dispute(2, "needs_response", NOW + 5 * day),
        dispute(3, "under_review", NOW + 2 * day),
        dispute(4, "needs_response", None),
    ]
    assert an_order(disputes=disputes).evidence_due_by == NOW + 5 * day
    assert an_order(disputes=disputes[2:]).evidence_due_by is None


@pytest.mark.parametrize(
    ("made", "is_answered"),
    [
        ({"amount": 1000, "attempt_id": "key"}, True),
        ({"amount": 1000, "attempt_id": "another"}, False),
        # Stripe's clock may be a little behind ours.
        ({"amount": 1000, "created_at": NOW - timedelta(seconds=30)}, True),
        ({"amount": 1000, "created_at": NOW - timedelta(hours=1)}, False),
        ({"amount": 500, "created_at": NOW}, False),
    ],
)
def test_a_request_is_answered_by_the_refund_that_names_it_or_one_of_its_amount_after_it(made, is_answered):
    request = TimelineEntry(at=NOW, kind=REFUND_REQUESTED, by="fanny", amount=1000, attempt_id="key")
    order = an_order(timeline=[request], refunds=[Refund(**{"id": "re_1", "created_at": NOW, **made})])
    assert order.unanswered_refund == (None if is_answered else request)


def test_a_refund_that_names_no_request_answers_one_alone():
    first, second = (
        TimelineEntry(at=NOW, kind=REFUND_REQUESTED, by="fanny", amount=1000, attempt_id=key)
        for key in ("one", "two")
    )
    refunds = [Refund(id=f"re_{number}", amount=1000, created_at=NOW) for number in range(2)]
    assert an_order(timeline=[first, second], refunds=refunds[:1]).unanswered_refund == second
    assert an_order(timeline=[first, second], refunds=refunds).unanswered_refund is None


def test_a_customer_whom_stripe_has_otherwise_is_owed_to_it_whole():
    said = {
        "customerEmail": "anna@example.com",
        "customerName": "Anna Martin",
        "customerPhone": "+33612345678",
    }
    customer = said | {"customerFirstName": "Anna", "customerLastName": "Martin"}
    order = an_order(metadata=customer | {"productId": "mystique"})
    # The parts of a name are left out where Stripe has no room for them.
    known = {"object": "payment_intent", "metadata": said}
    assert edited_unknown_to_stripe(order, known) == {}
    for name in said:
        for others in (said | {name: "other"}, {key: text for key, text in said.items() if key != name}):
            assert edited_unknown_to_stripe(order, known | {"metadata": others}) == customer
    assert edited_unknown_to_stripe(order, {"metadata": {}}) == {}
    erased = order.model_copy(update={"erased_at": NOW})
    assert edited_unknown_to_stripe(erased, known | {"metadata": {}}) == {}
