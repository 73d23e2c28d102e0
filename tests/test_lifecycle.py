"""Refunds, disputes, edits of the customer, and the audit of all that people do."""

import functools
import itertools
import math
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumira.access import Actor, Role
from lumira.errors import (
    Forbidden,
    IdempotencyConflict,
    InvalidCustomer,
    InvalidEmail,
    InvalidFirstName,
    InvalidLastName,
    InvalidRequestBody,
    OrderNotFound,
    OrderNotRefundable,
    RefundUnanswered,
)
from lumira.lifecycle import order_of
from lumira.orders import CUSTOMER_METADATA, Order, OrderStatus
from lumira.refunds import (
    Dispute,
    Refund,
    last_refund_at,
    merge_disputes,
    merge_refunds,
    refunded,
    refunds_of_charge,
    told_as_sum,
)
from lumira.storage import Orders
from lumira.storage.order_updates import dispute_entries, refund_entries
from lumira.validation import parse_customer_changes, parse_customer_edit
from tests.conftest import opened

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FINANCE = Actor("fanny", Role.FINANCE)


@pytest.fixture
def paid(desk, support):
    """A paid order of 67.00 EUR."""
    created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    return desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)


def test_a_refund_is_an_amount_and_the_order_stays_completed(desk, paid):
    order = desk.refunds.create(paid.id, 2000, actor=FINANCE, note="sent twice")
    assert (order.status, order.amount_refunded, order.net) == (OrderStatus.COMPLETED, 2000, 4700)
    [refund] = order.refunds
    assert (refund.amount, refund.status, refund.reason) == (2000, "succeeded", "requested_by_customer")
    assert order.last_refund_at == refund.created_at
    assert [entry.kind for entry in order.timeline][-2:] == ["refund.requested", "refund.succeeded"]
    assert order.timeline[-1].note == "sent twice"
    assert order.timeline[-1].by == "fanny"
    order = desk.refunds.create(paid.id, actor=FINANCE)
    assert (order.amount_refunded, order.net, len(order.refunds)) == (6700, 0, 2)
    with pytest.raises(OrderNotRefundable):
        desk.refunds.create(paid.id, actor=FINANCE)


@pytest.mark.parametrize("amount", [0, -1, 6701, 10**9, True, "1000", 10.0, 10.5, math.nan])
def test_never_more_than_what_is_left(desk, paid, amount):
    with pytest.raises(OrderNotRefundable) as caught:
        desk.refunds.create(paid.id, amount, actor=FINANCE)
    assert caught.value.extra["refundable"] == 6700
    assert desk.gateway.list_refunds(paid.payment_intent_id) == []
    # Stripe, which would say the same, was not asked.
    assert desk.orders.find(paid.id).timeline == paid.timeline


def test_a_repeated_refund_is_made_once(desk, paid):
    key = secrets.token_hex(8)
    first = desk.refunds.create(paid.id, actor=FINANCE, idempotency_key=key)
    assert desk.refunds.create(paid.id, actor=FINANCE, idempotency_key=key).refunds == first.refunds
    assert len(desk.gateway.list_refunds(paid.payment_intent_id)) == 1


def test_what_was_refunded_elsewhere_counts_before_more_is(desk, paid):
    desk.gateway.create_refund(paid.payment_intent_id, 6000, None, {}, secrets.token_hex(8))
    with pytest.raises(OrderNotRefundable) as caught:
        desk.refunds.create(paid.id, 1000, actor=FINANCE)
    assert caught.value.extra["refundable"] == 700
    assert desk.intents.find(paid.id, actor=FINANCE).amount_refunded == 6000


def test_only_a_paid_order_is_refunded(desk, support):
    waiting = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    free = desk.intents.create({"productId": "initie"}, actor=support, source="tests")
    for created in (waiting, free):
        with pytest.raises(OrderNotRefundable):
            desk.refunds.create(created.order_id, actor=FINANCE)


def test_a_refund_needs_its_permission(desk, paid, support):
    with pytest.raises(Forbidden):
        desk.refunds.create(paid.id, actor=support)
    with pytest.raises(Forbidden):
        desk.intents.edit_customer(paid.id, {}, actor=FINANCE)


def refund(number: int, amount: int, status: str = "succeeded") -> Refund:
    """A refund made `number` seconds after NOW."""
    return Refund(id=f"re_{number}", amount=amount, status=status, created_at=NOW + timedelta(seconds=number))


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_refunds_end_the_same_in_any_order_of_arrival(arrival, repeated):
    news = [refund(1, 100, "pending"), refund(1, 100), refund(2, 50), refund(2, 50, "failed")]
    known: list[Refund] = []
    for index in [*arrival, *repeated]:
        known = merge_refunds(known, [news[index]])
    assert known == [refund(1, 100), refund(2, 50, "failed")]
    assert refunded(known) == 100
    assert last_refund_at(known) == NOW + timedelta(seconds=1)


def charge(amount_refunded: int) -> dict:
    """A charge as today's API version shows it: the sum alone."""
    return {"id": "ch_1", "amount_refunded": amount_refunded}


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4))))
def test_a_sum_on_a_charge_gives_way_to_the_refunds_behind_it(arrival):
    steps = [
        lambda known: refunds_of_charge(charge(100), known, NOW),
        lambda known: refunds_of_charge(charge(150), known, NOW),
        lambda known: [refund(1, 100)],
        lambda known: [refund(2, 50)],
    ]
    known: list[Refund] = []
    for index in arrival:
        known = merge_refunds(known, steps[index](known))
    assert known == [refund(1, 100), refund(2, 50)]


def test_complete_news_replace_a_sum():
    known: list[Refund] = []
    # Also where the charge lists none of them.
    for told in (charge(100) | {"refunds": {"data": []}}, charge(150)):
        known = merge_refunds(known, refunds_of_charge(told, known, NOW))
        assert refunded(known) == told["amount_refunded"]
    assert merge_refunds(known, [refund(1, 100)], complete=True) == [refund(1, 100)]


def test_a_refund_that_was_in_no_sum_is_told_beside_those_that_were():
    before = refunds_of_charge(charge(150), [], NOW)
    after = merge_refunds(before, [refund(1, 100), refund(2, 50), refund(3, 70)], complete=True)
    assert told_as_sum(before, after) == [refund(1, 100), refund(2, 50)]


def test_an_older_version_lists_the_refunds_on_the_charge():
    listed = {"id": "ch_1", "amount_refunded": 5, "refunds": {"data": [{"id": "re_1", "amount": 5}]}}
    [only] = refunds_of_charge(listed, [], NOW)
    assert (only.id, only.amount) == ("re_1", 5)


INQUIRY = ["warning_needs_response", "warning_under_review", "warning_closed"]
DISPUTE = ["needs_response", "under_review"]


@pytest.mark.parametrize("life", [[*INQUIRY, *DISPUTE, "lost"], [*DISPUTE, "won"], [*DISPUTE, "prevented"]])
def test_a_state_of_a_dispute_gives_way_to_a_later_one_alone(life):
    """Also where it is heard of later, as of who does not say when an event happened."""
    told = [
        Dispute(id="dp_1", amount=1, status=status, created_at=NOW, as_of=NOW - timedelta(seconds=number))
        for number, status in enumerate(life)
    ]
    for earlier, later in itertools.combinations(told, 2):
        for arrival in ([earlier, later], [later, earlier]):
            assert functools.reduce(merge_disputes, arrival, []) == [later]


def test_disputes_of_one_payment_stand_the_oldest_first():
    older, newer = (
        Dispute(id=name, amount=1, status="lost", created_at=NOW + timedelta(days=number))
        for number, name in enumerate(["dp_2", "dp_1"])
    )
    assert merge_disputes([newer], older) == merge_disputes([older], newer) == [older, newer]


@pytest.mark.parametrize(("first", "second"), [("lost", "won"), ("won", "lost")])
def test_of_two_decisions_of_a_dispute_the_later_one_stands(first, second):
    """A network may reverse the first, whichever it was."""
    told = [
        Dispute(id="dp_1", amount=1, status=status, created_at=NOW, as_of=NOW + timedelta(days=number))
        for number, status in enumerate([first, second])
    ]
    for arrival in itertools.permutations(told):
        assert functools.reduce(merge_disputes, arrival, []) == [told[1]]


def test_what_began_is_dated_to_when_it_was_made_and_what_ended_to_when_it_was_heard_of():
    """Also of a refund or dispute whose beginning nobody has told of."""
    known = {"refunds": [refund(3, 70, "pending")], "created_at": NOW, "updated_at": NOW}
    order = Order(id="1", product_id="mystique", amount=1, status="completed", **known)
    heard = NOW + timedelta(days=3)
    refunds = [refund(1, 100, "pending"), refund(2, 50, "failed"), refund(3, 70)]
    entries = refund_entries(order, refunds, by="stripe", event_id=None, note=None, as_of=heard)
    assert [entry.at for entry in entries] == [refunds[0].created_at, heard, heard]
    for status, at in (("needs_response", NOW), ("won", heard)):
        news = Dispute(id="dp_1", amount=1, status=status, created_at=NOW, as_of=heard)
        assert [entry.at for entry in dispute_entries(order, news, None)] == [at]


EDIT = {"email": " New@Example.com ", "firstName": " Ève ", "lastName": "d'Aubigné"}


def test_of_two_colleagues_who_refund_at_once_one_is_told(desk, support):
    for _ in range(4):
        created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
        paid = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
        both, told = threading.Barrier(2), []

        def refund(name, paid=paid, both=both, told=told):
            both.wait()
            try:
                desk.refunds.create(paid.id, 2000, actor=Actor(name, Role.FINANCE))
            except RefundUnanswered:
                told.append(name)

        colleagues = [threading.Thread(target=refund, args=(name,)) for name in ("fanny", "farid")]
        for colleague in colleagues:
            colleague.start()
        for colleague in colleagues:
            colleague.join()
        order = desk.orders.find(paid.id)
        # One after the other they may both: what is forbidden is a second while the first is unanswered.
        assert order.amount_refunded == 2000 * (2 - len(told))
        kinds = [entry.kind for entry in order.timeline if entry.kind.startswith("refund.")]
        assert kinds == ["refund.requested", "refund.succeeded"] * (2 - len(told))


def test_the_second_of_two_refunds_that_read_the_same_order_is_refused(desk, paid):
    request = desk.orders.find(paid.id).timeline[-1].model_copy(update={"kind": "refund.requested"})
    first = request.model_copy(update={"attempt_id": "one", "amount": 2000})
    second = request.model_copy(update={"attempt_id": "two", "amount": 2000})
    read = desk.orders.find(paid.id)
    assert desk.orders.append_if_unchanged(read, first)
    assert not desk.orders.append_if_unchanged(read, second)
    assert desk.orders.find(paid.id).unanswered_refund.attempt_id == "one"
    with pytest.raises(RefundUnanswered):
        desk.refunds.create(paid.id, 2000, actor=FINANCE)


def test_two_payment_intents_that_name_one_order_are_two_orders(desk, support, documents):
    """Both are heard of at the same moment: the one that comes second has an order of its own."""
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    order = desk.intents.find(created.order_id, actor=support)
    documents.productorders.update_one({}, {"$unset": {"paymentIntentId": ""}})

    class Raced(Orders):
        def find(self, order_id):
            found = super().find(order_id)
            self.set_payment_intent(
                found, created.order_id, "requires_payment_method", livemode=False, at=datetime.now(UTC)
            )
            return found

    second = {
        **{"id": f"pi_{secrets.token_hex(8)}", "amount": 4700, "currency": "eur", "status": "succeeded"},
        "metadata": order.metadata,
    }
    found = order_of(Raced(documents), second, livemode=False)
    assert found.payment_intent_id == second["id"]
    assert found.id != order.id
    assert desk.orders.find(order.id).payment_intent_id == created.order_id


def test_an_edit_of_an_order_full_of_metadata_still_comes_to_stripe(desk, support):
    customer = {"customerEmail": "a@b.fr", "customerName": "Zoé", "customerPhone": "+33612345678"}
    body = {"productId": "mystique", **customer, "metadata": {f"key{number}": "x" for number in range(40)}}
    created = desk.intents.create(body, actor=support, source="tests", request_id="req_1")
    edit = {"email": "c@d.fr", "firstName": "Anaïs", "lastName": "Garçon"}
    order = desk.intents.edit_customer(created.order_id, edit, actor=support)
    assert order.timeline[-1].kind == "customer.edited"
    kept = desk.gateway.retrieve_payment_intent(created.order_id)["metadata"]
    assert (len(kept), kept["customerEmail"], kept["customerName"]) == (50, "c@d.fr", "Anaïs Garçon")


def test_a_customer_is_edited_on_the_order_and_at_stripe(desk, support, paid):
    order = desk.intents.edit_customer(paid.id, EDIT | {"phone": "+33 6 12"}, actor=support)
    assert (order.customer_email, order.name) == ("new@example.com", "Ève d'Aubigné")
    assert order.metadata["customerFirstName"] == "Ève"
    assert order.metadata["customerPhone"] == "+33 6 12"
    assert order.metadata["productId"] == "profond"
    at_stripe = desk.gateway.retrieve_payment_intent(str(paid.payment_intent_id))["metadata"]
    assert at_stripe["customerEmail"] == "new@example.com"
    assert at_stripe["customerPhone"] == "+33 6 12"
    for without_phone in ({}, {"phone": ""}, {"phone": None}, {"phone": "  "}):
        order = desk.intents.edit_customer(paid.id, EDIT | without_phone, actor=support)
        assert order.metadata["customerPhone"] == "+33 6 12"


@pytest.mark.parametrize(
    ("customer", "changes", "name"),
    [
        ({}, {"phone": "+33 6 12"}, None),
        ({"customerEmail": "zoe@example.com"}, {"phone": "+33 6 12"}, None),
        ({"customerName": "Zoé"}, {"phone": "+33 6 12"}, "Zoé"),
        ({"customerName": "Zoé"}, {"email": "new@example.com"}, "Zoé"),
        ({"customerName": "Zoé"}, {"lastName": "Martin"}, "Zoé Martin"),
        ({"customerName": "Z Martin"}, {"lastName": "Marin"}, "Z Marin"),
        ({}, {"firstName": "Zoé"}, "Zoé"),
    ],
)
def test_one_thing_is_corrected_whatever_else_is_missing(desk, support, customer, changes, name):
    created = desk.intents.create({"productId": "mystique", **customer}, actor=support, source="tests")
    order = desk.intents.correct_customer(created.order_id, changes, actor=support)
    email = changes.get("email", customer.get("customerEmail"))
    assert (order.customer_email, order.name) == (email, name)
    assert order.timeline[-1].kind == "customer.edited"
    assert desk.audit.of_order(order.id)[-1].action == "edit_customer"
    at_stripe = desk.gateway.retrieve_payment_intent(created.order_id)["metadata"]
    told = {"customerEmail": email, "customerName": name, "customerPhone": changes.get("phone")}
    assert {field: at_stripe.get(field) for field in told} == told
    assert {"customerFirstName", "customerLastName"}.isdisjoint(order.metadata) is (
        changes.keys().isdisjoint({"firstName", "lastName"})
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, InvalidRequestBody),
        ({"email": ""}, InvalidEmail),
        ({"firstName": ""}, InvalidFirstName),
        ({"lastName": "M"}, InvalidLastName),
        ({"phone": 6}, InvalidCustomer),
    ],
)
def test_what_is_corrected_is_checked(changes, error):
    with pytest.raises(error):
        parse_customer_changes(changes)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"email": None}, InvalidEmail),
        ({"email": ""}, InvalidEmail),
        ({"email": "nobody"}, InvalidEmail),
        ({"firstName": " E "}, InvalidFirstName),
        ({"firstName": None}, InvalidFirstName),
        ({"firstName": 12}, InvalidFirstName),
        ({"lastName": ""}, InvalidLastName),
        ({"lastName": "x" * 300}, InvalidLastName),
        ({"phone": 33612}, InvalidCustomer),
        ({"email": "x", "firstName": "", "lastName": ""}, InvalidEmail),
    ],
)
def test_a_wrong_edit_is_refused(change, error):
    with pytest.raises(error):
        parse_customer_edit(EDIT | change)


def test_a_name_has_two_characters_at_least_and_two_fit_into_one_field():
    for name in ("Li", "x" * 249):
        edit = parse_customer_edit(EDIT | {"firstName": name, "lastName": name})
        assert len(edit.metadata(("", ""))["customerName"]) == 2 * len(name) + 1 <= 500
    with pytest.raises(InvalidFirstName):
        parse_customer_edit(EDIT | {"firstName": "x" * 250})


@pytest.mark.parametrize("body", [None, [], {}, "x"])
def test_an_edit_is_an_object(body):
    with pytest.raises(InvalidRequestBody):
        parse_customer_edit(body)


def test_an_edit_survives_a_stripe_that_is_away(settings, desk, support, paid):
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})) as away:
        order = away.intents.edit_customer(paid.id, EDIT, actor=support)
    assert order.customer_email == "new@example.com"
    assert order.timeline[-1].kind == "customer.not_copied_to_stripe"


@pytest.mark.reshapes
@pytest.mark.parametrize("metadata", [None, [], "none"])
def test_a_document_of_the_other_program_without_metadata_can_be_edited(desk, support, documents, metadata):
    # As documents were before there was a validator.
    documents.command("collMod", "productorders", validator={})
    _id = documents.productorders.insert_one(
        {
            "productId": "mystique",
            "amount": 9900,
            "currency": "eur",
            "status": "completed",
            "paymentIntentId": "pi_of_old",
            "createdAt": NOW,
            "updatedAt": NOW,
            "metadata": metadata,
            "__v": 0,
        }
    ).inserted_id
    order = desk.intents.edit_customer("pi_of_old", EDIT, actor=support)
    assert order.id == str(_id)
    assert order.metadata["customerName"] == "Ève d'Aubigné"
    with pytest.raises(OrderNotFound):
        desk.intents.edit_customer("pi_nothing", EDIT, actor=support)


def test_of_edits_at_once_stripe_has_the_one_that_we_have(desk, support):
    for _ in range(3):
        created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
        edits = [
            {"email": f"eve{number}@example.com", "firstName": f"Eve{number}", "lastName": f"Marin{number}"}
            for number in range(8)
        ]
        with ThreadPoolExecutor(len(edits)) as pool:
            edit = functools.partial(desk.intents.edit_customer, created.order_id, actor=support)
            list(pool.map(edit, edits))
        order = desk.intents.find(created.order_id, actor=support)
        at_stripe = desk.gateway.retrieve_payment_intent(created.order_id)["metadata"]
        ours = {name: order.metadata[name] for name in CUSTOMER_METADATA if order.metadata[name]}
        assert {name: at_stripe.get(name) for name in ours} == ours


def test_the_parts_of_a_name_that_two_correct_at_once_stand_together(desk, support):
    for _ in range(6):
        body = {"productId": "mystique", "customerName": "Eve Marin"}
        created = desk.intents.create(body, actor=support, source="tests")
        both = threading.Barrier(2)

        def correct(change, created=created, both=both):
            both.wait()
            desk.intents.correct_customer(created.order_id, change, actor=support)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(correct, [{"firstName": "Jeanne"}, {"lastName": "Durand"}]))
        assert desk.intents.find(created.order_id, actor=support).name == "Jeanne Durand"


def test_everything_a_person_does_is_audited(desk, support):
    created = desk.intents.create({"productId": "profond"}, actor=support, source="t", request_id="r1")
    order = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    desk.intents.edit_customer(order.id, EDIT, actor=support, request_id="r2")
    desk.refunds.create(order.id, 700, actor=FINANCE, note="goodwill")
    other = desk.intents.create({"productId": "profond"}, actor=support, source="t")
    cancelled = desk.intents.cancel(other.order_id, actor=support, reason="duplicate")
    entries = desk.audit.of_order(order.id)
    assert [(e.action, e.actor, e.request_id) for e in entries] == [
        ("create_intent", "claire", "r1"),
        ("confirm_test", "claire", ""),
        ("edit_customer", "claire", "r2"),
        ("refund", "fanny", ""),
    ]
    assert (entries[1].before["status"], entries[1].after["status"]) == ("pending", "completed")
    assert (entries[3].before, entries[3].after) == (
        {"amount_refunded": 0},
        {"amount_refunded": 700, "currency": "eur"},
    )
    assert entries[3].note == "goodwill"
    assert desk.audit.of_order(cancelled.id)[-1].note == "duplicate"
    assert "example.com" not in str(entries)


def test_a_repeat_with_the_same_key_is_audited_once(desk, support):
    created = desk.intents.create(
        {"productId": "mystique"}, actor=support, source="tests", idempotency_key=secrets.token_hex(8)
    )
    key = secrets.token_hex(8)
    desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    for _ in range(2):
        order = desk.refunds.create(created.order_id, 700, actor=FINANCE, idempotency_key=key)
    actions = [entry.action for entry in desk.audit.of_order(order.id)]
    assert actions == ["create_intent", "confirm_test", "refund"]


def test_one_key_for_two_requests_to_stripe_is_a_conflict(desk, support):
    key = secrets.token_hex(8)
    first, second = (
        desk.intents.create({"productId": "mystique"}, actor=support, source="tests").order_id
        for _ in range(2)
    )
    desk.intents.confirm(first, "pm_card_visa", actor=support, idempotency_key=key)
    with pytest.raises(IdempotencyConflict):
        desk.intents.confirm(second, "pm_card_visa", actor=support, idempotency_key=key)
