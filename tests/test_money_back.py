"""What only Stripe knows of money that goes back: where a refund is, and what a dispute asks for."""

import secrets
from datetime import UTC, date, datetime

import pytest

from lumira.money_back import dispute_at_stripe, due_by, on_statement_by, refund_at_stripe
from lumira.refunds import dispute_from
from tests.conftest import wait_until

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def paid(desk, support):
    """The id of a PaymentIntent paid with a test card."""

    def paid(card: str) -> str:
        created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
        desk.intents.confirm(created.order_id, card, actor=support)
        return created.order_id

    return paid


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (date(2026, 11, 30), date(2026, 12, 14)),  # a Monday
        (date(2026, 12, 4), date(2026, 12, 18)),  # a Friday
        (date(2026, 12, 5), date(2026, 12, 18)),  # a Saturday
    ],
)
def test_a_bank_shows_a_refund_after_ten_business_days(sent, shown):
    assert on_statement_by(sent) == shown


def test_a_refund_has_the_reference_of_the_bank_once_it_settled(desk, paid):
    payment = paid("pm_card_visa")
    desk.gateway.create_refund(payment, 2000, None, {}, secrets.token_hex(8))

    def settled():
        [refund] = map(refund_at_stripe, desk.gateway.list_refunds(payment))
        return refund.reference and refund

    refund = wait_until(settled)
    assert (refund.status, refund.reversal, refund.failure) == ("succeeded", False, None)


def test_a_refund_that_came_back_says_why(desk, paid):
    payment = paid("pm_card_refundFail")
    desk.gateway.create_refund(payment, 2000, None, {}, secrets.token_hex(8))
    [refund] = wait_until(
        lambda: (
            read
            if (read := list(map(refund_at_stripe, desk.gateway.list_refunds(payment))))[0].failure
            else None
        )
    )
    assert (refund.status, refund.failure) == ("failed", "expired_or_canceled_card")


def test_a_dispute_has_moved_money_and_an_inquiry_has_not(desk, paid):
    [dispute] = map(dispute_at_stripe, desk.gateway.list_disputes(paid("pm_card_createDispute")))
    assert (dispute.moved, dispute.fee, dispute.currency, dispute.drafted) == (-6700, 2000, "eur", False)
    assert dispute.due_by > datetime.now(UTC)
    [inquiry] = map(dispute_at_stripe, desk.gateway.list_disputes(paid("pm_card_createDisputeInquiry")))
    assert (inquiry.moved, inquiry.fee, inquiry.currency) == (0, 0, "")


@pytest.mark.parametrize("told", [None, 0, "soon", 10**15, {}])
def test_what_is_no_date_is_none(told):
    dispute = {"id": "dp_1", "amount": 1, "created": 1, "evidence_details": {"due_by": told}}
    assert due_by(dispute) is None
    assert dispute_from(dispute, NOW).due_by is None
