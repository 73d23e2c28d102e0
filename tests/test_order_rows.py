"""Every list a filter asks of the store, held against plain Python over the same orders."""

from __future__ import annotations

import itertools
import unicodedata
from collections import ChainMap
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.monitoring import CommandListener

from lumira.documents import as_json
from lumira.errors import InvalidFilter, OrderUnreadable
from lumira.order_filter import (
    FORMER,
    LEVELS,
    SOURCES,
    STRIPE_STATUSES,
    DateField,
    Disputed,
    OrderFilter,
    Sort,
    filter_query,
    listing,
    parse_filter,
    search_key,
    search_words,
)
from lumira.orders import Observation, Order, OrderStatus, TimelineEntry
from lumira.refunds import Dispute, Refund
from lumira.revenue import OVERLAP
from lumira.storage import OrderRows, Store, order_listing
from lumira.storage.order_listing import KnownAmounts
from lumira.storage.orders import Orders, to_document
from tests.store_gate import Fate, gate
from tests.test_storage import make_order

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.astimezone(PARIS).date()
thorough = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


# The oracle: what a filter means, said once more in another way.


def plain(text: str | None) -> str:
    folded = unicodedata.normalize("NFKD", (text or "").lower()).replace("œ", "oe").replace("æ", "ae")
    return "".join(c for c in folded if not unicodedata.combining(c))


def pieces(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text).split()


def day_of(instant: datetime):
    return instant.astimezone(PARIS).date()


def telephone(text: str) -> list[str]:
    """The telephone number that a text of these tests is, as the digits that all ways to write it share."""
    digits = "".join(c for c in text if c.isdigit())
    return [f"☎{digits[-9:]}"] if digits and not text.strip("0123456789 +.") and text[0] in "0+" else []


def is_found(order: Order, search: str) -> bool:
    email = plain(order.customer_email)
    ids = [plain(order.id), plain(order.payment_intent_id)]
    words = [*pieces(plain(order.name)), *pieces(email.split("@")[0]), email, *ids]
    words += telephone(str(order.metadata.get("customerPhone", "")))
    wanted = telephone(search)
    for typed in [] if wanted else plain(search).split():
        whole = "@" in typed.strip("@") or typed.startswith(("pi_", "free_"))
        wanted += [typed] if whole else pieces(typed)
    return all(any(word.startswith(one) for word in words) for one in wanted)


def completed(order: Order) -> datetime | None:
    without_date = order.created_at if order.status is OrderStatus.COMPLETED else None
    return order.completed_at or without_date


def in_period(order: Order, wanted: OrderFilter) -> bool:
    def inside(instant: datetime) -> bool:
        return (not wanted.first or wanted.first <= day_of(instant)) and (
            not wanted.last or day_of(instant) <= wanted.last
        )

    if wanted.dated is DateField.CREATED:
        return inside(order.created_at)
    if wanted.dated is DateField.COMPLETED:
        paid = completed(order)
        return paid is not None and inside(paid)
    counting = [refund for refund in order.refunds if refund.status not in {"failed", "canceled"}]
    return is_refunded(order) and any(inside(refund.created_at) for refund in counting)


def is_refunded(order: Order) -> bool:
    # An authorization that was released is no refund, though Stripe shows one.
    return order.status is OrderStatus.COMPLETED and order.amount_refunded > 0


def has_disputes(order: Order, wanted: Disputed) -> bool:
    if wanted is Disputed.NEEDS_RESPONSE:
        return any(dispute.status.endswith("needs_response") for dispute in order.disputes)
    return bool(order.disputes) is (wanted is Disputed.YES)


def said_by_stripe(order: Order) -> str:
    if (order.payment_intent_id or "").startswith("free_"):
        return "none"
    return order.stripe_status or "unknown"


def selects(wanted: OrderFilter, order: Order) -> bool:
    return (
        in_period(order, wanted)
        and (not wanted.levels or str(order.level or "unknown") in wanted.levels)
        and (not wanted.statuses or order.status in wanted.statuses)
        and (not wanted.stripe_statuses or said_by_stripe(order) in wanted.stripe_statuses)
        and (not wanted.differs or not order.agrees_with_stripe)
        and (wanted.minimum is None or order.amount >= wanted.minimum)
        and (wanted.maximum is None or order.amount <= wanted.maximum)
        and (wanted.refunded is None or is_refunded(order) is wanted.refunded)
        and (wanted.disputed is None or has_disputes(order, wanted.disputed))
        and (not wanted.sources or (order.source or "former") in wanted.sources)
        and is_found(order, wanted.search)
    )


def sorting(order: Order, wanted: OrderFilter):
    if wanted.sort in {Sort.HIGHEST, Sort.LOWEST}:
        return (order.amount, order.created_at, order.id)
    if wanted.sort is Sort.DUE:
        waiting = [dispute for dispute in order.disputes if dispute.status.endswith("needs_response")]
        deadlines = [dispute.due_by for dispute in waiting if dispute.due_by]
        return (not deadlines, min(deadlines, default=NOW), order.created_at, order.id)
    dates = {
        DateField.CREATED: order.created_at,
        DateField.COMPLETED: completed(order),
        DateField.REFUNDED: order.last_refund_at,
    }
    return (dates[wanted.dated], order.id)


def expected(wanted: OrderFilter, orders: list[Order]) -> list[str]:
    down = wanted.sort in {Sort.NEWEST, Sort.HIGHEST}
    chosen = sorted(
        # Of live orders, beside the test orders on the same store, another desk tells.
        (order for order in orders if not order.livemode and selects(wanted, order)),
        key=lambda order: sorting(order, wanted),
        reverse=down,
    )
    return [order.id for order in chosen]


def walk(rows: OrderRows, wanted: OrderFilter, size: int) -> list[str]:
    found, cursor = [], None
    while True:
        page = rows.page(wanted, size, cursor)
        found += [order.id for order in page.orders]
        if page.next_cursor is None:
            return found
        assert len(page.orders) == size
        cursor = page.next_cursor


# Orders that meet each other, the edges of every window and of days.

MIDNIGHT = datetime.combine(TODAY, datetime.min.time(), PARIS).astimezone(UTC)
EPOCHS = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)]
instants = st.one_of(
    st.sampled_from(
        [
            NOW,
            NOW - timedelta(hours=1),
            NOW + timedelta(days=3),
            MIDNIGHT,
            MIDNIGHT - timedelta(milliseconds=1),
            MIDNIGHT - timedelta(days=1),
            MIDNIGHT - timedelta(days=400),
            *EPOCHS,
        ]
    ),
    st.integers(0, 800 * 86_400).map(lambda back: NOW - timedelta(seconds=back)),
)
names = st.sampled_from(
    [
        None,
        "Camille Laurent",
        "Éloïse Lefèvre",
        "Jean-Paul d’Aubigné",
        "Zoé $where",
        "Lœuvre Anne",
        "a.b (c)",
        "😀 Léa",
    ]
)
addresses = st.sampled_from(
    [
        None,
        "camille.laurent.7@example.com",
        "eloise@example.org",
        "zoe+tag@example.net",
        "deadbeef01@example.com",
    ]
)
phones = ["+33 6 12 34 56 78", "06.12.34.56.78", "0033612345678", "the same", "", None]
searches = st.sampled_from(
    [
        *(
            "",
            "cam",
            "CAMILLE",
            "laurent camille",
            "lau eloise",
            "eloïse",
            "d'aub",
            "jean-paul",
            "l",
            "$where",
        ),
        *(".*", "camille.laurent.7@", "camille.laurent.7@example.com", "zoe+tag@example.net", "zoe tag"),
        *("pi_000000000000a", "pi_", "free_", "PI_0000", "deadbeef", "deadbeef01", "loeuv", "7", "nobody"),
        *("06 12 34 56 78", "+33612345678", "0699999999"),
    ]
)
prices = st.sampled_from([0, 4700, 4700, 6700, 9900, 500_000])


# Most orders have none.
disputes = st.one_of(
    *[st.just([])] * 4,
    st.lists(
        st.tuples(
            st.sampled_from(["lost", "needs_response", "warning_needs_response"]),
            st.one_of(st.none(), instants),
        ),
        max_size=2,
    ),
)


@st.composite
def orders(draw) -> Order:
    created = draw(instants)
    status = draw(st.sampled_from(list(OrderStatus)))
    amount = draw(prices)
    refunds = [
        Refund(id=f"re_{n}", amount=100, status=state, created_at=at)
        for n, (state, at) in enumerate(
            draw(st.lists(st.tuples(st.sampled_from(["succeeded", "failed"]), instants), max_size=2))
        )
    ]
    counting = [refund for refund in refunds if refund.status == "succeeded"]
    number = draw(st.integers(0, 2**40))
    return Order(
        id=draw(st.sampled_from([f"6b03a25a{number:016x}", f"deadbeef{number:016x}", f"{number:024x}"])),
        product_id=draw(st.sampled_from(["initie", "mystique", "Alchimique", "3", "intégrale", "gift"])),
        customer_email=draw(addresses),
        customer_name=draw(names),
        amount=amount,
        currency="eur",
        status=status,
        payment_intent_id=draw(st.sampled_from([f"pi_{number:013x}aBc", f"free_{number:x}", None])),
        created_at=created,
        updated_at=created,
        metadata=draw(st.sampled_from([{}, *({"customerPhone": phone} for phone in phones)])),
        completed_at=draw(st.one_of(st.none(), instants)) if status is OrderStatus.COMPLETED else None,
        stripe_status=draw(
            st.sampled_from([None, "succeeded", "requires_payment_method", "canceled", "refused"])
        ),
        source=draw(st.sampled_from([None, "desk", "api", "stripe"])),
        livemode=draw(st.sampled_from([None, False, False, True])),
        amount_refunded=sum(refund.amount for refund in counting),
        refunds=refunds,
        last_refund_at=max((refund.created_at for refund in counting), default=None),
        disputes=[
            Dispute(id=f"dp_{n}", amount=amount, status=state, created_at=created, due_by=due_by)
            for n, (state, due_by) in enumerate(draw(disputes))
        ],
    )


def some(options) -> st.SearchStrategy:
    return st.one_of(st.just(frozenset()), st.frozensets(st.sampled_from(list(options)), max_size=2))


days = st.one_of(
    st.none(), st.sampled_from([0, 1, 2, 30, 400, 799]).map(lambda back: TODAY - timedelta(days=back))
)
maybe = st.sampled_from([None, None, None, True, False])


@st.composite
def filters(draw) -> OrderFilter:
    first, last = sorted([draw(days) or TODAY - timedelta(days=900), draw(days) or TODAY + timedelta(days=9)])
    bounded = draw(st.booleans())
    sort, disputed = draw(st.sampled_from(list(Sort))), draw(st.sampled_from([None, *Disputed]))
    minimum, maximum = draw(st.sampled_from([(None, None), (4700, 4700), (4701, None), (None, 0), (0, 9900)]))
    return OrderFilter(
        dated=draw(st.sampled_from(list(DateField))),
        first=first if bounded else None,
        last=last if bounded else None,
        levels=draw(some(LEVELS)),
        statuses=draw(some(OrderStatus)),
        stripe_statuses=draw(some(STRIPE_STATUSES)),
        differs=draw(st.sampled_from([False, False, False, True])),
        minimum=minimum,
        maximum=maximum,
        refunded=draw(maybe),
        disputed=Disputed.NEEDS_RESPONSE if sort is Sort.DUE else disputed,
        sources=draw(some(SOURCES)),
        search=draw(searches) if draw(st.booleans()) else "",
        sort=sort,
    )


def sorted_by(sort: Sort) -> OrderFilter:
    """As little of a filter as this sorting needs."""
    return OrderFilter(sort=sort, disputed=Disputed.NEEDS_RESPONSE if sort is Sort.DUE else None)


def stored(desk, made: list[Order], listed: list[bool]) -> list[Order]:
    """Puts orders into the store, those of `listed` as we write them, the others as other programs do."""
    collection = desk.store.database.productorders
    collection.delete_many({})
    unique = list(
        {order.payment_intent_id or order.id: order for order in {o.id: o for o in made}.values()}.values()
    )
    documents = [to_document(order) for order in unique]
    KnownAmounts(desk.store.database).add({order.amount for order in unique})
    for document, ours in zip(documents, listed, strict=False):
        if not ours:
            document.pop("listing", None)
    if documents:
        collection.insert_many(documents)
    return unique


@thorough
@given(
    st.lists(orders(), max_size=25),
    st.lists(st.booleans(), min_size=25, max_size=25),
    st.lists(filters(), min_size=1, max_size=6),
    st.integers(1, 5),
)
def test_a_filter_selects_what_it_says(desk, made, listed, wanted, size):
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    known = stored(desk, made, listed)
    assert rows.list_orders()
    for one in [*wanted, sorted_by(wanted[0].sort)]:
        should = expected(one, known)
        assert walk(rows, one, size) == should
        assert rows.count(one, 10) == min(len(should), 10)
        assert [order.id for order in rows.every(one)] == should


@thorough
@given(filters())
def test_a_filter_is_the_same_after_its_way_through_a_link(wanted):
    if wanted.search and not wanted.words:
        # A search without a letter or a digit finds nothing: the link says so.
        with pytest.raises(InvalidFilter):
            parse_filter(filter_query(wanted))
    else:
        assert parse_filter(filter_query(wanted)) == wanted


def disputed_order(due_by: datetime | None = None) -> Order:
    """An order of that instant with a dispute that waits for an answer."""
    return Order(
        id=Orders.new_id(),
        product_id="x",
        amount=1,
        status="pending",
        created_at=NOW,
        updated_at=NOW,
        disputes=[Dispute(id="dp_1", amount=1, status="needs_response", created_at=NOW, due_by=due_by)],
    )


def test_a_cursor_that_is_none_shows_the_first_page(desk):
    order = disputed_order()
    desk.orders.insert(order)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    end = "0" * 24
    for cursor in (
        *("", "x", "~", "~~~", "1~2~3~4", "🌙", f"1-{end}", f"-date~~99999999999999999999~{end}"),
        *(f"due~{due}~1~{end}" for due in ("", "x", "99999999999999999999")),
        *(f"-amount~~1~{end}", f"-amount~1e999999~2~{end}x"),
    ):
        for sort in Sort:
            page = rows.page(sorted_by(sort), 10, cursor)
            assert [found.id for found in page.orders] == [order.id]


def test_a_cursor_of_another_sort_shows_the_first_page(desk):
    waiting = [disputed_order() for _ in range(3)]
    desk.orders.insert_many(waiting)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    cursors = {sort: str(rows.page(sorted_by(sort), 1).next_cursor) for sort in Sort}
    for sort, other in itertools.permutations([Sort.NEWEST, Sort.HIGHEST, Sort.DUE], 2):
        assert len(rows.page(sorted_by(sort), 10, cursors[other]).orders) == 3


@pytest.mark.parametrize("sort", [Sort.HIGHEST, Sort.LOWEST])
def test_an_order_without_an_amount_ends_no_list_that_is_sorted_by_it(desk, documents, sort):
    made = [disputed_order().model_copy(update={"stripe_status": "succeeded"}) for _ in range(3)]
    desk.orders.insert_many(made)
    spoilt = {"$unset": {"amount": ""}}
    documents.productorders.update_one({"_id": ObjectId(made[1].id)}, spoilt, bypass_document_validation=True)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    found = walk(rows, OrderFilter(differs=True, sort=sort), 1)
    assert sorted(found) == sorted([made[0].id, made[2].id])


def test_orders_of_the_same_instant_are_kept_apart(desk):
    made = [disputed_order(due_by=NOW) for _ in range(25)]
    desk.orders.insert_many(made)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    for sort in Sort:
        ids = sorted((order.id for order in made), reverse=sort in {Sort.NEWEST, Sort.HIGHEST})
        assert walk(rows, sorted_by(sort), 10) == ids


@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.OLDEST, Sort.HIGHEST])
def test_orders_whose_ids_are_text_are_listed_once_and_changed_as_others_are(desk, documents, support, sort):
    """As an import leaves them that makes text of ids: the list failed, or began anew for ever."""
    ids = [["an~order", "another", "zzz"], ["text", ObjectId()], [ObjectId()], [ObjectId() for _ in range(3)]]
    for hours, of_an_instant in enumerate(ids):
        at = NOW - timedelta(hours=hours)
        for one in of_an_instant:
            written(documents, _id=one, createdAt=at, completedAt=at, paymentIntentId=f"pi_{one}")
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    rows.list_orders()
    found, cursor = [], None
    for _ in range(3):
        page = rows.page(OrderFilter(sort=sort), 3, cursor)
        found += [order.id for order in page.orders]
        cursor = page.next_cursor
    assert cursor is None
    assert sorted(found) == sorted(str(one) for of_an_instant in ids for one in of_an_instant)
    edited = desk.intents.correct_customer("an~order", {"email": "new@example.com"}, actor=support)
    assert edited.address == "new@example.com"


def test_only_disputes_that_wait_for_an_answer_are_sorted_by_their_deadline():
    waiting = OrderFilter().with_disputes(Disputed.NEEDS_RESPONSE)
    assert filter_query(waiting) == {"disputed": "needs_response", "sort": "due"}
    assert waiting.with_disputes(None) == OrderFilter()
    by_amount = OrderFilter(sort=Sort.HIGHEST)
    assert by_amount.with_disputes(Disputed.NEEDS_RESPONSE).sort is Sort.HIGHEST
    for query in ({"sort": "due"}, {"sort": "due", "disputed": "yes"}):
        with pytest.raises(InvalidFilter):
            parse_filter(query)


def test_a_changed_order_is_found_by_what_it_is_now(desk, documents, admin, support):
    created = desk.intents.create(
        {"productId": "mystique", "customerName": "Anaïs Petit", "customerEmail": "a@b.fr"},
        actor=support,
        source="desk",
    )
    rows = OrderRows(desk.store.database, PARIS, livemode=False)

    def found(search: str) -> int:
        rows.list_orders()
        return rows.count(OrderFilter(search=search), 10)

    assert found("anais") == found(created.order_id) == 1
    desk.intents.edit_customer(
        created.order_id, {"email": "zoe@b.fr", "firstName": "Zoé", "lastName": "Petit"}, actor=support
    )
    assert (found("anais"), found("zoe"), found("petit")) == (0, 1, 1)
    # Another program edits the customer: the next look sees it by updatedAt.
    documents.productorders.update_one(
        {}, {"$set": {"customerName": "Inès Roux", "updatedAt": datetime.now(UTC)}}
    )
    fresh = OrderRows(desk.store.database, PARIS, livemode=False)
    fresh.list_orders()
    assert fresh.count(OrderFilter(search="ines roux"), 10) == 1
    assert fresh.count(OrderFilter(search="petit"), 10) == 0


@pytest.mark.parametrize(
    ("written", "searched"),
    [
        ("+33 6 12 34 56 78", "06 12 34 56 78"),
        ("06.12.34.56.78", "+33612345678"),
        ("(0)612345678", "  0612345678 "),
        ("+32 470 12 34 56", "0470/12.34.56"),
        ("+1 (415) 555-0132", "415-555-0132"),
        ("0612345678", "nadia 0612345678"),
    ],
)
def test_a_customer_is_found_by_telephone_however_it_is_written(desk, support, written, searched):
    body = {"productId": "mystique", "customerName": "Nadia", "customerPhone": written}
    desk.intents.create(body, actor=support, source="desk")
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    rows.list_orders()
    assert rows.count(OrderFilter(search=searched), 10) == 1
    assert rows.count(OrderFilter(search="+33 6 99 99 99 99"), 10) == 0


def test_a_customer_is_found_by_an_address_copied_from_a_page(desk, support):
    body = {"productId": "mystique", "customerEmail": "nadia@example.com"}
    desk.intents.create(body, actor=support, source="desk")
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    rows.list_orders()
    # A title shows it with a mark that nobody sees, so that Markdown makes no link of it.
    assert rows.count(OrderFilter(search="nadia@\u2060example.com"), 10) == 1


def written(documents, count: int = 1, **fields) -> list[ObjectId]:
    """Orders as another program writes them: paid three days ago and left alone since."""
    made = NOW - timedelta(days=3)
    rows = [
        {
            "_id": ObjectId(),
            "productId": "mystique",
            "amount": 4700,
            "currency": "eur",
            "status": "completed",
            "paymentIntentId": f"pi_{number:024x}",
            "createdAt": made,
            "updatedAt": made,
            "completedAt": made,
            **fields,
        }
        for number in range(count)
    ]
    documents.productorders.insert_many(rows)
    return [row["_id"] for row in rows]


@pytest.fixture
def looks_at_once(monkeypatch):
    """Changes are looked for whenever orders are listed, not every few seconds."""
    monkeypatch.setattr(order_listing, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(order_listing, "REST", 0)


def level(name: str) -> OrderFilter:
    return OrderFilter(levels=frozenset({name}))


@pytest.mark.parametrize("ago", [timedelta(minutes=5), timedelta(0)])
def test_orders_changed_at_one_instant_are_all_listed_anew(desk, documents, looks_at_once, ago):
    """updateMany of the other program gives every order of it the same updatedAt."""
    written(documents, 25)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    changed = {"productId": "profond", "updatedAt": datetime.now(UTC) - ago}
    documents.productorders.update_many({}, {"$set": changed})
    assert [rows.list_orders(10) for _ in range(3)] == [False, False, True]
    assert (rows.count(level("mystique"), 30), rows.count(level("profond"), 30)) == (0, 25)


def test_a_reader_beside_one_who_still_lists_is_told_so(desk, documents, looks_at_once, monkeypatch):
    written(documents, 25)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    documents.productorders.update_many(
        {}, {"$set": {"productId": "profond", "updatedAt": datetime.now(UTC)}}
    )
    assert not rows.list_orders(10)
    listing_them, told = Event(), Event()

    def listed_slowly(order):
        listing_them.set()
        told.wait(10)
        return listing(order)

    monkeypatch.setattr(order_listing, "listing", listed_slowly)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(rows.list_orders, 10)
        listing_them.wait(10)
        assert not rows.list_orders(10)
        told.set()
        assert not other.result()
    assert rows.list_orders(10)
    assert rows.count(level("profond"), 30) == 25


def test_what_is_not_listed_because_the_store_fails_is_listed_next_time(
    desk, documents, looks_at_once, monkeypatch
):
    written(documents, 25)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    documents.productorders.update_many(
        {}, {"$set": {"productId": "profond", "updatedAt": datetime.now(UTC)}}
    )
    with monkeypatch.context() as failing:
        failing.setattr(order_listing, "listing", lambda order: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rows.list_orders(10)
    while not rows.list_orders(10):
        pass
    assert rows.count(level("profond"), 30) == 25


def test_an_amount_that_another_program_changed_is_sorted_and_filtered_by(desk, documents, looks_at_once):
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    [changed] = written(documents, amount=9900)
    assert rows.list_orders()
    documents.productorders.update_one({}, {"$set": {"amount": 8800, "updatedAt": datetime.now(UTC)}})
    assert rows.list_orders()
    for wanted in (
        OrderFilter(sort=Sort.HIGHEST),
        OrderFilter(sort=Sort.LOWEST, minimum=8000),
        OrderFilter(minimum=8800, maximum=8800),
    ):
        assert walk(rows, wanted, 1) == [str(changed)]


@pytest.mark.parametrize("searched", ["nadia@example.com", "NADIA@EXAMPLE.COM", "nadia", "nad"])
def test_an_order_is_found_by_an_address_that_stands_in_its_metadata_alone(desk, documents, searched):
    written(documents, metadata={"customerEmail": "Nadia@example.com"})
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    assert rows.count(OrderFilter(search=searched), 10) == 1
    assert rows.count(OrderFilter(search="camille@example.com"), 10) == 0


def test_a_change_by_a_clock_far_behind_ours_is_seen_too(desk, documents, looks_at_once):
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    written(documents, customerName="Camille Roux")
    assert rows.list_orders()
    late = datetime.now(UTC) - OVERLAP + timedelta(seconds=5)
    documents.productorders.update_one({}, {"$set": {"customerName": "Zoé Martin", "updatedAt": late}})
    assert rows.list_orders()
    assert rows.count(OrderFilter(search="zoe"), 10) == 1
    assert rows.count(OrderFilter(search="camille"), 10) == 0


def test_an_order_that_stays_as_it_is_is_not_read_again(desk, documents, looks_at_once, monkeypatch):
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    ids = written(documents, 5, updatedAt=datetime.now(UTC) - timedelta(minutes=1))
    assert rows.list_orders()
    assert rows.list_orders()
    read = []
    monkeypatch.setattr(order_listing, "listing", lambda order: read.append(order.id) or listing(order))
    assert rows.list_orders()
    assert read == []
    documents.productorders.update_one({"_id": ids[3]}, {"$set": {"updatedAt": datetime.now(UTC)}})
    rows.list_orders()
    assert set(read) == {str(ids[3])}


def test_orders_of_the_first_instants_are_listed(desk, documents):
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    oldest, old = (
        str(written(documents, paymentIntentId=f"pi_{at:%Y}", createdAt=at, completedAt=at)[0])
        for at in EPOCHS
    )
    rows.list_orders()
    for wanted in (
        OrderFilter(),
        level("mystique"),
        OrderFilter(dated=DateField.COMPLETED),
        OrderFilter(statuses=frozenset({OrderStatus.COMPLETED})),
    ):
        for size in (1, 10):
            assert walk(rows, wanted, size) == [old, oldest]
            assert walk(rows, replace(wanted, sort=Sort.OLDEST), size) == [oldest, old]
    # One who joins a list that is being read already.
    documents.productorders.delete_one({"_id": ObjectId(oldest)})
    assert walk(rows, OrderFilter(sort=Sort.OLDEST), 1) == [old]


@pytest.mark.parametrize("dated", [DateField.CREATED, DateField.COMPLETED])
@pytest.mark.parametrize(
    "ways", [{}, {"sort": Sort.HIGHEST}, {"search": "anna"}, {"search": "anna", "sort": Sort.HIGHEST}]
)
def test_the_first_instant_of_a_day_is_of_that_day_and_not_of_the_day_before(desk, documents, dated, ways):
    midnights = [MIDNIGHT - timedelta(days=7), MIDNIGHT - timedelta(days=6)]
    ids = [
        str(
            written(
                documents, paymentIntentId=f"pi_{at:%d}", createdAt=at, completedAt=at, customerName="Anna"
            )[0]
        )
        for at in midnights
    ]
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    rows.list_orders()
    for at, order_id in zip(midnights, ids, strict=True):
        wanted = OrderFilter(dated=dated, first=day_of(at), last=day_of(at), **ways)
        assert walk(rows, wanted, 1) == [order_id]


@pytest.mark.parametrize("absent", ["missing", "null"])
def test_a_completed_order_without_its_date_is_listed_on_the_day_that_revenue_counts_it(
    desk, documents, admin, absent
):
    [undated] = written(documents, completedAt=None, createdAt=NOW - timedelta(days=1), updatedAt=NOW)
    [dated] = written(documents, paymentIntentId="pi_dated", createdAt=NOW - timedelta(days=9))
    # Neither was ever paid.
    for number, status in enumerate(("failed", "pending")):
        written(documents, paymentIntentId=f"pi_no_{number}", status=status, completedAt=None)
    if absent == "missing":
        documents.productorders.update_many({"completedAt": None}, {"$unset": {"completedAt": ""}})
    wanted = OrderFilter(dated=DateField.COMPLETED)
    listed = [order.id for order in desk.order_list.page(wanted, 10, actor=admin).orders]
    assert listed == [str(undated), str(dated)]
    for back, order_id in ((1, undated), (3, dated)):
        day = day_of(NOW - timedelta(days=back))
        [counted] = desk.revenue.days(day, day, actor=admin)
        one = replace(wanted, first=day, last=day)
        assert [order.id for order in desk.order_list.page(one, 10, actor=admin).orders] == [str(order_id)]
        exported = list(desk.order_list.export(one, kind="csv", actor=admin))
        assert (len(exported), sum(order.amount for order in exported)) == (
            counted["orders"],
            counted["gross"],
        )


def test_an_order_listed_by_an_earlier_version_is_listed_anew(desk, documents, support):
    desk.intents.create({"productId": "mystique"}, actor=support, source="desk")
    OrderRows(desk.store.database, PARIS, livemode=False).list_orders()
    listed = documents.productorders.find_one()["listing"]
    documents.productorders.update_one({}, {"$set": {"listing": {"version": 1, "keys": [], "text": ""}}})
    OrderRows(desk.store.database, PARIS, livemode=False).list_orders()
    assert documents.productorders.find_one()["listing"] == listed


@pytest.mark.parametrize("differs", [False, True])
@pytest.mark.parametrize("stripe_statuses", [{"none"}, {"none", "unknown"}, {"none", "canceled"}])
def test_a_free_order_was_never_at_stripe_whatever_its_document_says(desk, stripe_statuses, differs):
    order = Order(
        id=str(ObjectId()),
        product_id="initie",
        amount=0,
        currency="eur",
        status=OrderStatus.COMPLETED,
        payment_intent_id="free_1",
        created_at=NOW,
        updated_at=NOW,
        completed_at=NOW,
        stripe_status="canceled",
    )
    desk.orders.insert_many([order])
    wanted = OrderFilter(stripe_statuses=frozenset(stripe_statuses), differs=differs)
    assert walk(OrderRows(desk.store.database, PARIS, livemode=False), wanted, 1) == [order.id]


def test_refunds_and_disputes_are_found_as_soon_as_they_are_known(desk, admin, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="desk")
    desk.intents.confirm(created.order_id, "pm_card_visa", actor=admin)
    desk.refunds.create(created.order_id, 1000, actor=admin)
    order = desk.intents.find(created.order_id, actor=admin)
    dispute = Dispute(id="dp_1", amount=4700, status="needs_response", created_at=NOW)
    desk.orders.add_dispute(order, dispute)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    rows.list_orders()
    assert rows.count(OrderFilter(refunded=True), 10) == 1
    assert rows.count(OrderFilter(disputed=Disputed.YES), 10) == 1
    assert rows.count(OrderFilter(refunded=False), 10) == 0
    # Once it is answered it is a dispute still, and waits for nobody here.
    unanswered = OrderFilter(disputed=Disputed.NEEDS_RESPONSE)
    assert rows.count(unanswered, 10) == 1
    order = desk.intents.find(created.order_id, actor=admin)
    answered = Dispute(
        id="dp_1", amount=4700, status="under_review", created_at=NOW, as_of=NOW + timedelta(hours=1)
    )
    desk.orders.add_dispute(order, answered)
    rows.list_orders()
    assert rows.count(unanswered, 10) == 0
    assert rows.count(OrderFilter(disputed=Disputed.YES), 10) == 1


def test_every_plan_is_served_by_an_index(desk):
    """The first stage of every plan is an equality and a range that some index begins with."""
    made = [
        Order(
            id=str(ObjectId()),
            product_id="mystique",
            customer_name="Camille Laurent",
            amount=4700,
            status="failed",
            payment_intent_id=f"pi_{number:024x}",
            stripe_status="requires_payment_method",
            created_at=NOW - timedelta(minutes=number),
            updated_at=NOW,
        )
        for number in range(300)
    ]
    desk.orders.insert_many(made)
    database = desk.store.database
    asked = []

    class Watched(Collection):
        def aggregate(self, pipeline):
            asked.append(pipeline)
            return super().aggregate(pipeline)

    watched = Watched(database, "productorders")
    rows = OrderRows(ChainMap({"productorders": watched}, database), PARIS, livemode=False)
    for wanted in (
        OrderFilter(),
        OrderFilter(search="camille"),
        OrderFilter(search=made[0].id),
        OrderFilter(disputed=Disputed.YES),
        OrderFilter(disputed=Disputed.NEEDS_RESPONSE),
        OrderFilter(disputed=Disputed.NEEDS_RESPONSE, sort=Sort.DUE),
        OrderFilter(differs=True),
        OrderFilter(statuses=frozenset({OrderStatus.FAILED})),
        OrderFilter(stripe_statuses=frozenset({"requires_payment_method"})),
        OrderFilter(levels=frozenset({"mystique"})),
        OrderFilter(sources=frozenset({"former"})),
        OrderFilter(minimum=4700, maximum=4700),
        OrderFilter(sort=Sort.HIGHEST),
        OrderFilter(dated=DateField.COMPLETED),
        OrderFilter(dated=DateField.REFUNDED),
    ):
        rows.page(wanted, 50)
    indexes = [[name for name, _ in index["key"].items()] for index in database.productorders.list_indexes()]
    for pipeline in asked:
        fields = list(pipeline[0]["$match"])
        assert any(set(index[: len(fields)]) == set(fields) for index in indexes), fields


def test_what_changed_while_no_desk_ran_is_listed_when_one_runs_again(desk, documents):
    written(documents, customerName="Camille Roux")
    assert OrderRows(desk.store.database, PARIS, livemode=False).list_orders()
    assert documents.listing_state.count_documents({"seen": {"$exists": True}}) == 1
    # Long ago now: another program has changed the order since, and that is days ago too.
    days = timedelta(days=1)
    documents.listing_state.update_one({}, {"$set": {"seen": datetime.now(UTC) - 9 * days}})
    changed = {"customerName": "Zoé Martin", "updatedAt": datetime.now(UTC) - 7 * days}
    documents.productorders.update_one({}, {"$set": changed})
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    assert rows.count(OrderFilter(search="zoé"), 5) == 1
    assert documents.listing_state.find_one()["seen"] > datetime.now(UTC) - days


@pytest.mark.parametrize(
    "odd",
    [
        {"refunds": None, "timeline": None, "disputes": None, "revision": None},
        {"amount": 4700.4, "source": None, "livemode": None, "lastRefundAt": None},
    ],
)
def test_a_field_of_nothing_is_a_field_that_is_not_there(desk, documents, admin, odd):
    [order_id] = written(documents, customerName="Zoé Martin", **odd)
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    assert walk(rows, OrderFilter(search="zoé"), 5) == [str(order_id)]
    [order] = rows.page(OrderFilter(), 5).orders
    assert (order.amount, order.refunds, order.timeline) == (4700, [], [])
    assert desk.intents.find(order.payment_intent_id, actor=admin) == order


def test_one_document_that_is_no_order_hides_no_other(desk, documents):
    # From before there were validators.
    documents.command({"collMod": "productorders", "validator": {}})
    try:
        written(documents, paymentIntentId="pi_spoilt", amount="much", timeline="none", createdAt=NOW)
        written(documents, 3)
    finally:
        desk.store.prepare()
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    assert rows.count(level("mystique"), 30) == 3
    assert [len(rows.page(OrderFilter(), size).orders) for size in (2, 4)] == [1, 3]
    assert len(list(rows.every(OrderFilter()))) == 3
    assert len(list(desk.orders.created_between(NOW - timedelta(days=9), NOW + timedelta(days=1)))) == 3


# Milliseconds that were taken for seconds, a date of before Python's first, and the last that it has.
BEYOND = [DatetimeMS(1_700_000_000_000_000), DatetimeMS(-(10**15)), datetime.max.replace(tzinfo=UTC)]


@pytest.mark.parametrize("beyond", BEYOND)
@pytest.mark.parametrize("name", ["createdAt", "updatedAt", "completedAt"])
def test_a_date_of_no_calendar_hides_no_other_order(desk, documents, admin, name, beyond):
    """The driver gave up reading all documents of the page, and a file with such an instant broke off."""
    written(documents, paymentIntentId="pi_beyond", **{name: beyond})
    written(documents, customerEmail="zoe@example.com")
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    assert rows.list_orders()
    for wanted in (OrderFilter(), level("mystique"), sorted_by(Sort.HIGHEST)):
        assert [order.address for order in rows.page(wanted, 10).orders] == ["zoe@example.com"]
    assert desk.order_list.count(OrderFilter(differs=True), actor=admin) == 0
    with pytest.raises(OrderUnreadable, match=name):
        desk.intents.find("pi_beyond", actor=admin)


def test_a_date_of_no_calendar_in_the_metadata_is_shown_as_it_is(desk, documents, admin):
    written(documents, paymentIntentId="pi_beyond", metadata={"born": BEYOND[0]})
    order = desk.intents.find("pi_beyond", actor=admin)
    assert as_json(order.metadata) == {"born": "DatetimeMS(1700000000000000)"}


def test_an_order_is_found_by_the_amount_that_it_was_just_given(desk):
    """Before anybody looks what changed: a list sorted by amount walks the amounts that are known."""
    rows = OrderRows(desk.store.database, PARIS, livemode=False)
    made = {"product_id": "mystique", "status": "pending", "created_at": NOW, "updated_at": NOW}
    order = Order(id=Orders.new_id(), amount=4700, payment_intent_id="pi_1", **made)

    def amounts():
        return [found.amount for found in rows.page(OrderFilter(sort=Sort.HIGHEST), 5).orders]

    desk.orders.insert(order)
    assert amounts() == [4700]
    waits = Observation(OrderStatus.PENDING, "requires_action", NOW, amount=5200, currency="eur")
    desk.orders.move(order, waits, by="stripe")
    assert amounts() == [5200]
    paid = Observation(OrderStatus.COMPLETED, "succeeded", NOW, amount=6100, currency="eur")
    assert desk.orders.move_unread("pi_1", paid, by="stripe")
    assert amounts() == [6100]
    entry = TimelineEntry(at=NOW, kind="amount.corrected", by="ada", amount=7300)
    assert desk.orders.correct_amount(desk.orders.get(order.id), 7300, "eur", entry)
    assert amounts() == [7300]


@pytest.mark.parametrize("descending", [True, False])
def test_amounts_with_a_fraction_are_sorted_filtered_and_paged_by_what_they_are_read_as(
    desk, documents, admin, descending
):
    """The other program stored them as doubles; half a cent is the even one."""
    stored_amounts = [4700.5, 4701.5, 4700, 4701.4, 0.0000001, 9900.0]
    for number, amount in enumerate(stored_amounts):
        written(documents, amount=amount, paymentIntentId=f"pi_{number}")
    sort = Sort.HIGHEST if descending else Sort.LOWEST
    read = sorted(map(round, stored_amounts), reverse=descending)
    for minimum, maximum in itertools.product([None, 0, 4700, 4701, 4702], [None, 0, 4700, 4701, 4702]):
        wanted = OrderFilter(minimum=minimum, maximum=maximum, sort=sort)
        inside = [
            amount
            for amount in read
            if (minimum is None or amount >= minimum) and (maximum is None or amount <= maximum)
        ]
        for size in (1, 10):
            found, cursor = [], None
            while len(found) <= len(inside):
                page = desk.order_list.page(wanted, size, cursor, actor=admin)
                found += [order.amount for order in page.orders]
                if (cursor := page.next_cursor) is None:
                    break
            assert found == inside
        newest = desk.order_list.page(OrderFilter(minimum=minimum, maximum=maximum), 10, actor=admin)
        assert sorted(order.amount for order in newest.orders) == sorted(inside)


class Written(CommandListener):
    """How many changes each write holds."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def started(self, event: Any) -> None:
        if event.command_name == "update":
            self.sizes.append(len(event.command["updates"]))

    def succeeded(self, event: Any) -> None:
        """Says nothing."""

    failed = succeeded


def test_however_many_orders_are_listed_no_write_keeps_the_store_from_others_for_long(
    desk, documents, store_uri
):
    former = {"productId": "x", "amount": 1, "currency": "eur", "status": "failed"}
    documents.productorders.insert_many(
        [former | {"createdAt": NOW, "updatedAt": NOW} for _ in range(250)], ordered=False
    )
    written = Written()
    with MongoClient[Any](store_uri, tz_aware=True, event_listeners=[written]) as client:
        rows = OrderRows(client[documents.name], PARIS, livemode=False)
        assert rows.list_orders(1_000)
        assert rows.count(OrderFilter(levels=frozenset({"unknown"})), 1_000) == 250
    assert max(written.sizes) <= 100


class Asked(CommandListener):
    """What is asked for first by each aggregation, without its windows."""

    def __init__(self) -> None:
        self.prefixes: list[dict[str, Any]] = []

    def started(self, event: Any) -> None:
        if event.command_name == "aggregate":
            first = event.command["pipeline"][0]["$match"]
            self.prefixes.append({name: value for name, value in first.items() if name != "createdAt"})

    def succeeded(self, event: Any) -> None:
        """Says nothing."""

    failed = succeeded


def test_how_many_there_are_is_not_counted_along_every_amount(desk, documents, store_uri):
    for amount in (4700, 6700, 9900):
        desk.orders.insert(
            Order(
                id=Orders.new_id(),
                product_id="x",
                amount=amount,
                status="completed",
                amount_refunded=100,
                payment_intent_id=f"pi_{amount}",
                created_at=NOW,
                updated_at=NOW,
            )
        )
    asked = Asked()
    with MongoClient[Any](store_uri, tz_aware=True, event_listeners=[asked]) as client:
        rows = OrderRows(client[documents.name], PARIS, livemode=False)
        assert rows.count(OrderFilter(refunded=True, sort=Sort.HIGHEST), 10) == 3
    assert {str(prefix) for prefix in asked.prefixes} == {str({"listing.keys": ":refunded"})}


def test_a_whole_address_is_looked_up_by_all_that_stands_before_its_domain():
    # By the first letters of a first name alone, a house's every Camille was read to find one.
    assert search_key(search_words("camille.laurent.7@example.com")) == "camille.laurent.7@"


class Windows(CommandListener):
    """The longest time that one aggregation looks at."""

    def __init__(self) -> None:
        self.longest = timedelta()

    def started(self, event: Any) -> None:
        if event.command_name == "aggregate":
            bounds = event.command["pipeline"][0]["$match"]["createdAt"]
            # What is dated in the future is in the first.
            self.longest = max(self.longest, min(bounds["$lt"], NOW) - bounds["$gt"])

    def succeeded(self, event: Any) -> None:
        """Says nothing."""

    failed = succeeded


def made_days_ago(days, **fields):
    return Order(
        id=Orders.new_id(),
        product_id="x",
        amount=1,
        status="failed",
        payment_intent_id=f"pi_{days}",
        created_at=NOW - timedelta(days=days),
        updated_at=NOW,
        **fields,
    )


def test_after_a_long_time_without_a_row_no_window_holds_all_that_came_before(
    desk, documents, store_uri, monkeypatch
):
    """Orders of the program that was replaced a hundred days ago, on a store that reads a window whole."""
    monkeypatch.setattr("lumira.storage.order_rows.IN_A_WINDOW", 20)
    made = [made_days_ago(days, source="api" if days < 100 else None) for days in range(400)]
    desk.orders.insert_many(made)
    windows = Windows()
    former = OrderFilter(sources=frozenset({FORMER}))
    with MongoClient[Any](store_uri, tz_aware=True, event_listeners=[windows]) as client:
        page = OrderRows(client[documents.name], PARIS, livemode=False).page(former, 10)
    assert [order.id for order in page.orders] == [order.id for order in made[100:110]]
    assert windows.longest < timedelta(days=25)


@pytest.mark.parametrize("searched", ["pi_390000000000", "zoe.martin@example.com", "06 12 34 56 78"])
def test_what_few_orders_have_is_found_in_a_few_steps_however_many_there_are(
    desk, documents, store_uri, monkeypatch, searched
):
    """In windows as narrow as for what many have, one order of a million took 200 questions."""
    monkeypatch.setattr("lumira.storage.order_rows.IN_A_WINDOW", 20)
    own = {"customer_email": "zoe.martin@example.com", "metadata": {"customerPhone": "+33 6 12 34 56 78"}}
    made = [made_days_ago(days, **(own if days == 390 else {})) for days in range(400)]
    made[390] = made[390].model_copy(update={"payment_intent_id": "pi_390000000000"})
    desk.orders.insert_many(made)
    asked = Asked()
    with MongoClient[Any](store_uri, tz_aware=True, event_listeners=[asked]) as client:
        page = OrderRows(client[documents.name], PARIS, livemode=False).page(OrderFilter(search=searched), 10)
    assert [order.id for order in page.orders] == [made[390].id]
    assert len(asked.prefixes) < 12


@pytest.mark.parametrize("sort", [Sort.OLDEST, Sort.LOWEST])
def test_whoever_looks_from_the_oldest_on_is_done_with_the_last_order(
    desk, documents, store_uri, monkeypatch, sort
):
    """Window by window the way to the year 3000 was thousands of questions: two seconds for nothing."""
    monkeypatch.setattr("lumira.storage.order_rows.IN_A_WINDOW", 20)
    made = [
        made_days_ago(days)
        # One by a clock that is ahead of ours.
        for days in range(-30, 370)
    ]
    desk.orders.insert_many(made)
    asked = Asked()
    with MongoClient[Any](store_uri, tz_aware=True, event_listeners=[asked]) as client:
        rows = OrderRows(client[documents.name], PARIS, livemode=False)
        assert rows.page(OrderFilter(search="pi_zz", sort=sort), 50).orders == []
        assert len(asked.prefixes) < 100
        assert [order.id for order in rows.every(OrderFilter(sort=sort))] == [one.id for one in made[::-1]]


@pytest.mark.parametrize("fails", [False, True])
def test_no_page_waits_until_the_orders_are_counted(desk, store_uri, fails):
    order = make_order()
    desk.orders.insert(order)
    ended = Event()

    def fate(command: str) -> Fate:
        if command == "count" and not fails:
            ended.wait(30)
        return Fate.WT_PANIC if command == "count" else Fate.PASSES

    with (
        gate(urlsplit(store_uri).port, fate) as uri,
        closing(Store(uri, desk.store.database.name)) as store,
    ):
        rows = OrderRows(store.database, desk.settings.business_timezone, livemode=False)
        for _ in range(2):
            assert [listed.id for listed in rows.page(OrderFilter(), 50).orders] == [order.id]
        ended.set()
