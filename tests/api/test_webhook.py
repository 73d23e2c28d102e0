"""Deliveries over a real port: verified, recorded, applied once, settled."""

import itertools
import json
import secrets
import threading
import time
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from lumira import desk as desks
from lumira.child_process import free_port
from lumira.errors import EventNotFound, PaymentFailed, StoreUnavailable
from lumira.events import ACTED_ON
from lumira.orders import OrderStatus
from lumira.storage import Events
from tests.api.conftest import event, sign, webhooks_on
from tests.conftest import NO_STORE, WEBHOOK_SECRET, opened, sandbox, serving, wait_until


@pytest.fixture
def payment_intent(desk, support):
    """A PaymentIntent of the sandbox with its order."""
    created = desk.intents.create(
        {"productId": "mystique", "customerEmail": "a@b.fr"}, actor=support, source="tests"
    )
    return desk.gateway.retrieve_payment_intent(created.order_id)


@pytest.fixture
def order_of(desk):
    """The stored order of a PaymentIntent's id."""
    return desk.orders.find_by_payment_intent


def test_a_success_completes_the_order_once(deliver, payment_intent, order_of, documents):
    succeeded = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})
    assert deliver(succeeded).json() == {"received": True}
    order = order_of(payment_intent["id"])
    assert order.status is OrderStatus.COMPLETED
    assert order.timeline[-1].event_id == succeeded["id"]
    assert int(order.completed_at.timestamp()) == succeeded["created"]
    assert deliver(succeeded, path="/api/stripe/webhook").json() == {"received": True, "duplicate": True}
    assert order_of(payment_intent["id"]) == order
    [row] = documents.processed_events.find()
    assert (row["state"], row["attempts"], row["eventType"]) == (
        *("processed", 1, "payment_intent.succeeded"),
    )
    assert row["processedAt"]
    # Handled again, it happened then.
    assert row["eventCreated"] == succeeded["created"]


@pytest.mark.parametrize("changed", [{"amount": 5200}, {"currency": "gbp"}])
@pytest.mark.parametrize(
    ("type_", "stripe_status", "status"),
    [("succeeded", "succeeded", "completed"), ("canceled", "canceled", "cancelled")],
)
def test_an_amount_changed_at_stripe_is_the_amount_of_the_order(
    deliver, payment_intent, order_of, changed, type_, stripe_status, status
):
    ended = payment_intent | changed | {"status": stripe_status}
    assert deliver(event(f"payment_intent.{type_}", ended)).json() == {"received": True}
    order = order_of(payment_intent["id"])
    assert (order.status, order.amount, order.currency) == (status, ended["amount"], ended["currency"])
    told = [entry.kind for entry in order.timeline[-2:]]
    assert told == ["amount.changed", f"payment_intent.{stripe_status}"]
    assert order.timeline[-2].amount == ended["amount"]


@pytest.mark.parametrize(
    "type_", [*ACTED_ON, "refund.of_a_later_version", "charge.dispute.of_a_later_version"]
)
def test_no_type_that_stripe_is_asked_for_is_ignored(deliver, payment_intent, documents, type_):
    belongs = {"id": "re_1", "payment_intent": payment_intent["id"], "amount": 100, "currency": "eur"}
    subject = payment_intent | {"status": None} if type_.startswith("payment_intent.") else belongs
    assert deliver(event(type_, subject)).json() == {"received": True}
    assert documents.processed_events.find_one()["outcome"] in {"applied", "unchanged"}


def test_an_event_that_brings_news_without_a_move_is_applied(deliver, payment_intent, desk, documents):
    declined = []
    for card in ("pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedInsufficientFunds"):
        with pytest.raises(PaymentFailed):
            desk.gateway.confirm_payment_intent(
                payment_intent["id"], card, secrets.token_hex(8), "http://127.0.0.1/"
            )
        now = desk.gateway.retrieve_payment_intent(payment_intent["id"])
        declined.append(event("payment_intent.payment_failed", now))
        deliver(declined[-1])
    deliver(event("payment_intent.payment_failed", now))
    outcomes = [row["outcome"] for row in documents.processed_events.find().sort("_id")]
    assert outcomes == ["applied", "applied", "unchanged"]


def test_a_paid_order_keeps_its_amount_whatever_a_late_event_says(deliver, payment_intent, order_of):
    for amount in (4700, 5200):
        deliver(event("payment_intent.succeeded", payment_intent | {"status": "succeeded", "amount": amount}))
    order = order_of(payment_intent["id"])
    assert order.amount == 4700
    assert [entry.kind for entry in order.timeline].count("payment_intent.succeeded") == 1


@pytest.mark.parametrize("odd", [{"amount": -1}, {"amount": 2**60}, {"amount": 47.5}, {"currency": "euro"}])
def test_what_is_no_money_leaves_the_order_its_own(deliver, payment_intent, order_of, odd):
    # Stored, one amount of nineteen digits would stop every figure of revenue for good.
    ended = payment_intent | {"status": "succeeded"} | odd
    assert deliver(event("payment_intent.succeeded", ended)).json() == {"received": True}
    order = order_of(payment_intent["id"])
    assert (order.status, order.amount, order.currency) == ("completed", 4700, "eur")


@pytest.mark.parametrize("odd", ["x", {"a": 1}, 2**62, 1_764_493_200_000, True])
def test_a_charge_dated_to_no_instant_was_made_as_the_event_says(deliver, payment_intent, order_of, odd):
    charge = {"id": "ch_1", "object": "charge", "created": odd}
    ended = payment_intent | {"status": "succeeded", "latest_charge": charge}
    assert deliver(event("payment_intent.succeeded", ended, created=1_764_493_200)).is_success
    assert order_of(payment_intent["id"]).completed_at.timestamp() == 1_764_493_200


def test_a_minimal_event_says_nothing_of_the_amount(deliver, payment_intent, order_of):
    minimal = {"id": payment_intent["id"], "amount": 1, "currency": "usd", "metadata": {}}
    deliver({"id": "evt_minimal", "type": "payment_intent.succeeded", "data": {"object": minimal}})
    order = order_of(payment_intent["id"])
    assert (order.status, order.amount, order.currency) == ("completed", 4700, "eur")


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b"not json", b"[1]", b'{"id": "evt_1", "type": "x", "data": 1}'),
        *(
            b'{"id": "evt_1", "type": "%s"}' % of
            for of in (b"charge.refunded", b"refund.created", b"refund.new")
        ),
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"amount": 4700}}}',
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": "", "amount": 1}}}',
        # Deeper than a document of the store, and than Python reads.
        *(
            b'{"id": "evt_1", "type": "x", "data": {"object": %s}}' % (b'{"a":' * n + b"1" + b"}" * n)
            for n in (99, 500)
        ),
        b'{"id": "evt_1", "type": "x", "data": {"object": {"a": %s}}}' % (b"[" * 100_000 + b"]" * 100_000),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(deliver, documents, body):
    response = deliver(body)
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_EVENT")
    assert documents.processed_events.count_documents({}) == 0


@pytest.mark.parametrize("subject", [{"amount": 2**64}, {"amount": -(2**63) - 1}, {"a\0b": 1}])
def test_what_no_document_can_hold_is_refused(deliver, documents, subject):
    response = deliver(event("payment_intent.succeeded", {"id": "pi_odd", **subject}))
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_VALUE")
    assert documents.processed_events.count_documents({}) == 0


@pytest.mark.parametrize(
    ("type_", "odd", "named"),
    [
        ("payment_intent.succeeded", {"amount": "abc"}, "amount: not a number of minor units"),
        ("payment_intent.succeeded", {"amount": -1}, "amount: not a number of minor units"),
        ("payment_intent.succeeded", {"amount": 10**12}, "amount: not a number of minor units"),
        *(
            ("payment_intent.succeeded", {"amount": 100, "currency": odd}, "currency: not a code of three")
            for odd in ("euro", "€ur", 978, ["eur"])
        ),
        ("refund.updated", {"amount": "abc"}, "amount: Input should be a valid integer"),
        ("refund.updated", {"amount": -1}, "amount: not a number of minor units"),
        ("refund.updated", {"amount": 10**12}, "amount: not a number of minor units"),
        ("refund.updated", {}, "amount: Field required"),
        ("charge.dispute.created", {"amount": -1}, "amount: not a number of minor units"),
        ("charge.refunded", {"refunds": {"data": [{"amount": 5}]}}, "id: Field required"),
        (
            "charge.dispute.created",
            {"amount": 100, "status": ["lost"]},
            "status: Input should be a valid str",
        ),
    ],
)
def test_an_event_whose_object_has_another_shape_fails_and_says_where(
    deliver, payment_intent, documents, type_, odd, named
):
    about = (
        {"id": "pi_odd", "currency": "eur"}
        if type_.startswith("payment")
        else {"id": "x_1", "payment_intent": payment_intent["id"]}
    )
    response = deliver(event(type_, about | odd))
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_EVENT")
    recorded = documents.processed_events.find_one({"eventType": type_})
    assert recorded["state"] == "failed"
    assert named in recorded["error"]
    assert named in response.json()["message"]


def test_a_spoilt_order_is_not_the_events_fault(deliver, payment_intent, documents):
    """Stripe is to deliver it again, and whoever reads why it failed is to look at the order."""
    spoilt = {"$set": {"amount": "much", "status": "completed"}}
    documents.productorders.update_one({}, spoilt, bypass_document_validation=True)
    response = deliver(event("payment_intent.succeeded", payment_intent | {"status": "succeeded"}))
    assert (response.status_code, response.json()["code"]) == (500, "ORDER_UNREADABLE")
    recorded = documents.processed_events.find_one()
    assert (recorded["state"], "can't be read: look at its amount" in recorded["error"]) == ("failed", True)


def test_what_an_old_sender_writes_otherwise_is_no_reason_to_fail(deliver, payment_intent, order_of):
    in_capitals = payment_intent | {"status": "succeeded", "currency": "EUR", "last_payment_error": "none"}
    milliseconds = event("payment_intent.succeeded", in_capitals) | {"created": int(time.time() * 1000)}
    assert deliver(milliseconds).status_code == 200
    order = order_of(payment_intent["id"])
    assert (order.status, order.currency) == ("completed", "eur")
    assert abs((order.completed_at - datetime.now(UTC)).total_seconds()) < 60
    assert [entry.kind for entry in order.timeline if entry.kind.startswith("amount")] == []


@pytest.mark.parametrize("created", [253_402_300_799, -62_135_596_800, 10**18, True])
def test_an_instant_of_no_year_of_ours_is_that_of_the_delivery(deliver, payment_intent, order_of, created):
    """What Stripe said after it was older for ever, and an order completed then stood on no list."""
    waits = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})
    assert deliver(waits | {"created": created}).status_code == 200
    order = order_of(payment_intent["id"])
    for instant in (order.completed_at, order.stripe_synced_at, order.timeline[-1].at):
        assert abs((instant - datetime.now(UTC)).total_seconds()) < 60


def test_nothing_is_stored_from_an_unverified_body(client, deliver, payment_intent, documents, order_of):
    succeeded = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})
    now = int(time.time())
    refused = [
        deliver(succeeded, secret="whsec_wrong"),
        deliver(succeeded, at=now - 600),
        deliver(succeeded, at=now + 600),
        client.post("/api/products/webhook", json=succeeded),
        client.post("/api/products/webhook", json=succeeded, headers={"Stripe-Signature": "nonsense"}),
        client.post("/api/products/webhook", json=succeeded, headers={"Stripe-Signature": "t=x,v1=00"}),
        client.post("/api/products/webhook", content=b"\xff", headers={"Stripe-Signature": f"t={now},v1=0"}),
    ]
    # Beyond ASCII, and with a second time that is none.
    body = json.dumps(succeeded).encode()
    beyond = f"t={now},v1=".encode() + b"\xe9"
    twice = f"{sign(body)['Stripe-Signature']},t=abc".encode()
    refused += [
        client.post("/api/products/webhook", content=body, headers={b"Stripe-Signature": header})
        for header in (beyond, twice)
    ]
    assert [(r.status_code, r.json()["code"]) for r in refused] == [(400, "INVALID_SIGNATURE")] * 9
    assert documents.processed_events.count_documents({}) == 0
    assert order_of(payment_intent["id"]).status is OrderStatus.PENDING


def test_refused_signatures_cost_one_write_in_a_while_until_one_is_accepted(deliver, desk, documents):
    def noted() -> datetime:
        return documents.refused_signatures.find_one()["at"]

    other = event("payout.paid", {"id": "po_1", "object": "payout"})
    assert not desk.webhooks.refuses_signatures()
    deliver(other, secret="whsec_wrong")
    first = noted()
    assert desk.webhooks.refuses_signatures()
    deliver(other, secret="whsec_wrong")
    assert noted() == first
    assert deliver(other).status_code == 200
    assert not desk.webhooks.refuses_signatures()
    # As after a secret that was changed: what comes of that is told at once.
    deliver(other, secret="whsec_wrong")
    assert noted() > first
    assert desk.webhooks.refuses_signatures()


def test_without_a_secret_deliveries_are_refused_until_there_is_one(settings, deliver, documents):
    with opened(settings.model_copy(update={"stripe_webhook_secret": None})):
        response = deliver(event("payment_intent.succeeded", {"id": "pi_1"}))
    assert (response.status_code, response.json()["code"]) == (500, "WEBHOOK_SECRET_MISSING")


@pytest.mark.parametrize("type_", ["customer.created", "charge.succeeded", "payment_intent.created"])
def test_other_types_are_recorded_and_do_nothing(deliver, documents, type_):
    assert deliver(event(type_, {"id": "x"})).json() == {"received": True}
    assert documents.processed_events.find_one()["outcome"] == "ignored"
    assert documents.productorders.count_documents({}) == 0


@pytest.mark.parametrize("further", [{}, {"data": {}}, {"data": {"reason": "x"}}, {"data": {"object": None}}])
def test_a_thin_event_is_recorded_and_does_nothing(deliver, documents, further):
    """It names its object, which is to be fetched: https://docs.stripe.com/event-destinations#thin-events"""
    thin = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v2.core.account.updated",
        "created": "2026-11-30T09:00:00.000Z",
        "related_object": {"id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts/acct_1"},
    }
    assert deliver(thin | further).json() == {"received": True}
    assert deliver(thin | further).json() == {"received": True, "duplicate": True}
    [recorded] = documents.processed_events.find()
    assert (recorded["state"], recorded["outcome"]) == ("processed", "ignored")


def test_the_other_livemode_is_recorded_and_not_applied(deliver, payment_intent, documents, order_of):
    live = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"}, livemode=True)
    assert deliver(live).status_code == 200
    row = documents.processed_events.find_one()
    # Its mode is kept: whoever has it handled again does not apply it either.
    assert (row["outcome"], row["livemode"]) == ("other livemode", True)
    assert order_of(payment_intent["id"]).status is OrderStatus.PENDING


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("payment_intent.succeeded", "completed"),
        ("payment_intent.canceled", "cancelled"),
        ("payment_intent.processing", "processing"),
        ("payment_intent.payment_failed", "failed"),
    ],
)
def test_a_minimal_event_of_an_old_sender_makes_the_order_from_its_metadata(deliver, order_of, type_, status):
    minimal = {
        "id": "evt_test_webhook",
        "type": type_,
        "data": {
            "object": {
                "id": "pi_test_1",
                "amount": 9900,
                "currency": "eur",
                "metadata": {"productId": "mystique", "customerEmail": "Old@Example.com"},
            }
        },
    }
    assert deliver(minimal).json() == {"received": True}
    order = order_of("pi_test_1")
    assert (order.status, order.amount, order.source) == (status, 9900, "stripe")
    assert order.customer_email == "old@example.com"


@pytest.fixture
def unknown(payment_intent, documents):
    """A PaymentIntent of Stripe's that no order names, as an event that leaves out its amount shows it."""
    documents.productorders.delete_many({})
    return {"id": payment_intent["id"]}


@pytest.mark.parametrize("type_", ["succeeded", "canceled", "processing", "payment_failed"])
def test_of_an_unknown_payment_without_an_amount_stripe_is_asked(deliver, unknown, order_of, type_):
    assert deliver(event(f"payment_intent.{type_}", unknown)).json() == {"received": True}
    order = order_of(unknown["id"])
    # What Stripe says now, of the status too.
    assert (order.amount, order.product_id, order.status) == (4700, "mystique", "pending")


@pytest.mark.parametrize("without", [{}, {"currency": None}, {"currency": ""}])
def test_without_a_currency_an_unknown_payment_has_that_of_stripe(
    settings, deliver, desk, documents, order_of, without
):
    """900 of what, nobody has said: 9.00 in dollars are 900 yen."""
    made = desk.gateway.create_payment_intent({"amount": 900, "currency": "usd"}, secrets.token_hex(8))
    paid = event("payment_intent.succeeded", {"id": made["id"], "amount": 900, **without})
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        response = deliver(paid)
    assert (response.status_code, response.json()["code"]) == (500, "STRIPE_SERVICE_ERROR")
    assert documents.productorders.count_documents({}) == 0
    desk.gateway.confirm_payment_intent(made["id"], "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/")
    desks.use(desk)
    assert deliver(paid).json() == {"received": True}
    order = order_of(made["id"])
    assert (order.amount, order.currency, order.status) == (900, "usd", "completed")


def test_without_a_currency_a_known_payment_keeps_that_of_its_order(deliver, payment_intent, documents):
    documents.productorders.update_one({}, {"$set": {"currency": "gbp"}})
    minimal = {"id": payment_intent["id"], "amount": 4700}
    assert deliver(event("payment_intent.succeeded", minimal)).json() == {"received": True}
    order = documents.productorders.find_one()
    assert (order["status"], order["amount"], order["currency"]) == ("completed", 4700, "gbp")


def test_without_an_amount_an_unknown_payment_waits_for_stripe_to_be_there(
    settings, deliver, desk, unknown, documents, order_of
):
    paid = event("payment_intent.succeeded", unknown)
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        response = deliver(paid)
    assert (response.status_code, response.json()["code"]) == (500, "STRIPE_SERVICE_ERROR")
    assert documents.productorders.count_documents({}) == 0
    assert documents.processed_events.find_one()["state"] == "failed"
    desk.gateway.confirm_payment_intent(unknown["id"], "pm_card_visa", "key", "http://127.0.0.1/")
    desks.use(desk)
    assert deliver(paid).json() == {"received": True}
    assert (order_of(unknown["id"]).amount, order_of(unknown["id"]).status) == (4700, "completed")


@pytest.mark.parametrize("money", [{}, {"amount": None}, {"amount": ""}, {"amount": 4700}])
def test_no_order_is_made_of_a_payment_without_its_money_that_stripe_does_not_know(deliver, documents, money):
    response = deliver(event("payment_intent.succeeded", {"id": "pi_nobody", **money}))
    assert response.status_code >= 400
    assert documents.productorders.count_documents({}) == 0
    recorded = documents.processed_events.find_one()
    assert (recorded["state"], recorded["error"] != "") == ("failed", True)


def test_an_order_that_waits_for_its_payment_has_its_amount_already(
    settings, deliver, payment_intent, documents, order_of
):
    documents.productorders.update_one({}, {"$unset": {"paymentIntentId": "", "stripeStatus": ""}})
    minimal = {"id": payment_intent["id"], "metadata": {"orderId": payment_intent["metadata"]["orderId"]}}
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        assert deliver(event("payment_intent.succeeded", minimal)).json() == {"received": True}
    assert (order_of(payment_intent["id"]).amount, order_of(payment_intent["id"]).status) == (
        *(4700, "completed"),
    )


def test_a_failed_payment_that_does_not_say_why_has_failed(deliver, order_of):
    payment_intent = {"id": "pi_x", "amount": 100, "currency": "eur", "last_payment_error": None}
    failed = event("payment_intent.payment_failed", payment_intent)
    assert deliver(failed).json() == {"received": True}
    assert order_of("pi_x").status is OrderStatus.FAILED


def test_an_event_without_an_api_version_may_say_so_by_an_empty_one(deliver, payment_intent, order_of):
    succeeded = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"}, api_version="")
    assert deliver(succeeded).json() == {"received": True}
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED


def test_a_refund_of_a_payment_nobody_knows_is_recorded_and_left(deliver, documents):
    for type_, subject in (
        (
            "refund.created",
            {"id": "re_1", "amount": 100, "payment_intent": "pi_nobody", "status": "succeeded"},
        ),
        ("charge.refunded", {"id": "ch_1", "amount": 100, "payment_intent": "pi_nobody"}),
        ("charge.dispute.created", {"id": "dp_1", "amount": 100, "payment_intent": {"id": "pi_nobody"}}),
    ):
        assert deliver(event(type_, subject)).json() == {"received": True}
    assert {row["outcome"] for row in documents.processed_events.find()} == {"unchanged"}
    assert documents.productorders.count_documents({}) == 0


def test_odd_rows_of_the_ledger_hide_none_and_are_read(deliver, desk, documents, admin):
    now = datetime.now(UTC)
    documents.processed_events.insert_many(
        [
            {"eventId": f"evt_{number}", "eventType": "x.y", "processedAt": now, "createdAt": now, **odd}
            for number, odd in enumerate(
                ({"state": None}, {"livemode": "maybe"}, {"data": "text"}, {"data": ["a"]})
            )
        ]
    )
    events, _ = desk.webhooks.page(10, actor=admin)
    assert {found.event_id for found in events} == {f"evt_{number}" for number in range(4)}
    for number in range(4):
        assert desk.webhooks.find(f"evt_{number}", actor=admin).state == "processed"
        again = event("x.y", {"id": "x"}, id=f"evt_{number}")
        assert deliver(again).json() == {"received": True, "duplicate": True}


def test_an_unknown_payment_intent_without_metadata_is_still_an_order(deliver, order_of):
    succeeded = event(
        "payment_intent.succeeded", {"id": "pi_x", "amount": 100, "currency": "usd", "status": "succeeded"}
    )
    assert deliver(succeeded).status_code == 200
    assert (order_of("pi_x").product_id, order_of("pi_x").level) == ("unknown", None)


def test_an_event_that_overtakes_our_own_create_finds_the_waiting_order(
    deliver, payment_intent, documents, order_of
):
    documents.productorders.update_one({}, {"$unset": {"paymentIntentId": "", "stripeStatus": ""}})
    assert deliver(event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})).is_success
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED
    assert documents.productorders.count_documents({}) == 1


def test_a_late_failure_never_flips_a_paid_order(deliver, payment_intent, desk, support, order_of):
    desk.intents.confirm(payment_intent["id"], "pm_card_visa", actor=support)
    late = payment_intent | {"last_payment_error": {"code": "card_declined"}}
    assert deliver(event("payment_intent.payment_failed", late)).is_success
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED


def test_a_failure_applies_what_stripe_says_now(deliver, payment_intent, order_of):
    """The event tells of a decline; by now the customer has begun anew: Stripe's word counts."""
    late = payment_intent | {"last_payment_error": {"code": "card_declined"}}
    assert deliver(event("payment_intent.payment_failed", late)).is_success
    assert order_of(payment_intent["id"]).status is OrderStatus.PENDING


@pytest.mark.parametrize("order_of_arrival", list(itertools.permutations(range(3))))
def test_the_final_order_does_not_depend_on_the_order_of_arrival(
    deliver, payment_intent, desk, support, order_of, order_of_arrival
):
    failed = payment_intent | {"last_payment_error": {"code": "card_declined"}}
    desk.gateway.confirm_payment_intent(
        payment_intent["id"], "pm_card_visa", payment_intent["id"], "http://127.0.0.1/"
    )
    events = [
        event("payment_intent.payment_failed", failed),
        event("payment_intent.processing", payment_intent | {"status": "processing"}),
        event("payment_intent.succeeded", payment_intent | {"status": "succeeded"}),
    ]
    for index in order_of_arrival:
        assert deliver(events[index]).is_success
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED


def test_a_success_after_our_cancel_is_believed(deliver, payment_intent, order_of):
    assert deliver(event("payment_intent.canceled", payment_intent | {"status": "canceled"})).is_success
    assert order_of(payment_intent["id"]).status is OrderStatus.CANCELLED
    assert deliver(event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})).is_success
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED


def test_eight_deliveries_at_once_are_one_and_seven_duplicates(deliver, payment_intent, order_of):
    succeeded = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(deliver(succeeded))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 8
    assert sum("duplicate" in answer.json() for answer in answers) == 7
    assert len(order_of(payment_intent["id"]).timeline) == 2


def test_a_failed_handling_is_a_failed_delivery_and_the_next_is_processed(
    deliver, payment_intent, documents, order_of
):
    broken = event("payment_intent.succeeded", payment_intent | {"status": "succeeded", "amount": "many"})
    broken["data"]["object"]["id"] = "pi_unknown"
    failed = deliver(broken)
    assert (failed.status_code, failed.json()["code"]) == (400, "INVALID_EVENT")
    assert failed.json()["requestId"] == failed.headers["X-Request-Id"]
    assert documents.processed_events.find_one()["state"] == "failed"
    mended = broken | {"data": {"object": payment_intent | {"status": "succeeded"}}}
    assert deliver(mended).json() == {"received": True}
    assert documents.processed_events.find_one()["attempts"] == 2
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED


def test_a_delivery_waits_for_the_worker_that_has_its_event_in_hand(deliver, desk, payment_intent):
    taken = event("payment_intent.processing", payment_intent | {"status": "processing"})
    assert desk.events.claim(taken) == "ours"
    done = threading.Timer(0.3, desk.events.settle, (taken["id"], "applied"))
    done.start()
    assert deliver(taken).json() == {"received": True, "duplicate": True}
    done.join()


def test_the_lease_of_a_dead_worker_runs_out(deliver, payment_intent, documents, order_of):
    from datetime import UTC, datetime, timedelta

    succeeded = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})
    documents.processed_events.insert_one(
        {
            "eventId": succeeded["id"],
            "state": "processing",
            "attempts": 1,
            "leaseUntil": datetime.now(UTC) - timedelta(seconds=1),
        }
    )
    assert deliver(succeeded).json() == {"received": True}
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED


def test_what_the_other_program_has_processed_is_a_duplicate(deliver, documents):
    documents.processed_events.insert_one({"eventId": "evt_old", "eventType": "payment_intent.succeeded"})
    old = event("payment_intent.succeeded", {"id": "pi_old"}, id="evt_old")
    assert deliver(old).json() == {"received": True, "duplicate": True}


def test_a_ledger_out_of_reach_is_a_500_and_no_work_is_done(settings, deliver, payment_intent):
    from lumira.desk import Desk

    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    desk = Desk.open(down)
    desks.use(desk)
    succeeded = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})
    response = deliver(succeeded)
    assert (response.status_code, response.json()["code"]) == (500, "STORE_UNAVAILABLE")
    response = deliver(succeeded, secret="whsec_wrong")
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_SIGNATURE")
    desk.store.close()


def test_a_move_whose_record_is_lost_is_recorded_by_the_next_delivery(desk, documents, support):
    class Lost(Events):
        def record(self, event, outcome):
            raise StoreUnavailable("The store went away between the two writes.")

    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    paid = event("payment_intent.succeeded", {"id": created.order_id, "status": "succeeded"})
    body = json.dumps(paid).encode()
    header = sign(body)["Stripe-Signature"]
    cut_short = webhooks_on(Lost(desk.store.database), desk)
    with pytest.raises(StoreUnavailable):
        cut_short.receive(body, header)
    assert documents.processed_events.count_documents({}) == 0
    assert desk.webhooks.receive(body, header).outcome == "applied"
    assert desk.webhooks.receive(body, header).duplicate
    [entry] = documents.productorders.find_one({"paymentIntentId": created.order_id})["timeline"][1:]
    assert (entry["to"], entry["eventId"]) == ("completed", paid["id"])


def test_the_sandbox_delivers_and_the_order_turns_completed(settings, support):
    """The whole way over TCP: create, pay at Stripe, signed delivery, completed."""
    from starlette.applications import Starlette

    from lumira.serving import routes

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}/api/products/webhook"
    with (
        serving(Starlette(routes=routes()), port),
        sandbox(webhook_url=endpoint, webhook_secret=WEBHOOK_SECRET) as url,
        opened(settings.model_copy(update={"stripe_api_base": url})) as desk,
    ):
        created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
        desk.gateway.confirm_payment_intent(created.order_id, "pm_card_visa", "key", "http://127.0.0.1/")
        order = wait_until(
            lambda: (o := desk.orders.find_by_payment_intent(created.order_id)).status.is_final and o
        )
        assert order.status is OrderStatus.COMPLETED
        assert order.timeline[-1].by == "stripe"


def test_an_event_nobody_foresaw_fails_alone_when_all_are_retried(
    desk, admin, documents, payment_intent, order_of
):
    # Nothing that is delivered is recorded without an object; another program's row may be.
    broken = {"id": "evt_broken", "type": "payment_intent.succeeded"}
    documents.processed_events.insert_one(
        {
            "eventId": broken["id"],
            "eventType": broken["type"],
            "state": "failed",
            "createdAt": datetime.now(UTC),
        }
    )
    held_up = event("payment_intent.succeeded", payment_intent | {"status": "succeeded"})
    desk.events.claim(held_up)
    desk.events.fail(held_up["id"], "the store was away", "STORE_UNAVAILABLE")
    assert dict(desk.webhooks.retry_failed(actor=admin)) == {
        broken["id"]: "The event could not be handled: KeyError.",
        held_up["id"]: "applied",
    }
    assert order_of(payment_intent["id"]).status is OrderStatus.COMPLETED
    assert desk.webhooks.find(broken["id"], actor=admin).state == "failed"
    assert desk.webhooks.find(held_up["id"], actor=admin).attempts == 2
    with pytest.raises(EventNotFound):
        desk.webhooks.find("evt_nobody", actor=admin)
