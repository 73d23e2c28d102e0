"""What storage asks the engine, held against plain Python over the same orders."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from bson import MaxKey, MinKey, ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pymongo import MongoClient, UpdateOne
from pymongo.errors import BulkWriteError

from lumira.errors import StoreRefused, StoreSignInRefused, StoreUnavailable, TokenNameTaken
from lumira.order_filter import OrderFilter
from lumira.orders import TRANSITIONS, Observation, Order, OrderStatus, TimelineEntry
from lumira.refunds import Dispute, Refund
from lumira.storage import Store
from lumira.storage.conditions import is_value, only_if
from lumira.storage.failures import insert_all_new, insert_new, store_errors
from lumira.storage.indexes import INDEXES, Unmade
from lumira.storage.orders import Orders, to_document
from lumira.storage.paging import cursor_after, newest_page
from lumira.storage.personal_data import PersonalData
from tests.conftest import NO_STORE, opened
from tests.store_gate import Fate, fated, gate, once, refusing

NOW = datetime.now(UTC).replace(microsecond=0)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_order(**fields) -> Order:
    """A pending order; `fields` change it."""
    plain = {
        "id": Orders.new_id(),
        "product_id": "mystique",
        "amount": 4700,
        "currency": "eur",
        "status": OrderStatus.PENDING,
        "created_at": NOW,
        "updated_at": NOW,
        "livemode": False,
    }
    return Order(**(plain | fields))


def walk(desk, size: int) -> list[str]:
    """The ids of every order, page by page."""
    found, cursor = [], None
    while True:
        page, cursor = newest_page(desk.store.database.productorders, {}, size, cursor)
        assert len(page) <= size
        found += [str(document["_id"]) for document in page]
        if cursor is None:
            return found
        assert len(page) == size


# Instants that meet each other and the edges of every window.
ages = st.one_of(
    st.sampled_from([0, 1, 86_400_000, 86_400_001, 7 * 86_400_000, 60 * 86_400_000, 730 * 86_400_000]),
    st.integers(0, 1500 * 86_400_000),
)


@quick
@given(st.lists(ages, max_size=40), st.integers(1, 7))
def test_pages_show_every_order_once_newest_first(desk, milliseconds, size):
    collection = desk.store.database.productorders
    collection.delete_many({})
    made = [make_order(created_at=NOW - timedelta(milliseconds=age)) for age in milliseconds]
    assert desk.orders.insert_many(made) == len(made) if made else True
    expected = sorted(made, key=lambda order: (order.created_at, order.id), reverse=True)
    assert walk(desk, size) == [order.id for order in expected]


@pytest.mark.parametrize("ids", [Orders.new_id, secrets.token_urlsafe])
def test_orders_of_the_same_instant_are_kept_apart(desk, ids):
    made = [make_order(id=ids()) for _ in range(25)]
    desk.orders.insert_many(made)
    assert walk(desk, 10) == sorted((order.id for order in made), reverse=True)


@pytest.mark.parametrize("uri", [NO_STORE, NO_STORE.replace("?", "?appName=tests;")])
def test_a_store_that_is_away_is_given_up_when_the_uri_says(uri):
    away = Store(uri)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        away.ping()
    assert time.monotonic() - began < 2
    away.close()


def test_a_time_out_that_is_none_leaves_ours():
    with pytest.warns(UserWarning, match="timeoutms"):
        away = Store("mongodb://127.0.0.1:9/?timeoutMS=soon")
    assert away.database.client.options.timeout == 4
    away.close()


def test_what_is_heard_of_an_order_that_was_deleted_meanwhile_is_let_go(desk):
    """Another program may delete one between our reading and our writing; the write is not tried for ever."""
    deleted = make_order()
    assert not desk.orders.add_refunds(deleted, [Refund(id="re_1", amount=1, created_at=NOW)], by="stripe")
    dispute = Dispute(id="dp_1", amount=1, status="needs_response", created_at=NOW)
    assert not desk.orders.add_dispute(deleted, dispute)


def test_a_cursor_is_the_very_millisecond():
    # From 2038 on a float of seconds no longer tells every millisecond from the one before it.
    found = {"_id": ObjectId(), "createdAt": datetime(2038, 6, 1, microsecond=2_000, tzinfo=UTC)}
    assert cursor_after(found) == f"2158963200002-{found['_id']}"


@pytest.mark.parametrize("cursor", ["", "x", "12-", "-", "99999999999999999999-" + "0" * 24, "🌙"])
def test_a_cursor_that_is_none_shows_the_first_page(desk, cursor):
    order = make_order()
    desk.orders.insert(order)
    page, _ = newest_page(desk.store.database.productorders, {}, 10, cursor)
    assert [str(document["_id"]) for document in page] == [order.id]


statuses = st.sampled_from(list(OrderStatus))


@quick
@given(statuses, statuses, st.sampled_from([-1, 0, 1]))
def test_a_move_follows_the_table_and_never_goes_back_in_time(desk, before, to, seconds):
    order = make_order(status=before, stripe_synced_at=NOW)
    desk.orders.insert(order)
    moved = desk.orders.move(
        order, Observation(to, "whatever", NOW + timedelta(seconds=seconds)), by="stripe"
    )
    stored = desk.orders.find(order.id)
    expected = to in TRANSITIONS[before] and (to.is_final or seconds > 0)
    assert moved == expected
    assert stored.status is (to if expected else before)
    assert len(stored.timeline) == int(expected)
    if expected:
        assert (stored.timeline[0].before, stored.timeline[0].after) == (before, to)


def heard(status: OrderStatus, amount: int, seconds: int, **facts) -> Observation:
    """What Stripe says so many seconds from now."""
    return Observation(status, str(status), NOW + timedelta(seconds=seconds), amount, "eur", **facts)


@pytest.mark.parametrize("second", [OrderStatus.PENDING, OrderStatus.COMPLETED, OrderStatus.CANCELLED])
def test_of_two_who_hear_of_an_amount_one_tells_it(desk, second):
    read = make_order()
    desk.orders.insert(read)
    for by, status in (("page", OrderStatus.PENDING), ("webhook", second)):
        desk.orders.move(read, heard(status, 5200, 1 if by == "page" else 2), by=by)
    stored = desk.orders.find(read.id)
    assert (stored.status, stored.amount) == (second, 5200)
    assert [entry.by for entry in stored.timeline if entry.kind == "amount.changed"] == ["page"]


def test_who_read_an_older_amount_still_brings_the_one_that_was_paid(desk):
    read = make_order()
    desk.orders.insert(read)
    desk.orders.move(read, heard(OrderStatus.PENDING, 5200, 1), by="page")
    # At Stripe it was 4700 again by then, which is what was read before.
    desk.orders.move(read, heard(OrderStatus.COMPLETED, 4700, 2), by="webhook")
    stored = desk.orders.find(read.id)
    assert (stored.status, stored.amount) == (OrderStatus.COMPLETED, 4700)


def test_an_amount_that_stays_is_no_change(desk, documents):
    read = make_order()
    desk.orders.insert(read)
    documents.productorders.update_one({"_id": ObjectId(read.id)}, {"$set": {"amount": 4700.0}})
    desk.orders.move(read, heard(OrderStatus.PENDING, 4700, 1), by="page")
    stored = desk.orders.find(read.id)
    assert (stored.timeline, stored.updated_at) == ([], read.updated_at)


def test_of_two_who_hear_of_a_second_decline_one_tells_it(desk):
    read = make_order(status=OrderStatus.FAILED, failure_code="card_declined", latest_charge="ch_1")
    desk.orders.insert(read)
    for by, seconds in (("page", 1), ("webhook", 2)):
        declined = heard(
            OrderStatus.FAILED, 4700, seconds, failure_code="card_declined", latest_charge="ch_2"
        )
        desk.orders.move(read, declined, by=by)
        if by == "page":
            changed_at = desk.orders.find(read.id).updated_at
    stored = desk.orders.find(read.id)
    assert [entry.by for entry in stored.timeline] == ["page"]
    # Revenue counts why payments failed by what was changed: once, and only by whose news it was.
    assert read.updated_at < changed_at == stored.updated_at


@pytest.mark.parametrize("to", [OrderStatus.COMPLETED, OrderStatus.CANCELLED])
@pytest.mark.parametrize("before", list(OrderStatus))
def test_a_move_without_reading_is_the_same_move(desk, before, to):
    read, unread = (
        make_order(
            status=before,
            payment_intent_id=f"pi_{name}",
            failure_code="$declined",
            stripe_synced_at=NOW,
            completed_at=NOW if before is OrderStatus.COMPLETED else None,
        )
        for name in ("read", "unread")
    )
    desk.orders.insert_many([read, unread])
    seen = Observation(to, "$status", NOW, failure_message="$")
    moved = desk.orders.move_unread("pi_unread", seen, by="$by", event_id="evt_1")
    assert moved == desk.orders.move(read, seen, by="$by", event_id="evt_1") == (to in TRANSITIONS[before])
    own = {"id", "payment_intent_id", "updated_at", *([] if moved else ["stripe_status"])}
    assert desk.orders.find(unread.id).model_dump(exclude=own) == desk.orders.find(read.id).model_dump(
        exclude=own
    )
    assert not desk.orders.move_unread("pi_nobody", seen, by="stripe")


def test_of_two_moves_that_race_one_wins_and_the_timeline_tells_it(desk):
    order = make_order()
    desk.orders.insert(order)
    assert desk.orders.move(order, Observation(OrderStatus.CANCELLED, "canceled", NOW), by="claire")
    # The second still believes the order to be pending.
    assert desk.orders.move(order, Observation(OrderStatus.COMPLETED, "succeeded", NOW), by="stripe")
    stored = desk.orders.find(order.id)
    assert [(e.before, e.after) for e in stored.timeline] == [
        ("pending", "cancelled"),
        ("cancelled", "completed"),
    ]
    assert not desk.orders.move(order, Observation(OrderStatus.CANCELLED, "canceled", NOW), by="claire")


def test_the_timeline_is_bounded(desk):
    order = make_order(status=OrderStatus.FAILED)
    desk.orders.insert(order)
    for number in range(205):
        seen = Observation(
            OrderStatus.FAILED,
            "requires_payment_method",
            NOW + timedelta(seconds=number),
            latest_charge=f"ch_{number}",
        )
        desk.orders.move(desk.orders.find(order.id), seen, by="stripe")
    assert len(desk.orders.find(order.id).timeline) == 200


@pytest.mark.parametrize(
    "value",
    [None, 5, "$x", float("nan"), {"$ne": 1}, MinKey(), [MaxKey()], {"a": [{"b": MinKey()}]}],
    ids=repr,
)
def test_what_was_read_is_known_again_whatever_another_program_put_there(desk, value):
    # Whoever writes onto what they read tries again for as long as it is another.
    collection = desk.store.database.odd
    key = {"_id": collection.insert_one({"x": value}).inserted_id}
    assert collection.update_one(key, only_if(is_value("x", "other"), {"$set": {"y": 1}})).modified_count == 0
    assert collection.update_one(key, only_if(is_value("x", value), {"$set": {"y": 1}})).modified_count == 1


def test_an_erasure_that_is_null_is_none(desk, documents):
    # As a program writes that stores every field it knows of.
    order = make_order()
    desk.orders.insert(order)
    documents.productorders.update_one({}, {"$set": {"erasedAt": None}})
    edited = TimelineEntry(at=NOW, kind="customer.edited", by="ada")
    assert desk.orders.edit_customer(order, {"customerEmail": "camille@example.com"}, edited)
    stored = documents.productorders.find_one()
    assert PersonalData(desk.store.database).mark_erased(stored, NOW)["erasedAt"] is not None
    assert not desk.orders.edit_customer(order, {"customerEmail": "anais@example.com"}, edited)


@pytest.mark.reshapes
@pytest.mark.parametrize("other_program_starts", [False, True])
def test_orders_that_wait_for_stripe_do_not_meet_in_the_unique_indexes(desk, documents, other_program_starts):
    first, second = make_order(attempt_id="first"), make_order(attempt_id="second")
    if other_program_starts:
        # It makes its own index anew; MongoDB has it stand beside ours.
        documents.productorders.create_index("paymentIntentId", unique=True)
    others = [make_order(attempt_id=f"other {n}") for n in range(20)]
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(desk.orders.insert, [first, second, *others]))
    assert not desk.orders.insert(make_order(attempt_id=second.attempt_id))
    for order in (first, second):
        assert "paymentIntentId" not in to_document(order)
    tie = {"livemode": False, "at": NOW}
    assert desk.orders.set_payment_intent(first, "pi_1", "requires_payment_method", **tie)
    assert not desk.orders.set_payment_intent(first, "pi_2", "requires_payment_method", **tie)
    assert not desk.orders.set_payment_intent(second, "pi_1", "requires_payment_method", **tie)
    assert not desk.orders.insert(make_order(payment_intent_id="pi_1"))


@pytest.mark.reshapes
def test_whom_an_index_refuses_that_we_may_not_drop_is_told_to_come_again(settings, store_uri, admin):
    """Not that their idempotency key was used before: they would give the payment up."""
    port = urlsplit(store_uri).port
    with (
        refusing(port, "dropIndexes") as uri,
        opened(settings.model_copy(update={"mongodb_uri": SecretStr(uri)})) as desk,
    ):
        desk.store.database.productorders.create_index("paymentIntentId", unique=True)
        assert desk.orders.insert(make_order(attempt_id="first"))
        with pytest.raises(StoreUnavailable):
            desk.intents.create({"productId": "mystique"}, actor=admin, source="api")


def test_what_was_stored_though_its_answer_was_lost_is_ones_own(settings, store_uri, admin):
    """The driver repeats such a write: whoever made it was told that somebody else had been there before."""
    asked = once("insert", Fate.UNHEARD)
    with (
        gate(urlsplit(store_uri).port, asked) as uri,
        opened(settings.model_copy(update={"mongodb_uri": SecretStr(uri)})) as desk,
    ):
        # Its text is shown this once.
        assert desk.tokens.authenticate(desk.tokens.create("checkout", actor=admin)).name == "checkout"
        with pytest.raises(TokenNameTaken):
            desk.tokens.create("checkout", actor=admin)


def test_an_index_of_the_other_program_gives_way_and_a_second_start_changes_nothing(store_uri):
    name = f"test_{ObjectId()}"
    with MongoClient(store_uri) as client:
        client[name].productorders.create_index("paymentIntentId", unique=True)
        client[name].productorders.create_index([("place", "2dsphere")])
        client[name].processed_events.create_index("eventId", unique=True)
        store = Store(store_uri, name)
        store.prepare()
        before = {c: client[name][c].index_information() for c in INDEXES}
        assert "paymentIntentId_1" not in before["productorders"]
        assert before["productorders"]["paymentIntentId_unique"]["sparse"]
        # The same index by another name serves as well.
        assert "eventId_1" in before["processed_events"]
        # The other program starts again, beside us.
        client[name].productorders.create_index("paymentIntentId", unique=True)
        store.prepare()
        assert {c: client[name][c].index_information() for c in INDEXES} == before
        store.close()
        client.drop_database(name)


def test_a_store_that_has_given_up_is_none_that_answers(store_uri):
    fates = {"find": Fate.WT_PANIC}
    with (
        fated(urlsplit(store_uri).port, fates) as uri,
        closing(Store(uri)) as store,
        closing(Store(NO_STORE)) as none,
    ):
        assert store.has_given_up()
        with pytest.raises(StoreUnavailable):
            store.ping()
        fates.clear()
        store.ping()
        assert not store.has_given_up()
        # It may be busy.
        assert not none.has_given_up()


def test_a_store_that_knows_no_such_user_is_none_that_answers_and_one_without_rights_answers(store_uri):
    fates = {"find": Fate.UNKNOWN}
    with fated(urlsplit(store_uri).port, fates) as uri, closing(Store(uri)) as store:
        with pytest.raises(StoreSignInRefused, match="MONGODB_URI"):
            store.ping()
        # What is missing, the doctor says.
        fates["find"] = Fate.REFUSED
        store.ping()


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.OVER_QUOTA])
def test_a_store_that_refuses_to_write_is_told_of_as_that(store_uri, fate):
    writes = [
        lambda orders: insert_new(orders, {}),
        lambda orders: insert_all_new(orders, [{}]),
        lambda orders: orders.bulk_write([UpdateOne({"_id": 1}, {"$set": {"amount": 1}}, upsert=True)]),
    ]
    fates = {"insert": fate, "update": fate}
    with fated(urlsplit(store_uri).port, fates) as uri, closing(Store(uri)) as store:
        for write in writes:
            with pytest.raises(StoreRefused, match="lumira doctor"), store_errors():
                write(store.database.productorders)


def test_of_many_writes_one_that_found_no_room_is_enough():
    told = {"writeErrors": [{"code": 11000, "errmsg": ""}, {"code": 14031, "errmsg": ""}]}
    with pytest.raises(StoreRefused), store_errors():
        raise BulkWriteError(told)


def test_documents_that_share_a_key_keep_that_index_from_being_made_and_no_other(store_uri):
    name = f"test_{ObjectId()}"
    with MongoClient(store_uri) as client, closing(Store(store_uri, name)) as store:
        orders, events = client[name].productorders, client[name].processed_events
        # A null is no value: those who wait for Stripe share nothing.
        waiting = [{**MONGOOSE, "paymentIntentId": None, "createdAt": NOW} for _ in range(2)]
        orders.insert_many([*waiting, *({**MONGOOSE, "paymentIntentId": "pi_twice"} for _ in range(2))])
        events.insert_many([{"eventId": "evt_twice", "eventType": "x"} for _ in range(2)])
        shared = store.prepare().shared
        assert list(shared) == ["productorders.paymentIntentId_unique", "processed_events.eventId_unique"]
        assert "pi_twice" in shared["productorders.paymentIntentId_unique"]
        made = {c: len(client[name][c].index_information()) for c in INDEXES}
        wanted = {c: 1 + len(models) for c, models in INDEXES.items()}
        assert made == wanted | {
            "productorders": wanted["productorders"] - 1,
            "processed_events": wanted["processed_events"] - 1,
        }
        orders.delete_one({"paymentIntentId": "pi_twice"})
        events.delete_one({"eventId": "evt_twice"})
        assert not store.prepare()
        assert orders.count_documents({}) == 3
        assert orders.index_information()["paymentIntentId_unique"]["unique"]
        client.drop_database(name)


def test_what_its_user_may_not_make_is_said_and_keeps_nothing_else_from_being_made(store_uri):
    name, port = f"test_{ObjectId()}", int(store_uri.rstrip("/").rpartition(":")[2])
    with MongoClient(store_uri) as client:
        # The role readWrite may create collections and indexes, and not change a collection that is there.
        client[name].create_collection("productorders")
        with refusing(port, "collMod") as uri, closing(Store(uri, name)) as store:
            assert store.prepare() == Unmade(refused=["productorders.validator"])
            assert len(client[name].productorders.index_information()) == 1 + len(INDEXES["productorders"])
        client[name].productorders.drop_index("updatedAt")
        with refusing(port, "createIndexes", "collMod") as uri, closing(Store(uri, name)) as store:
            assert store.prepare().refused == ["productorders.validator", "productorders.updatedAt"]
        with closing(Store(store_uri, name)) as store:
            assert not store.prepare()
        client.drop_database(name)
        with refusing(port, "create") as uri, closing(Store(uri, name)) as store:
            assert store.prepare().refused == ["productorders.validator", "processed_events.validator"]
            assert len(client[name].productorders.index_information()) == 1 + len(INDEXES["productorders"])
        client.drop_database(name)


MONGOOSE = {
    "productId": "mystique",
    "customerId": "cus_1",
    "customerEmail": "old@example.com",
    "amount": 4700.0,
    "currency": "eur",
    "status": "completed",
    "paymentIntentId": "pi_mongoose",
    "createdAt": NOW,
    "updatedAt": NOW,
    "completedAt": NOW,
    "metadata": {"level": "mystique", "nested": {"any": ["thing"]}},
    "__v": 0,
}


def test_documents_of_the_other_program_are_admitted_and_show(desk, documents, admin):
    only_required = {
        key: MONGOOSE[key]
        for key in ("productId", "amount", "currency", "status", "createdAt", "updatedAt", "__v")
    }
    documents.productorders.insert_many([dict(MONGOOSE), dict(only_required)])
    documents.productorders.insert_one(only_required | {"metadata": None, "completedAt": None})
    documents.processed_events.insert_one(
        {
            "eventId": "evt_1",
            "eventType": "x",
            "processedAt": NOW,
            "createdAt": NOW,
            "updatedAt": NOW,
            "__v": 0,
        }
    )
    assert len(desk.order_list.page(OrderFilter(), 10, actor=admin).orders) == 3
    assert desk.orders.find_by_payment_intent("pi_mongoose").amount == 4700


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "paid"},
        {"amount": -1},
        {"amount": "4700"},
        {"createdAt": "2026-01-01"},
        {"paymentIntentId": {"$ne": 1}},
        {"productId": None},
    ],
)
@pytest.mark.reshapes
def test_a_document_that_would_break_the_desk_is_refused(desk, documents, wrong):
    from pymongo.errors import WriteError

    with pytest.raises(WriteError):
        documents.productorders.insert_one(MONGOOSE | wrong)
    # What stood there before may still be changed.
    documents.command("collMod", "productorders", validator={}, validationLevel="off")
    documents.productorders.insert_one(MONGOOSE | wrong)
    desk.store.prepare()
    documents.productorders.update_one({}, {"$set": {"customerEmail": "new@example.com"}})


def test_our_documents_read_as_the_other_programs(desk, support, documents):
    desk.intents.create({"productId": "mystique", "customerEmail": "a@b.fr"}, actor=support, source="t")
    document = documents.productorders.find_one()
    assert {
        name: type(document[name]).__name__
        for name in MONGOOSE
        if name not in {"__v", "customerId", "completedAt"}
    } == {
        "productId": "str",
        "customerEmail": "str",
        "amount": "int",
        "currency": "str",
        "status": "str",
        "paymentIntentId": "str",
        "createdAt": "datetime",
        "updatedAt": "datetime",
        "metadata": "dict",
    }
