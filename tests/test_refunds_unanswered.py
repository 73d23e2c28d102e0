"""A refund whose answer never came: it can be finished, by anyone who may, and is made once."""

from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from lumira.access import Actor, Role
from lumira.errors import (
    OrderNotRefundable,
    RefundUnanswered,
    StripeConfigError,
    StripeError,
    StripeRateLimited,
)
from lumira.orders import REFUND_REFUSED
from tests.conftest import opened
from tests.dashboard.conftest import shown
from tests.store_gate import Fate, gate

FINANCE = Actor("fanny", Role.FINANCE)
OTHER = Actor("felix", Role.FINANCE)


@pytest.fixture
def desk(settings, faulty_sandbox_url):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        yield desk


@pytest.fixture
def paid(desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    return desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)


def lose(fault, *, executed):
    """Every try of one refund request is lost on the way; Stripe executes the first or none."""
    for _ in range(3):
        fault(answer="drop", path="/v1/refunds", method="POST", executed=executed)


def refunds_at_stripe(desk, order):
    return [refund["amount"] for refund in desk.gateway.list_refunds(order.payment_intent_id)]


@pytest.mark.parametrize("executed", [True, False])
def test_a_lost_refund_is_finished_once_by_someone_else(desk, paid, fault, executed):
    lose(fault, executed=executed)
    with pytest.raises(StripeError):
        desk.refunds.create(
            paid.id, 1000, actor=FINANCE, reason="duplicate", note="Deux fois", idempotency_key=uuid4().hex
        )
    waiting = desk.intents.find(paid.id, actor=FINANCE)
    assert (waiting.unanswered_refund.amount, waiting.unanswered_refund.by) == (1000, "fanny")
    done = desk.refunds.finish(paid.id, actor=OTHER)
    assert refunds_at_stripe(desk, paid) == [1000]
    assert (done.amount_refunded, done.unanswered_refund) == (1000, None)
    assert desk.refunds.finish(paid.id, actor=OTHER).amount_refunded == 1000
    # What is left may then be refunded as ever.
    assert desk.refunds.create(paid.id, actor=FINANCE).net == 0
    assert sorted(refunds_at_stripe(desk, paid)) == [1000, 3700]


def test_no_other_refund_overtakes_one_that_is_not_answered(desk, paid, fault):
    lose(fault, executed=False)
    with pytest.raises(StripeError):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=uuid4().hex)
    with pytest.raises(RefundUnanswered) as refused:
        desk.refunds.create(paid.id, 500, actor=FINANCE, idempotency_key=uuid4().hex)
    assert refused.value.extra["amount"] == 1000
    assert "refund of €10.00" in refused.value.message
    assert refunds_at_stripe(desk, paid) == []


def test_an_executed_refund_is_known_as_soon_as_stripe_is_asked(desk, paid, fault):
    lose(fault, executed=True)
    with pytest.raises(StripeError):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=uuid4().hex)
    assert desk.intents.refresh(paid.id, actor=FINANCE).unanswered_refund is None
    assert (
        desk.refunds.create(paid.id, 500, actor=FINANCE, idempotency_key=uuid4().hex).amount_refunded == 1500
    )


def test_who_asked_stands_in_the_audit_log_though_stripe_did_not_answer(desk, paid, fault, support):
    lose(fault, executed=True)
    with pytest.raises(StripeError):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=uuid4().hex)
    # It was made, and is heard of by looking: there is nothing left to finish.
    assert desk.refunds.finish(paid.id, actor=OTHER).amount_refunded == 1000
    asked = [(entry.action, entry.actor) for entry in desk.audit.of_order(paid.id)]
    assert asked[-1] == ("refund_unanswered", "fanny")


@pytest.mark.parametrize(
    ("action", "asked", "status"),
    [("cancel", {}, "cancelled"), ("confirm_test", {"payment_method": "pm_card_visa"}, "completed")],
)
def test_other_requests_likewise(desk, fault, support, action, asked, status):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    ask = desk.intents.cancel if action == "cancel" else desk.intents.confirm
    for _ in range(3):
        fault(answer="drop", path="/v1/payment_intents/", method="POST", executed=True)
    with pytest.raises(StripeError):
        ask(created.order_id, **asked, actor=support)
    order = desk.intents.refresh(created.order_id, actor=support)
    assert order.status == status
    actions = [entry.action for entry in desk.audit.of_order(order.id)]
    assert actions == ["create_intent", f"{action}_unanswered"]


@pytest.mark.parametrize(("lost", "told"), [(0, []), (1, ["cancel_unanswered"])])
def test_only_what_stripe_may_have_done_is_told_as_unanswered(desk, fault, support, lost, told):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    order = desk.intents.find(created.order_id, actor=support)
    for _ in range(lost):
        fault(answer="drop", path="/v1/payment_intents/", method="POST", executed=True)
    # That Stripe did nothing is said of the try that hears it, not of one before it.
    fault(answer=429, path="/v1/payment_intents/", method="POST", retry=False)
    with pytest.raises(StripeError) as caught:
        desk.intents.cancel(created.order_id, actor=support)
    assert isinstance(caught.value, StripeRateLimited) is not bool(lost)
    assert [entry.action for entry in desk.audit.of_order(order.id)] == ["create_intent", *told]


# Stripe answers that it did nothing: to a key that may not refund, and to who asks too often.
DID_NOTHING = pytest.mark.parametrize(
    ("answer", "error"), [(403, StripeConfigError), (429, StripeRateLimited)]
)


def refuse(fault, answer):
    fault(answer=answer, path="/v1/refunds", method="POST", retry=False)


@DID_NOTHING
def test_a_refund_that_stripe_did_not_try_is_answered(desk, paid, fault, answer, error):
    """A key that may not refund never will: another amount, or none at all, may be asked for after it."""
    refuse(fault, answer)
    with pytest.raises(error):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=uuid4().hex)
    order = desk.intents.find(paid.id, actor=FINANCE)
    assert (order.unanswered_refund, order.timeline[-1].kind) == (None, REFUND_REFUSED)
    assert desk.refunds.create(paid.id, 500, actor=FINANCE).amount_refunded == 500


@DID_NOTHING
def test_what_was_refused_may_be_lost_when_it_is_asked_for_again(desk, paid, fault, answer, error):
    """The same click once more is another request, of which nobody knows what came."""
    asked = {"reason": "duplicate", "note": "Deux fois", "idempotency_key": uuid4().hex}
    refuse(fault, answer)
    with pytest.raises(error):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, **asked)
    lose(fault, executed=True)
    with pytest.raises(StripeError):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, **asked)
    waiting = desk.intents.find(paid.id, actor=FINANCE).unanswered_refund
    assert (waiting.amount, waiting.code, waiting.note) == (1000, "duplicate", "Deux fois")
    assert desk.refunds.finish(paid.id, actor=OTHER).amount_refunded == 1000
    assert refunds_at_stripe(desk, paid) == [1000]


@pytest.mark.parametrize("answer", [403, 429])
def test_what_stripe_did_not_try_says_nothing_of_an_earlier_try(desk, paid, fault, answer):
    key = uuid4().hex
    lose(fault, executed=False)
    with pytest.raises(StripeError):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=key)
    refuse(fault, answer)
    with pytest.raises(StripeError):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=key)
    assert desk.intents.find(paid.id, actor=FINANCE).unanswered_refund.amount == 1000


def dialog(order, attempt="attempt"):
    from lumira.dashboard import order_actions

    order_actions.refund_dialog(order, attempt)


@pytest.mark.parametrize("answer", [403, 429, "drop", "look dropped"])
def test_only_what_stripe_may_have_done_is_asked_again_as_it_was(paid, fault, answer):
    app = AppTest.from_function(dialog, args=(paid,)).run()
    if answer == "drop":
        lose(fault, executed=False)
    elif answer == "look dropped":
        # Stripe is asked how the payment stands before it is asked for the refund.
        fault(answer="drop", path="/v1/payment_intents", share=1)
    else:
        refuse(fault, answer)
    app.button(key="refund-now").click().run()
    # The dialog draws its fields anew as soon as anything in it is touched.
    app.text_input(key="refund-note-attempt").set_value("Deux fois").run()
    assert app.text_input(key="refund-amount-attempt").disabled is (answer == "drop")


def test_of_two_who_refund_the_same_the_second_is_told_of_the_first(desk, paid):
    app = AppTest.from_function(dialog, args=(paid,)).run()
    app.text_input(key="refund-amount-attempt").set_value("10").run()
    desk.refunds.create(paid.id, 1000, actor=OTHER)
    app.button(key="refund-now").click().run()
    assert refunds_at_stripe(desk, paid) == [1000]
    assert isinstance(app.session_state[f"problem-{paid.id}"], OrderNotRefundable)


def test_a_refund_made_as_the_store_stopped_is_asked_again_as_it_was(
    settings, faulty_sandbox_url, desk, paid, store_uri
):
    stopped = [True]

    def fate(command):
        lost = command == "update" and stopped and refunds_at_stripe(desk, paid)
        return Fate.WT_PANIC if lost else Fate.PASSES

    with gate(urlsplit(store_uri).port, fate) as uri:
        told = {"mongodb_uri": SecretStr(uri), "stripe_api_base": faulty_sandbox_url}
        with opened(settings.model_copy(update=told)):
            app = AppTest.from_function(dialog, args=(paid,)).run()
            app.text_input(key="refund-amount-attempt").set_value("10").run()
            app.button(key="refund-now").click().run()
            assert refunds_at_stripe(desk, paid) == [1000]
            assert "ni remboursé deux fois" in shown(app)
            app.text_input(key="refund-note-attempt").set_value("Deux fois").run()
            # Another amount would be another refund beside the one that was made.
            assert app.text_input(key="refund-amount-attempt").disabled
            stopped.clear()
            app.button(key="refund-now").click().run()
    assert refunds_at_stripe(desk, paid) == [1000]
    assert desk.intents.find(paid.id, actor=FINANCE).amount_refunded == 1000


def test_a_refund_of_what_stripe_has_given_back_already_is_answered(desk, paid):
    desk.gateway.create_refund(paid.payment_intent_id, 4700, None, {}, uuid4().hex)
    with pytest.raises(OrderNotRefundable):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=uuid4().hex)
    assert desk.intents.find(paid.id, actor=FINANCE).unanswered_refund is None


def test_a_refund_that_failed_at_stripe_is_answered(desk, paid, fault):
    """Stripe keeps such an answer for a day: who finished this request would be told it again and again."""
    refuse(fault, 402)
    with pytest.raises(OrderNotRefundable, match="was valid and failed"):
        desk.refunds.create(paid.id, 1000, actor=FINANCE, idempotency_key=uuid4().hex)
    order = desk.intents.find(paid.id, actor=FINANCE)
    assert (order.unanswered_refund, order.timeline[-1].kind) == (None, REFUND_REFUSED)


def test_a_refused_refund_is_answered(desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    disputed = desk.intents.confirm(created.order_id, "pm_card_createDispute", actor=support)
    # Nothing was refunded: it is Stripe that says no.
    with pytest.raises(OrderNotRefundable, match="charged back"):
        desk.refunds.create(disputed.id, 1000, actor=FINANCE, idempotency_key=uuid4().hex)
    order = desk.intents.find(disputed.id, actor=FINANCE)
    assert (order.unanswered_refund, order.timeline[-1].kind) == (None, REFUND_REFUSED)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("pm_card_visa", "47,00\u00a0€ remboursés."),
        ("pm_card_pendingRefund", "Stripe ne l’a pas encore envoyé"),
    ],
)
def test_a_refund_that_stripe_has_not_sent_is_not_said_to_be_made(desk, support, card, said):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    paid = desk.intents.confirm(created.order_id, card, actor=support)
    app = AppTest.from_function(dialog, args=(paid, uuid4().hex)).run()
    app.button(key="refund-now").click().run()
    assert said in app.session_state["notice"][0]
