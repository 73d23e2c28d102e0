"""Creating, paying, refreshing and cancelling PaymentIntents against the sandbox, stored in a real store."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import stripe
from pydantic import SecretStr

from lumira.access import Actor, Role
from lumira.catalog import CATALOG
from lumira.errors import (
    Forbidden,
    IdempotencyConflict,
    InvalidCustomer,
    InvalidEmail,
    InvalidIdempotencyKey,
    InvalidMetadata,
    InvalidRequest,
    InvalidRequestBody,
    MissingProductId,
    OrderNotCancellable,
    OrderNotFound,
    OrderNotPayable,
    PaymentFailed,
    ProductNotAvailable,
    ProductNotFound,
    StoreUnavailable,
    StripeConfigError,
    StripeRefused,
    StripeServiceError,
    StripeTimeout,
)
from lumira.intents import payment_intent_parameters
from lumira.lifecycle import order_of
from lumira.order_filter import OrderFilter
from lumira.orders import OrderStatus
from lumira.validation import parse_request
from tests.conftest import NO_STORE, STRIPE_KEY, authorized_order, opened, wait_until

BODY = {"productId": "mystique", "customerEmail": "Anaïs@Example.COM", "customerName": "Anaïs 🌙"}


@pytest.fixture
def create(desk, support):
    """Creates an intent as a member of support."""

    def create(body=BODY, **options):
        return desk.intents.create(body, actor=support, source="tests", **options)

    return create


@pytest.fixture
def key():
    """An idempotency key of the test's own: the sandbox remembers them all, as Stripe does."""
    return secrets.token_hex(8)


@pytest.fixture
def pay_elsewhere(desk, key):
    """Pays a PaymentIntent behind the desk's back."""

    def pay(payment_intent_id):
        desk.gateway.confirm_payment_intent(payment_intent_id, "pm_card_visa", key, "http://127.0.0.1/")

    return pay


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, InvalidRequestBody),
        ([], InvalidRequestBody),
        ({}, InvalidRequestBody),
        ("mystique", InvalidRequestBody),
        ({"customerEmail": "a@b.fr"}, MissingProductId),
        ({"productId": ""}, MissingProductId),
        ({"productId": "x"}, ProductNotFound),
        ({"productId": ["mystique"]}, ProductNotFound),
        ({"productId": {"$ne": 1}}, ProductNotFound),
        ({"productId": "integrale"}, ProductNotAvailable),
        ({"productId": "integrale", "customerEmail": "x"}, ProductNotAvailable),
        ({"productId": "mystique", "customerEmail": "x", "metadata": 1}, InvalidEmail),
        ({"productId": "mystique", "customerEmail": "a b@c.fr"}, InvalidEmail),
        ({"productId": "mystique", "customerEmail": 7}, InvalidEmail),
        ({"productId": "mystique", "customerEmail": {"$gt": ""}}, InvalidEmail),
        ({"productId": "mystique", "customerEmail": "a@b..fr"}, InvalidEmail),
        *[
            ({"productId": "mystique", "customerEmail": text}, InvalidEmail)
            for text in (
                *("<a@b.fr>", "a@b.fr>", "a@b.fr;x", "a,b@c.fr", "mailto:a@b.fr", "a@b.fr?x"),
                *("a@-b.fr", "a@b-.fr"),
                # What nobody sees, as it comes along with text that is copied: no mail would arrive.
                *("a\u200b@b.fr", "\u202ea@b.fr", "a\x01@b.fr", "a\x7f@b.fr", "a\xad@b.fr"),
            )
        ],
        ({"productId": "initie", "customerEmail": "nobody"}, InvalidEmail),
        ({"productId": "mystique", "customerName": "x" * 501}, InvalidCustomer),
        ({"productId": "mystique", "customerPhone": 612345678}, InvalidCustomer),
        ({"productId": "mystique", "metadata": []}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {"a": 1}}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {"a": None}}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {"a" * 41: ""}}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {"a": "x" * 501}}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {"a[b]": "x"}}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {"": "x"}}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {"a\x00": "x"}}, InvalidMetadata),
        ({"productId": "mystique", "metadata": {f"k{n}": "" for n in range(41)}}, InvalidMetadata),
        ({"productId": "mystique", "customerName": "half \ud800"}, InvalidCustomer),
        ({"productId": "mystique", "metadata": {"a": "\udfff"}}, InvalidMetadata),
    ],
)
def test_a_wrong_request_is_refused_in_the_contracts_order(body, error):
    with pytest.raises(error):
        parse_request(body)


@pytest.mark.parametrize(
    "wrong", [{"customerName": "a\x00b"}, {"metadata": {"a": "x\x00"}}, {"metadata": {"a\x00": "x"}}]
)
def test_what_is_refused_for_a_nul_is_not_told_to_be_too_long(wrong):
    with pytest.raises(InvalidRequest, match=r"none of them .*NUL"):
        parse_request({"productId": "mystique"} | wrong)


def test_the_widest_request_that_stripe_takes_passes(create, desk):
    metadata = {f"k{n}": "ü" * 500 for n in range(39)} | {"k" * 40: "🌙"}
    created = create(BODY | {"customerPhone": "1", "metadata": metadata}, request_id="req-1")
    stored = desk.gateway.retrieve_payment_intent(created.order_id)
    assert stored["metadata"]["k" * 40] == "🌙"
    assert len(stored["metadata"]) == 50


def test_only_a_free_product_is_told_to_be_free(create, desk):
    paid = create(BODY | {"metadata": {"freeProduct": "true", "campaign": "spring"}})
    order = desk.orders.find_by_payment_intent(paid.order_id)
    at_stripe = desk.gateway.retrieve_payment_intent(paid.order_id)
    for metadata in (order.metadata, at_stripe["metadata"]):
        assert ("freeProduct" in metadata, metadata["campaign"]) == (False, "spring")
    free = create({"productId": "initie", "metadata": {"freeProduct": "no"}})
    assert desk.orders.find_by_payment_intent(free.order_id).metadata["freeProduct"] is True


def test_an_intent_is_created_with_our_metadata_and_stored(create, desk, documents):
    created = create(
        BODY | {"customerPhone": "+33 6 12", "metadata": {"campaign": "spring", "level": "profond"}},
        request_id="req-1",
    )
    assert (created.amount, created.currency, created.product_name) == (4700, "eur", "Niveau Mystique")
    payment_intent = desk.gateway.retrieve_payment_intent(created.order_id)
    assert payment_intent["amount"] == 4700
    assert payment_intent["description"] == "Oracle Lumira - Niveau Mystique"
    assert payment_intent["client_secret"] == created.client_secret
    metadata = payment_intent["metadata"]
    assert metadata["level"] == "mystique"
    assert metadata["campaign"] == "spring"
    assert metadata["customerEmail"] == "anaïs@example.com"
    assert metadata["customerPhone"] == "+33 6 12"
    assert metadata["requestId"] == "req-1"
    [document] = documents.productorders.find()
    assert document["paymentIntentId"] == created.order_id
    assert str(document["_id"]) == metadata["orderId"]
    assert document["status"] == "pending"
    assert document["customerEmail"] == "anaïs@example.com"
    assert (document["livemode"], document["source"], document["createdBy"]) == (False, "tests", "claire")
    assert "completedAt" not in document


def test_absent_customer_fields_are_sent_as_empty_strings(create, desk, support):
    order = desk.intents.find(create({"productId": "profond"}).order_id, actor=support)
    metadata = payment_intent_parameters(order)["metadata"]
    assert (metadata["customerEmail"], metadata["customerName"], metadata["customerPhone"]) == ("", "", "")


def test_a_free_product_is_completed_at_once_without_stripe(settings, support):
    unreachable = settings.model_copy(update={"stripe_secret_key": None})
    with opened(unreachable) as desk:
        created = desk.intents.create({"productId": "initie"}, actor=support, source="tests")
        assert created.client_secret == ""
        assert created.order_id.startswith("free_")
        order = desk.intents.find(created.order_id, actor=support)
        assert (order.status, order.amount) == (OrderStatus.COMPLETED, 0)
        assert order.completed_at == order.created_at
        assert order.metadata["freeProduct"] is True


def test_a_repeat_with_the_same_key_answers_the_same(create, documents, key):
    first = create(idempotency_key=key, request_id="req-1")
    assert create(idempotency_key=key, request_id="req-2") == first
    assert create(idempotency_key=key + "2") != first
    assert documents.productorders.count_documents({}) == 2


def test_a_repeat_of_a_free_order_answers_the_same(create, documents):
    body = {"productId": "initie", "customerEmail": "a@b.fr"}
    assert create(body, idempotency_key="free-1") == create(body, idempotency_key="free-1")
    assert documents.productorders.count_documents({}) == 1


def test_a_key_used_for_another_request_is_refused(create, key):
    create(idempotency_key=key)
    with pytest.raises(IdempotencyConflict):
        create(BODY | {"productId": "profond"}, idempotency_key=key)
    for wrong in ("", "x" * 256):
        with pytest.raises(InvalidIdempotencyKey):
            create(idempotency_key=wrong)


def test_a_request_of_before_there_were_digests_is_known_by_what_it_asked_for(create, documents, key):
    first = create(idempotency_key=key, request_id="req-1")
    documents.productorders.update_one({}, {"$unset": {"requestDigest": ""}})
    assert create(idempotency_key=key, request_id="req-2") == first
    with pytest.raises(IdempotencyConflict):
        create(BODY | {"customerName": "Zoé"}, idempotency_key=key)


def test_eight_double_clicks_create_one_payment_intent(create, documents, key):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(create(idempotency_key=key))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert documents.productorders.count_documents({}) == 1


def test_a_repeat_finishes_what_a_crash_cut_short(create, documents, key):
    created = create(idempotency_key=key)
    # What the store holds when we die between Stripe's answer and our note of it.
    documents.productorders.update_one(
        {"paymentIntentId": created.order_id}, {"$unset": {"paymentIntentId": "", "stripeStatus": ""}}
    )
    assert create(idempotency_key=key) == created
    assert documents.productorders.find_one()["paymentIntentId"] == created.order_id


def test_a_repeat_finishes_it_after_its_customer_was_edited_too(create, desk, support, documents, key):
    created = create(idempotency_key=key)
    [order] = desk.order_list.page(OrderFilter(), 10, actor=support).orders
    unanswered = {"$unset": {"paymentIntentId": "", "stripeStatus": ""}}
    documents.productorders.update_one({}, unanswered)
    # Now Stripe would be asked for something else with the same key, which it refuses.
    desk.intents.correct_customer(order.id, {"email": "anna@example.com"}, actor=support)
    assert create(idempotency_key=key) == created
    assert documents.productorders.find_one()["paymentIntentId"] == created.order_id
    at_stripe = desk.gateway.retrieve_payment_intent(created.order_id)["metadata"]
    assert (at_stripe["customerEmail"], at_stripe["orderId"]) == ("anna@example.com", order.id)


@pytest.mark.parametrize("full", [False, True])
def test_an_edit_while_stripe_is_asked_comes_to_stripe_too(
    settings, support, documents, key, faulty_sandbox_url, fault, full
):
    metadata = {f"key{number}": "x" for number in range(40 if full else 0)}
    body = BODY | {"customerPhone": "+33612345678", "metadata": metadata}
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        fault(answer="slow", seconds=1, path="/v1/payment_intents", method="POST")
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(
                desk.intents.create, body, actor=support, source="tests", idempotency_key=key, request_id="r"
            )
            order = wait_until(lambda: desk.orders.find_by_attempt(key))
            edit = {"email": "anna@example.com", "firstName": "Anna", "lastName": "Garçon"}
            desk.intents.edit_customer(order.id, edit, actor=support)
        at_stripe = desk.gateway.retrieve_payment_intent(asked.result().order_id)["metadata"]
        assert (at_stripe["customerEmail"], at_stripe["customerName"]) == ("anna@example.com", "Anna Garçon")
        assert at_stripe["customerPhone"] == "+33612345678"
        timeline = [entry.kind for entry in desk.intents.find(order.id, actor=support).timeline]
        assert timeline == ["order.created", "customer.edited"]


@pytest.mark.parametrize("edited", [False, True])
def test_an_edit_of_an_order_that_others_tie_is_said_not_to_be_at_stripe(
    create, desk, support, documents, key, edited
):
    created = create(idempotency_key=key)
    unanswered = {"$unset": {"paymentIntentId": "", "stripeStatus": ""}}
    documents.productorders.update_one({}, unanswered)
    if edited:
        waiting = desk.orders.find_by_attempt(key)
        desk.intents.correct_customer(waiting.id, {"email": "anna@example.com"}, actor=support)
    payment_intent = desk.gateway.retrieve_payment_intent(created.order_id)
    order = order_of(desk.orders, payment_intent, livemode=False)
    assert order.attempt_id == key
    told = [entry.kind for entry in order.timeline if entry.kind.startswith("customer.")]
    assert told == (["customer.edited", "customer.not_copied_to_stripe"] if edited else [])


def test_a_create_that_never_came_to_stripe_is_finished_after_an_edit_of_an_order_full_of_metadata(
    desk, support, documents, key
):
    body = BODY | {"customerPhone": "+33612345678", "metadata": {f"key{number}": "x" for number in range(40)}}
    desk.intents.create(body, actor=support, source="tests", request_id="req_1")
    # What the store holds when we die before Stripe is asked.
    never_asked = {"$set": {"attemptId": key}, "$unset": {"paymentIntentId": "", "stripeStatus": ""}}
    documents.productorders.update_one({}, never_asked)
    order = desk.orders.find_by_attempt(key)
    edit = {"email": "anna@example.com", "firstName": "Anna", "lastName": "Garçon"}
    desk.intents.edit_customer(order.id, edit, actor=support)
    created = desk.intents.create(body, actor=support, source="tests", idempotency_key=key)
    at_stripe = desk.gateway.retrieve_payment_intent(created.order_id)["metadata"]
    assert (len(at_stripe), at_stripe["customerName"]) == (50, "Anna Garçon")


def test_without_a_key_nothing_is_stored(settings, support):
    with opened(settings.model_copy(update={"stripe_secret_key": None})) as desk:
        with pytest.raises(StripeConfigError):
            desk.intents.create(BODY, actor=support, source="tests")
        assert desk.orders.is_empty()


def test_a_refused_key_is_a_configuration_error_that_hides_the_key(settings, support):
    wrong = settings.model_copy(update={"stripe_secret_key": SecretStr("sk_test_wrong")})
    with opened(wrong) as desk:
        with pytest.raises(StripeConfigError) as caught:
            desk.intents.create(BODY, actor=support, source="tests")
        assert "sk_test_wrong" not in caught.value.message
        [order] = desk.order_list.page(OrderFilter(), 10, actor=support).orders
        assert (order.status, order.failure_code) == (OrderStatus.FAILED, "STRIPE_CONFIG_ERROR")
        assert order.failure_message == caught.value.message
        assert desk.orders.find(order.id).timeline[-1].by == "stripe"


def test_an_order_that_stripe_refused_to_make_waits_for_its_payment_once_it_is_made(settings, support, key):
    wrong = settings.model_copy(update={"stripe_secret_key": SecretStr("sk_test_wrong")})
    with opened(wrong) as desk, pytest.raises(StripeConfigError):
        desk.intents.create(BODY, actor=support, source="tests", idempotency_key=key)
    with opened(settings) as desk:
        created = desk.intents.create(BODY, actor=support, source="tests", idempotency_key=key)
        order = desk.intents.find(created.order_id, actor=support)
        assert (order.status, order.failure_code) == (OrderStatus.PENDING, None)


def test_a_password_kept_on_this_machine_does_not_take_the_place_of_the_key(
    settings, support, tmp_path, monkeypatch
):
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with opened(settings) as desk:
        assert desk.intents.create(BODY, actor=support, source="tests").client_secret


def test_a_stripe_that_is_away_leaves_the_order_pending_for_the_repeat(settings, support):
    away = settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})
    with opened(away) as desk:
        with pytest.raises(StripeServiceError) as caught:
            desk.intents.create(BODY, actor=support, source="tests", idempotency_key="later")
        assert not isinstance(caught.value, StripeTimeout)
        [order] = desk.order_list.page(OrderFilter(), 10, actor=support).orders
        assert order.status is OrderStatus.PENDING
        assert order.payment_intent_id is None


def test_a_store_that_is_down_charges_nothing(settings, support):
    from lumira.desk import Desk

    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    desk = Desk.open(down)
    with pytest.raises(StoreUnavailable):
        desk.intents.create(BODY, actor=support, source="tests")
    desk.store.close()


def test_a_test_card_completes_the_order(create, desk, support):
    created = create()
    order = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    assert (order.status, order.stripe_status) == (OrderStatus.COMPLETED, "succeeded")
    assert order.completed_at is not None
    assert [entry.kind for entry in order.timeline] == ["order.created", "payment_intent.succeeded"]
    move = order.timeline[-1]
    assert (move.by, move.before, move.after) == ("claire", "pending", "completed")
    with pytest.raises(OrderNotPayable):
        desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)


@pytest.mark.parametrize("asked", [None, "http://127.0.0.1/orders/1"])
def test_the_banks_page_leads_back_to_where_it_is_asked_to(create, desk, support, asked):
    created = create()
    card = "pm_card_threeDSecure2Required"
    desk.intents.confirm(created.order_id, card, actor=support, return_url=asked)
    waiting = desk.gateway.retrieve_payment_intent(created.order_id)["next_action"]
    assert waiting["redirect_to_url"]["return_url"] == (asked or f"{desk.settings.local_url}/")


def test_a_decline_is_noted_and_may_be_tried_again(create, desk, support):
    created = create()
    with pytest.raises(PaymentFailed) as caught:
        desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclinedInsufficientFunds", actor=support)
    assert caught.value.extra["declineCode"] == "insufficient_funds"
    order = desk.intents.find(created.order_id, actor=support)
    assert (order.status, order.failure_code) == (OrderStatus.FAILED, "insufficient_funds")
    with pytest.raises(PaymentFailed):
        desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclined", actor=support)
    order = desk.intents.find(created.order_id, actor=support)
    assert order.failure_code == "generic_decline"
    assert [entry.code for entry in order.timeline] == [None, "insufficient_funds", "generic_decline"]
    order = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    assert order.status is OrderStatus.COMPLETED
    assert order.failure_code is None


def test_a_page_does_not_wait_for_a_client_secret_through_three_tries(
    settings, support, faulty_sandbox_url, fault
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        created = desk.intents.create(BODY, actor=support, source="tests")
        fault(answer=500, method="GET")
        with pytest.raises(StripeServiceError):
            desk.intents.client_secret(created.order_id, actor=support)
        assert desk.intents.client_secret(created.order_id, actor=support) == created.client_secret


def test_a_decline_is_told_though_stripe_is_silent_afterwards(settings, support, faulty_sandbox_url, fault):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        created = desk.intents.create(BODY, actor=support, source="tests")
        fault(answer=500, method="GET", share=1)
        with pytest.raises(PaymentFailed):
            desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclined", actor=support)
        order = desk.intents.find(created.order_id, actor=support)
        assert "confirm_test" in [entry.action for entry in desk.audit.of_order(order.id)]


def test_an_order_that_somebody_else_has_just_paid_is_answered_as_paid(create, desk, support, pay_elsewhere):
    created = create()
    pay_elsewhere(created.order_id)
    order = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    assert (order.status, order.amount) == (OrderStatus.COMPLETED, 4700)
    # It was nobody's action here.
    assert [entry.action for entry in desk.audit.of_order(order.id)] == ["create_intent"]


def test_what_stripe_refuses_for_another_reason_is_told_as_stripe_says_it(create, desk, support):
    waiting = create().order_id
    with pytest.raises(StripeRefused, match="No such PaymentMethod"):
        desk.intents.confirm(waiting, "pm_nobody", actor=support)
    with pytest.raises(StripeRefused, match="cancellation_reason"):
        desk.intents.cancel(waiting, actor=support, reason="boredom")
    assert desk.intents.find(waiting, actor=support).status is OrderStatus.PENDING


def test_an_order_that_somebody_else_has_just_cancelled_or_is_paying_says_so(settings, create, desk, support):
    cancelled = create().order_id
    desk.gateway.cancel_payment_intent(cancelled, "abandoned")
    with pytest.raises(OrderNotPayable, match="cancelled"):
        desk.intents.confirm(cancelled, "pm_card_visa", actor=support)
    waiting = authorized_order(desk)
    with pytest.raises(OrderNotPayable, match="processing"):
        desk.intents.confirm(str(waiting.payment_intent_id), "pm_card_visa", actor=support)
    assert desk.orders.find(waiting.id).status is OrderStatus.PROCESSING


def test_a_repeat_tells_the_amount_that_will_be_charged(create, settings, key):
    created = create(idempotency_key=key)
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": str(settings.stripe_api_base)})
    client.v1.payment_intents.update(created.order_id, {"amount": 5200})
    again = create(idempotency_key=key)
    assert (again.amount, again.currency) == (5200, "eur")
    assert replace(again, amount=4700) == created


def test_a_key_whose_request_never_came_to_stripe_says_that_nothing_can_be_paid(
    create, desk, support, documents, key
):
    create(idempotency_key=key)
    documents.productorders.update_one(
        {}, {"$set": {"status": "cancelled"}, "$unset": {"paymentIntentId": "", "stripeStatus": ""}}
    )
    with pytest.raises(IdempotencyConflict, match=r"never reached Stripe.*new key"):
        create(idempotency_key=key)


def test_cancelling_twice_is_cancelling_once(create, desk, support):
    created = create()
    order = desk.intents.cancel(created.order_id, actor=support)
    assert (order.status, order.stripe_status) == (OrderStatus.CANCELLED, "canceled")
    assert desk.intents.cancel(created.order_id, actor=support) == order


def test_a_paid_or_free_order_cannot_be_cancelled(create, desk, support, pay_elsewhere):
    paid = create()
    # Paid behind our back: the store still says pending.
    pay_elsewhere(paid.order_id)
    with pytest.raises(OrderNotCancellable):
        desk.intents.cancel(paid.order_id, actor=support)
    assert desk.intents.find(paid.order_id, actor=support).status is OrderStatus.COMPLETED
    free = create({"productId": "initie"})
    with pytest.raises(OrderNotCancellable):
        desk.intents.cancel(free.order_id, actor=support)


def test_refresh_sees_what_happened_at_stripe(create, desk, support, pay_elsewhere):
    created = create()
    pay_elsewhere(created.order_id)
    assert desk.intents.find(created.order_id, actor=support).status is OrderStatus.PENDING
    assert desk.intents.refresh(created.order_id, actor=support).status is OrderStatus.COMPLETED


def test_refresh_sees_another_amount_before_it_is_paid(create, settings, desk, support):
    created = create()
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": str(settings.stripe_api_base)})
    client.v1.payment_intents.update(created.order_id, {"amount": 5200})
    order = desk.intents.refresh(created.order_id, actor=support)
    assert (order.status, order.amount) == (OrderStatus.PENDING, 5200)
    assert [entry.kind for entry in order.timeline][-1] == "amount.changed"
    assert desk.intents.refresh(created.order_id, actor=support).timeline == order.timeline


def test_refresh_says_why_the_last_try_failed(create, desk, support):
    created = create()
    for code in ("lost_card", "insufficient_funds"):
        card = f"pm_card_visa_chargeDeclined{code.title().replace('_', '')}"
        with pytest.raises(PaymentFailed):
            desk.gateway.confirm_payment_intent(
                created.order_id, card, secrets.token_hex(8), "http://127.0.0.1/"
            )
        order = desk.intents.refresh(created.order_id, actor=support)
        assert (order.status, order.failure_code) == (OrderStatus.FAILED, code)


def test_an_order_is_found_by_any_of_its_ids(create, desk, support):
    created = create()
    order = desk.intents.find(created.order_id, actor=support)
    assert desk.intents.find(order.id, actor=support) == order
    # It waits for Stripe: nothing is the id of it.
    lacking = {"id": desk.orders.new_id(), "payment_intent_id": None, "attempt_id": None}
    assert desk.orders.insert(order.model_copy(update=lacking))
    for unknown in ("pi_nothing", "", "$where", "🌙", "0" * 24, None):
        with pytest.raises(OrderNotFound):
            desk.intents.find(unknown, actor=support)
    assert desk.intents.find_by_attempt(None, actor=support) is None


def test_a_role_without_the_permission_changes_nothing(desk, create):
    staff, finance = Actor("sam", Role.STAFF), Actor("fanny", Role.FINANCE)
    created = create()
    for actor in (staff, finance):
        with pytest.raises(Forbidden):
            desk.intents.create(BODY, actor=actor, source="tests")
        with pytest.raises(Forbidden):
            desk.intents.confirm(created.order_id, "pm_card_visa", actor=actor)
        with pytest.raises(Forbidden):
            desk.intents.cancel(created.order_id, actor=actor)
        assert desk.intents.refresh(created.order_id, actor=actor).status is OrderStatus.PENDING


def test_the_same_order_always_asks_stripe_the_same(create, desk, support):
    order = desk.intents.find(create().order_id, actor=support)
    assert payment_intent_parameters(order) == payment_intent_parameters(order)
    assert payment_intent_parameters(order)["amount"] == CATALOG["mystique"].amount


@pytest.mark.parametrize(
    "address", ["a.b+c@xn--caf-dma.fr", "anaïs@café.fr", "o'neil@a-b.c-d.example", "a_b@b.fr"]
)
def test_what_is_an_address_is_taken_in_any_alphabet(address):
    assert parse_request({"productId": "mystique", "customerEmail": address}).email == address


def test_an_address_is_one_however_its_accents_are_composed():
    decomposed = "rene\N{COMBINING ACUTE ACCENT}@exemple.fr"
    assert parse_request({"productId": "mystique", "customerEmail": decomposed}).email == "rené@exemple.fr"
