"""How much is asked of Stripe: page by page, and later where it asks for that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lumira.errors import StripeRateLimited, StripeTimeout
from lumira.intents import Intents
from lumira.lifecycle import order_from
from lumira.order_list import OrderList
from lumira.storage import OrderRows
from lumira.stripe_gateway import StripeGateway
from lumira.stripe_pace import Pace, every_page
from tests.conftest import STRIPE_KEY, opened, reconciliation_of


def test_it_slows_down_when_stripe_asks_for_it():
    slept: list[float] = []
    answers = [StripeRateLimited("slow")] * 2 + ["fine"] + [StripeRateLimited("slow")] * 6

    def question(number, *, of):
        assert (number, of) == (1, "tests")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    pace = Pace(slept.append)
    assert pace.ask(question, 1, of="tests") == "fine"
    assert [wait for wait in slept if wait >= 1] == [1, 2]
    # Asked once more it comes a moment later, and does not ask for ever.
    with pytest.raises(StripeRateLimited):
        pace.ask(question, 1, of="tests")
    assert [wait for wait in slept if wait >= 1] == [1, 2, 1, 2, 4, 8, 16]
    assert sum(0 < wait <= 1 / 20 for wait in slept) == len(slept) - 7
    assert not answers


def test_orders_are_refreshed_although_stripe_asks_to_slow_down(settings, support, faulty_sandbox_url, fault):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        made = [
            desk.intents.create({"productId": "mystique"}, actor=support, source="tests").order_id
            for _ in range(3)
        ]
        fault(answer=429, next=2, path="/v1/payment_intents/")
        answers = dict(desk.order_list.refresh(made, actor=support))
    assert [answers[order_id].payment_intent_id for order_id in made] == made


def test_a_stripe_that_says_nothing_is_not_asked_for_every_order_of_a_page(
    settings, support, faulty_sandbox_url, fault, faults_left
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        silent = StripeGateway(STRIPE_KEY, api_base=faulty_sandbox_url, timeout=0.2)
        intents = Intents(desk.orders, silent, desk.audit, return_url="http://127.0.0.1/")
        rows = OrderRows(desk.store.database, desk.settings.business_timezone, livemode=False)
        for number in range(40):
            payment_intent = {"id": f"pi_{number}", "amount": 4700, "currency": "eur"}
            desk.orders.insert(order_from(payment_intent, desk.orders.new_id(), livemode=False))
        asked = [f"pi_{number}" for number in range(40)]
        fault(answer="hang", next=100, seconds=1, path="/v1/payment_intents/")
        answers = dict(OrderList(rows, intents, desk.audit).refresh(asked, actor=support))
    assert sorted(answers) == sorted(asked)
    assert {type(answer) for answer in answers.values()} == {StripeTimeout}
    assert 100 - faults_left() <= 8


def test_a_list_is_read_page_by_page_and_no_further_than_it_is_wanted():
    asked = []

    def page_behind(last):
        asked.append(last)
        return [{"id": len(asked)}], len(asked) < 3

    listed = every_page(page_behind)
    assert next(listed) == [{"id": 1}]
    assert asked == [None]
    assert [page[0]["id"] for page in listed] == [2, 3]
    assert asked == [None, 1, 2]


def test_what_an_order_is_settled_by_is_asked_for_again_when_stripe_asks_to_slow_down(
    settings, admin, support, faulty_sandbox_url, fault
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        made = desk.intents.create({"productId": "mystique"}, actor=support, source="tests").order_id
        desk.gateway.confirm_payment_intent(made, "pm_card_visa", f"paid-{made}", "http://127.0.0.1/")
        desk.gateway.create_refund(made, 700, None, {}, f"refunded-{made}")
        fault(answer=429, path="/v1/refunds", method="GET")
        reconciliation_of(desk, timedelta(hours=1)).settle_open_orders(actor=admin)
        assert desk.intents.find(made, actor=support).amount_refunded == 700
