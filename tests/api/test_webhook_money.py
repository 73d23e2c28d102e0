"""Deliveries about refunds and disputes, other versions, retries and pruning."""

import itertools
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from lumira import desk as desks
from lumira.access import Actor, Role
from lumira.errors import EventNotFound, Forbidden
from lumira.events import EventFilter, EventState
from lumira.orders import OrderStatus
from lumira.refunds import refund_from, refunds_of_charge
from tests.api.conftest import event
from tests.conftest import opened

ADMIN = Actor("ada", Role.ADMIN)


@pytest.fixture
def paid(desk, support):
    """A paid order of 67.00 EUR."""
    created = desk.intents.create(
        {"productId": "profond", "customerEmail": "anais@example.com"}, actor=support, source="tests"
    )
    return desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)


@pytest.fixture
def refund_at_stripe(desk, paid):
    """Refunds behind our back, as from Stripe's own dashboard."""
    return lambda amount: desk.gateway.create_refund(
        paid.payment_intent_id, amount, None, {}, secrets.token_hex(8)
    )


@pytest.fixture
def order_of(desk):
    """The stored order of a PaymentIntent's id."""
    return desk.orders.find_by_payment_intent


def charge_of(desk, order):
    """The order's charge as an event shows it."""
    charge = desk.gateway.retrieve_payment_intent(order.payment_intent_id)["latest_charge"]
    return charge | {"payment_intent": order.payment_intent_id}


def test_a_refund_made_at_stripe_is_seen(deliver, desk, paid, refund_at_stripe, order_of):
    refund_at_stripe(2000)
    assert deliver(event("charge.refunded", charge_of(desk, paid))).json() == {"received": True}
    order = order_of(paid.payment_intent_id)
    assert (order.amount_refunded, order.status, order.refunds[0].amount) == (2000, "completed", 2000)
    assert order.timeline[-1].by == "stripe"


def test_events_of_refunds_end_the_same_in_any_order(deliver, desk, paid, refund_at_stripe, order_of):
    first, second = refund_at_stripe(1000), refund_at_stripe(500)
    events = [
        event("refund.created", first | {"status": "pending"}),
        event("refund.updated", first),
        event("refund.failed", second | {"status": "failed"}),
        event("refund.created", second),
    ]
    for number, arrival in enumerate(itertools.permutations(events)):
        desk.store.database.productorders.update_one(
            {"paymentIntentId": paid.payment_intent_id},
            {"$set": {"refunds": [], "amountRefunded": 0, "revision": 0}},
        )
        for one in arrival:
            assert deliver(one | {"id": f"{one['id']}_{number}"}).is_success
        order = order_of(paid.payment_intent_id)
        assert order.amount_refunded == 1000
        assert {refund.status for refund in order.refunds} == {"succeeded", "failed"}


def test_without_stripe_the_charges_own_sum_counts(settings, deliver, desk, paid, refund_at_stripe, order_of):
    refund_at_stripe(2000)
    charge = charge_of(desk, paid)
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        assert deliver(event("charge.refunded", charge)).is_success
        assert order_of(paid.payment_intent_id).amount_refunded == 2000


@pytest.mark.parametrize("refunds", [7, [1], {"data": 7}, {"data": "x"}, {"data": [None, "x"]}])
def test_what_is_no_list_of_refunds_leaves_the_sum(deliver, paid, order_of, refunds):
    charge = {"id": paid.latest_charge, "payment_intent": paid.payment_intent_id, "refunds": refunds}
    assert deliver(event("charge.refunded", charge | {"amount_refunded": 700})).is_success
    assert order_of(paid.payment_intent_id).amount_refunded == 700


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_refund_that_stripe_does_not_list_counts_all_the_same(deliver, paid, order_of, order):
    # Its lists may lag behind its events, and an old sender's test event is of a payment Stripe never had.
    charge = {"id": paid.latest_charge, "payment_intent": paid.payment_intent_id}
    refund = {"id": "re_1", "payment_intent": paid.payment_intent_id, "amount": 500, "status": "succeeded"}
    events = [
        event("charge.refunded", charge | {"amount_refunded": 500}),
        event("charge.refunded", charge | {"amount_refunded": 2000}),
        event("refund.created", refund),
    ]
    for number in order:
        assert deliver(events[number]).is_success
    stored = order_of(paid.payment_intent_id)
    assert stored.amount_refunded == 2000
    assert {refund.amount for refund in stored.refunds} == {500, 1500}


@pytest.mark.parametrize("kind", ["charge.refunded", "refund.created", "charge.dispute.created"])
def test_what_came_before_the_order_of_a_payment_unknown_to_stripe_is_not_lost(
    deliver, documents, order_of, kind
):
    payment = {"id": f"pi_{kind}", "amount": 6700, "currency": "eur", "metadata": {"productId": "profond"}}
    about = {"id": "x_1", "payment_intent": payment["id"], "amount": 500, "amount_refunded": 500}
    first = event(kind, about)
    assert deliver(first).json() == {"received": True}
    assert deliver(event("payment_intent.succeeded", payment)).is_success
    order = order_of(payment["id"])
    assert order.status is OrderStatus.COMPLETED
    assert (order.amount_refunded, len(order.disputes)) == ((0, 1) if "dispute" in kind else (500, 0))
    assert documents.processed_events.find_one({"eventId": first["id"]})["outcome"] == "applied"


@pytest.mark.parametrize("odd", [-1, 10**12, 47.5, "700"])
def test_without_stripe_no_sum_of_a_charge_is_guessed(settings, deliver, desk, paid, order_of, odd):
    charge = charge_of(desk, paid) | {"amount_refunded": odd}
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        response = deliver(event("charge.refunded", charge))
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_EVENT")
    assert "amount_refunded: not a number of minor units" in response.json()["message"]
    assert order_of(paid.payment_intent_id).refunds == []


def test_what_was_told_as_a_sum_is_not_told_again(settings, deliver, desk, paid, refund_at_stripe, order_of):
    refunds = [refund_at_stripe(2000), refund_at_stripe(500)]
    charge = charge_of(desk, paid)
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        deliver(event("charge.refunded", charge))
        deliver(event("refund.created", refunds[0]))
        deliver(event("refund.failed", refunds[1] | {"status": "failed"}))
    desks.use(desk)
    refund_at_stripe(300)
    deliver(event("charge.refunded", charge_of(desk, paid)))
    order = order_of(paid.payment_intent_id)
    told = [(entry.kind, entry.amount) for entry in order.timeline if entry.kind.startswith("refund.")]
    assert told == [("refund.succeeded", 2500), ("refund.failed", 500), ("refund.succeeded", 300)]


def test_a_delivery_that_waits_for_stripe_asks_it_once(
    settings, faulty_sandbox_url, fault, deliver, support, documents
):
    # Stripe ends a delivery sooner than three tries of its silence do.
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
        paid = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
        refund = desk.gateway.create_refund(created.order_id, 2000, None, {}, secrets.token_hex(8))
        refunded = event("charge.refunded", charge_of(desk, paid))
        fault(answer="drop", path="/v1/refunds", method="GET")
        assert deliver(refunded).is_success
        [stand_in] = desk.orders.find(paid.id).refunds
        assert (stand_in.id, stand_in.amount) == (f"sum_{paid.latest_charge}", 2000)
        documents.productorders.delete_many({})
        fault(answer="drop", path="/v1/payment_intents", method="GET")
        unknown = event("refund.created", refund)
        assert deliver(unknown).json()["code"] == "STRIPE_SERVICE_ERROR"
        assert deliver(unknown).is_success
        assert desk.orders.find_by_payment_intent(created.order_id).amount_refunded == 2000


def test_a_dispute_is_followed_to_its_end(deliver, paid, order_of):
    dispute = {
        "id": "dp_1",
        "object": "dispute",
        "amount": 6700,
        "status": "needs_response",
        "reason": "fraudulent",
        "created": 1_800_000_000,
        "payment_intent": paid.payment_intent_id,
    }
    closed = event("charge.dispute.closed", dispute | {"status": "lost"})
    assert deliver(closed).is_success
    assert deliver(event("charge.dispute.created", dispute)).is_success
    order = order_of(paid.payment_intent_id)
    assert [(d.status, d.amount, d.is_open) for d in order.disputes] == [("lost", 6700, False)]
    assert order.status is OrderStatus.COMPLETED


def test_a_sum_and_the_refund_behind_it_that_arrive_together_count_once(desk, paid, order_of):
    read = order_of(paid.payment_intent_id)
    charge = {"id": paid.latest_charge, "amount_refunded": 2000}
    refund = {"id": "re_1", "amount": 2000, "status": "succeeded", "created": 1_800_000_000}
    assert desk.orders.add_refunds(read, [refund_from(refund)], by="stripe")
    # Another worker has read the order before that, and knows the sum alone.
    desk.orders.add_refunds(
        read, lambda known: refunds_of_charge(charge, known, paid.created_at), by="stripe"
    )
    order = order_of(paid.payment_intent_id)
    assert (order.amount_refunded, [refund.id for refund in order.refunds]) == (2000, ["re_1"])


def test_an_outcome_is_dated_to_when_it_was_heard_of(deliver, paid, order_of):
    began = 1_800_000_000
    dispute = {
        "id": "dp_1",
        "amount": 6700,
        "status": "needs_response",
        "created": began,
        "payment_intent": paid.payment_intent_id,
    }
    refund = {
        "id": "re_1",
        "amount": 700,
        "status": "pending",
        "created": began,
        "payment_intent": paid.payment_intent_id,
    }
    day = 86_400
    for type_, subject, created in (
        ("charge.dispute.created", dispute, began + 5),
        ("charge.dispute.closed", dispute | {"status": "won"}, began + 20 * day),
        ("refund.created", refund, began + 5),
        ("refund.failed", refund | {"status": "failed"}, began + 3 * day),
    ):
        assert deliver(event(type_, subject, created=created)).is_success
    told = {entry.kind: entry.at.timestamp() for entry in order_of(paid.payment_intent_id).timeline[-4:]}
    assert told == {
        "dispute.needs_response": began,
        "dispute.won": began + 20 * day,
        "refund.pending": began,
        "refund.failed": began + 3 * day,
    }


def test_what_stripe_says_during_a_late_delivery_is_dated_to_then(deliver, desk, paid, order_of, monkeypatch):
    """The event is from when the refund was made; that it failed since is heard only now."""
    began = int(datetime.now(UTC).timestamp()) - 3 * 86_400
    refund = {"id": "re_1", "amount": 700, "status": "pending", "created": began}
    made = event("refund.created", refund | {"payment_intent": paid.payment_intent_id}, created=began + 1)
    assert deliver(made).is_success
    now = [refund | {"status": "failed"}]
    monkeypatch.setattr(desk.gateway, "list_refunds", lambda *_, **__: now)
    assert deliver(event("charge.refunded", charge_of(desk, paid), created=began + 1)).is_success
    [told] = [one for one in order_of(paid.payment_intent_id).timeline if one.kind == "refund.failed"]
    assert datetime.now(UTC) - told.at < timedelta(minutes=1)


def test_the_later_of_two_decisions_stands(deliver, documents, paid, order_of):
    dispute = {
        "id": "dp_1",
        "amount": 6700,
        "created": 1_800_000_000,
        "payment_intent": paid.payment_intent_id,
    }
    lost = event("charge.dispute.closed", dispute | {"status": "lost"}, created=1_800_000_100)
    won = event("charge.dispute.closed", dispute | {"status": "won"}, created=1_800_000_200)
    for number, arrival in enumerate(itertools.permutations([lost, won])):
        documents.productorders.update_one({}, {"$set": {"disputes": [], "revision": 0}})
        for one in arrival:
            assert deliver(one | {"id": f"{one['id']}_{number}"}).is_success
        assert [dispute.status for dispute in order_of(paid.payment_intent_id).disputes] == ["won"]


def test_more_time_to_answer_is_kept_and_is_nothing_that_happened(deliver, documents, paid, order_of):
    told = {"id": "dp_1", "amount": 6700, "created": 1_800_000_000, "status": "needs_response"}
    told |= {"payment_intent": paid.payment_intent_id}
    dates = (1_800_500_000, 1_800_900_000)
    first, more = (
        event("charge.dispute.updated", told | {"evidence_details": {"due_by": due}}) for due in dates
    )
    without = event("charge.dispute.created", told)
    for number, arrival in enumerate(itertools.permutations([without, first, more])):
        documents.productorders.update_one({}, {"$set": {"disputes": [], "revision": 0, "timeline": []}})
        for one in arrival:
            assert deliver(one | {"id": f"{one['id']}_{number}"}).is_success
        order = order_of(paid.payment_intent_id)
        assert order.evidence_due_by == datetime.fromtimestamp(dates[1], UTC)
        assert [entry.kind for entry in order.timeline] == ["dispute.needs_response"]


def minimal(type_, id_="re_1", **subject):
    """An event as old senders send it: no status, no created, no livemode, no version."""
    subject = {"id": id_, "amount": 2000, "currency": "eur", "metadata": {}} | subject
    return {"id": f"evt_{secrets.token_hex(8)}", "type": type_, "data": {"object": subject}}


def test_a_minimal_events_type_says_how_a_refund_or_a_dispute_stands(deliver, paid, order_of):
    payment = {"payment_intent": paid.payment_intent_id}
    assert deliver(minimal("refund.failed", **payment)).is_success
    assert [refund.status for refund in order_of(paid.payment_intent_id).refunds] == ["failed"]
    assert deliver(minimal("refund.created", "re_2", **payment)).is_success
    assert order_of(paid.payment_intent_id).amount_refunded == 2000
    assert deliver(minimal("charge.dispute.created", "dp_1", **payment)).is_success
    assert [dispute.status for dispute in order_of(paid.payment_intent_id).disputes] == ["needs_response"]
    # Who won is not said: the dispute stays as it is known until somebody asks Stripe.
    assert deliver(minimal("charge.dispute.closed", "dp_1", **payment)).is_success
    assert [dispute.status for dispute in order_of(paid.payment_intent_id).disputes] == ["needs_response"]


def test_a_minimal_event_may_name_its_order_in_the_metadata_alone(
    deliver, desk, paid, refund_at_stripe, order_of, documents
):
    named = {"metadata": {"orderId": paid.id, "customerEmail": "anais@example.com"}}
    assert deliver(minimal("charge.dispute.created", "dp_1", **named)).is_success
    assert [dispute.id for dispute in order_of(paid.payment_intent_id).disputes] == ["dp_1"]
    made = refund_at_stripe(1500)
    assert deliver(minimal("charge.refunded", "ch_1", **named)).is_success
    assert [refund.id for refund in order_of(paid.payment_intent_id).refunds] == [made["id"]]
    desk.privacy.erase(str(paid.customer_email), actor=ADMIN)
    assert deliver(minimal("refund.updated", made["id"], **named)).is_success
    assert not list(documents.processed_events.find({"data.object.metadata.customerEmail": {"$ne": None}}))
    for nobody in ({"orderId": "f" * 24}, {"orderId": "x"}, {"orderId": 5}, None):
        assert deliver(minimal("refund.created", "re_9", metadata=nobody)).is_success
    assert len(order_of(paid.payment_intent_id).refunds) == 1


def test_a_minimal_event_that_is_handled_late_counts_on_the_day_it_arrived(desk, paid, documents, order_of):
    """Its worker died, and somebody has it handled again, days later."""
    arrived = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    waiting = "pi_" + secrets.token_hex(8)
    payment = {"id": waiting, "amount": 6700, "currency": "eur", "metadata": {"productId": "profond"}}
    refund = {"id": "re_1", "amount": 100, "currency": "eur", "payment_intent": paid.payment_intent_id}
    for type_, subject in (("payment_intent.succeeded", payment), ("refund.created", refund)):
        documents.processed_events.insert_one(
            {
                **{"eventId": f"evt_{type_}", "eventType": type_, "data": {"object": subject}},
                **{"state": "failed", "attempts": 1, "createdAt": arrived, "eventCreated": None},
            }
        )
        assert desk.webhooks.retry(f"evt_{type_}", actor=ADMIN) == "applied"
    assert order_of(waiting).completed_at == arrived
    assert [refund.created_at for refund in order_of(paid.payment_intent_id).refunds] == [arrived]


def test_a_large_amount_is_read_from_the_ledger_as_it_was_delivered(desk, documents, order_of):
    """The driver has a class of its own for whole numbers beyond 32 bits: 50 million rupiahs were none."""
    payment = {"id": "pi_large", "amount": 5_000_000_000, "currency": "idr", "object": "payment_intent"}
    row = {"eventId": "evt_1", "eventType": "payment_intent.succeeded", "data": {"object": payment}}
    documents.processed_events.insert_one(row | {"state": "failed", "attempts": 1})
    assert desk.webhooks.retry("evt_1", actor=ADMIN) == "applied"
    order = order_of("pi_large")
    assert (order.amount, order.currency, order.status) == (5_000_000_000, "idr", OrderStatus.COMPLETED)


def test_an_event_of_the_program_before_ours_is_not_handled_again(desk, documents):
    now = datetime.now(UTC)
    row = {"eventId": "evt_former", "eventType": "payment_intent.succeeded", "processedAt": now}
    documents.processed_events.insert_one(row | {"createdAt": now, "updatedAt": now})
    assert desk.webhooks.retry("evt_former", actor=ADMIN) == "unchanged"


def test_a_refund_of_an_unknown_payment_makes_its_order_first(
    deliver, desk, paid, refund_at_stripe, order_of
):
    made = refund_at_stripe(100)
    desk.store.database.productorders.delete_many({})
    assert deliver(event("refund.created", made)).is_success
    order = order_of(paid.payment_intent_id)
    assert (order.status, order.amount_refunded, order.source) == ("completed", 100, "stripe")


def test_a_charge_without_a_payment_intent_is_none_of_ours(deliver, documents):
    assert deliver(event("charge.refunded", {"id": "ch_old", "amount_refunded": 5})).is_success
    assert documents.productorders.count_documents({}) == 0
    assert documents.processed_events.find_one()["outcome"] == "unchanged"


def test_another_api_version_is_recorded_and_not_applied(deliver, desk, support, documents, order_of):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    other = event(
        "payment_intent.succeeded",
        {"id": created.order_id, "status": "succeeded"},
        api_version="2019-01-01",
    )
    assert deliver(other).json() == {"received": True}
    assert documents.processed_events.find_one()["outcome"] == "other API version"
    assert order_of(created.order_id).status is OrderStatus.PENDING


def test_an_event_that_also_comes_in_our_api_version_is_applied(deliver, desk, support, documents, order_of):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    ours = event("payment_intent.succeeded", {"id": created.order_id, "status": "succeeded"})
    other = {**ours, "api_version": "2019-01-01", "data": {"object": {"id": created.order_id, "old": "$x"}}}
    # While an endpoint of another version stands beside ours, Stripe delivers each event to both.
    for delivery, duplicate in ((other, False), (ours, False), (other, True), (ours, True)):
        assert ("duplicate" in deliver(delivery).json()) is duplicate
    [row] = documents.processed_events.find()
    assert (row["outcome"], row["apiVersion"], row["data"]) == ("applied", ours["api_version"], ours["data"])
    assert order_of(created.order_id).status is OrderStatus.COMPLETED


def test_a_failed_event_is_retried_by_hand(
    settings, deliver, desk, paid, refund_at_stripe, order_of, support
):
    made = refund_at_stripe(100)
    desk.store.database.productorders.delete_many({})
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})) as away:
        failed = event("refund.created", made)
        # The order is unknown and Stripe can't be asked for it.
        assert deliver(failed).status_code == 500
        assert away.events.find(failed["id"])["state"] == "failed"
        away_name = away.settings.mongodb_db
        with opened(settings.model_copy(update={"mongodb_db": away_name})) as back:
            with pytest.raises(Forbidden):
                back.webhooks.retry(failed["id"], actor=support)
            with pytest.raises(EventNotFound):
                back.webhooks.retry("evt_nothing", actor=ADMIN)
            assert list(back.webhooks.retry_failed(actor=ADMIN)) == [(failed["id"], "applied")]
            assert back.orders.find_by_payment_intent(paid.payment_intent_id).amount_refunded == 100
            assert back.webhooks.retry(failed["id"], actor=ADMIN) == "unchanged"


def test_of_two_who_retry_all_failed_events_at_once_each_retry_is_audited_once(desk, documents):
    for number in range(6):
        payment = {"id": f"pi_{secrets.token_hex(8)}", "amount": 4700, "currency": "eur"}
        documents.processed_events.insert_one(
            {
                **{"eventId": f"evt_{number}", "eventType": "payment_intent.succeeded"},
                **{"data": {"object": payment}, "state": "failed", "attempts": 1},
                "createdAt": datetime.now(UTC),
            }
        )
    ada, adam = (desk.webhooks.retry_failed(actor=Actor(name, Role.ADMIN)) for name in ("ada", "adam"))
    told = [*zip(ada, adam, strict=False), *ada, *adam]
    assert told
    entries = list(documents.audit_entries.find({"action": "retry_webhook"}))
    assert sorted(entry["note"] for entry in entries) == [f"evt_{number}" for number in range(6)]


def test_the_ledger_is_pruned_but_for_what_failed(desk, documents, admin):
    old = datetime.now(UTC) - timedelta(days=91)
    recent = datetime.now(UTC) - timedelta(days=89)
    documents.processed_events.insert_many(
        [
            {"eventId": "evt_1", "state": "processed", "createdAt": old},
            {"eventId": "evt_2", "state": "failed", "createdAt": old},
            {"eventId": "evt_3", "state": "processed", "createdAt": recent},
            # Of the program before ours, which recorded only what it had processed.
            {"eventId": "evt_4", "processedAt": old},
            {"eventId": "evt_5", "processedAt": recent},
            {"eventId": "evt_6", "createdAt": old, "processedAt": old},
            # It failed at first.
            {"eventId": "evt_7", "state": "processed", "createdAt": old, "processedAt": recent},
        ]
    )
    assert [desk.webhooks.prune(actor=admin) for _ in range(2)] == [3, 0]
    kept = [row["eventId"] for row in documents.processed_events.find().sort("eventId")]
    assert kept == ["evt_2", "evt_3", "evt_5", "evt_7"]
    # Nothing removed is nothing done.
    [entry] = documents.audit_entries.find({"action": "prune_webhooks"})
    assert (entry["actor"], entry["after"]) == (admin.name, {"events": 3})


def test_the_ledger_is_read_page_by_page_with_the_failed_ones_apart(desk, documents, support):
    start = datetime.now(UTC)
    rows = [
        {
            "eventId": f"evt_{number}",
            "eventType": "x",
            "state": "failed" if number % 3 == 0 else "processed",
            "createdAt": start - timedelta(hours=7 * number),
        }
        for number in range(20)
    ]
    documents.processed_events.insert_many(rows)
    for state, numbers in ((None, range(20)), (EventState.FAILED, range(0, 20, 3))):
        found, cursor = [], None
        while True:
            page, cursor = desk.webhooks.page(4, cursor, selected=EventFilter(state), actor=support)
            found += [event.event_id for event in page]
            if cursor is None:
                break
        assert found == [f"evt_{number}" for number in numbers]
