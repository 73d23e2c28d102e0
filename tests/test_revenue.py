"""Revenue: what is kept by day, what the orders say, and what pandas makes of the same orders agree."""

from __future__ import annotations

import gzip
import json
import math
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from bson import Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lumira.access import Actor, Role
from lumira.errors import Forbidden, StoreUnavailable
from lumira.orders import Observation, OrderStatus
from lumira.revenue import Conversion, Revenue, contiguous
from lumira.revenue_sums import (
    Period,
    Totals,
    by_hour,
    by_period,
    combine,
    differences,
    failures,
    frame,
    totals,
)
from lumira.storage import RevenueRows, Rollups

PARIS = ZoneInfo("Europe/Paris")
FANNY = Actor("fanny", Role.FINANCE)
# Wide enough for every instant below, with both changes of the clocks.
FIRST, LAST = date(2025, 10, 18), date(2026, 4, 4)
FIGURES = ["gross", "refunds", "fees", "orders", "free", "refunded", "disputed", "failed", "fees_known"]
quick = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Midnight and the two changes of the clocks in Paris, to the millisecond.
EDGES = [
    datetime(2026, 3, 28, 22, 59, 59, 999000, UTC),
    datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 59, 999000, UTC),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 21, 59, 59, 999000, UTC),
    datetime(2026, 3, 29, 22, 0, tzinfo=UTC),
    datetime(2025, 10, 25, 22, 0, tzinfo=UTC),
    datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
    datetime(2025, 10, 26, 1, 30, tzinfo=UTC),
    datetime(2025, 10, 26, 22, 59, 59, 999000, UTC),
    datetime(2025, 10, 26, 23, 0, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 0, tzinfo=UTC),
]
instants = st.sampled_from(EDGES) | st.datetimes(
    datetime(2025, 10, 20),  # noqa: DTZ001 - made UTC below
    datetime(2026, 4, 2),  # noqa: DTZ001
).map(lambda d: d.replace(microsecond=d.microsecond // 1000 * 1000, tzinfo=UTC))
# Names of levels as they were stored over the years, and what each means.
PRODUCTS = {
    "initie": "initie",
    "Niveau Initié": "initie",
    "mystique": "mystique",
    "2": "mystique",
    "Alchimique": "profond",
    "profond": "profond",
    "INTÉGRALE": "integrale",
    "?": "unknown",
}


@st.composite
def documents(draw):
    """One stored order, ours or the other program's: prices, currencies, refunds and modes of every kind."""
    amount = draw(
        st.sampled_from([0, 500, 2700, 4700, 4900.0, 4700.5, 4701.5, 6700, 9900, 19900, 99_999_999])
    )
    status = draw(
        st.sampled_from(["completed", "completed", "completed", "failed", "failed", "pending", "cancelled"])
    )
    created = draw(instants)
    document: dict[str, Any] = {
        "productId": draw(st.sampled_from(list(PRODUCTS))),
        "amount": amount,
        "currency": draw(st.sampled_from(["eur", "eur", "jpy", "usd", "kwd"])),
        "status": status,
        "createdAt": created,
        "updatedAt": datetime.now(UTC),
    }
    livemode = draw(st.sampled_from([False, False, True, None, "absent"]))
    if livemode != "absent":
        document["livemode"] = livemode
    if status == "failed":
        document["failureCode"] = draw(st.sampled_from(["insufficient_funds", "expired_card", None]))
    if status == "completed" and amount and draw(st.booleans()):
        document["fee"] = draw(st.integers(1, 400))
        document["feeCurrency"] = draw(st.sampled_from([document["currency"], "eur"]))
    if status == "completed" and draw(st.integers(0, 5)):
        document["completedAt"] = draw(instants)
    if status == "completed" and amount:
        parts = draw(st.lists(st.integers(1, int(amount) // 2), max_size=2))
        document["refunds"] = [
            {
                "id": f"re_{number}",
                "amount": part,
                "status": draw(st.sampled_from(["succeeded", "pending", "failed", "canceled"])),
                "createdAt": draw(instants),
            }
            for number, part in enumerate(parts)
        ]
        made = [r["createdAt"] for r in document["refunds"] if r["status"] in {"succeeded", "pending"}]
        if made:
            document["lastRefundAt"] = max(made)
        if draw(st.booleans()):
            document["disputes"] = [{"id": "du_1", "amount": 1, "status": "lost", "createdAt": created}]
    return document


def by_pandas(orders: list[dict[str, Any]]) -> pd.DataFrame:
    """The daily figures, worked out another way: one flat frame of everything that counts."""
    flat = []
    for order in orders:
        if order.get("livemode") is True:
            continue
        level = PRODUCTS[order["productId"]]
        paid_at = order.get("completedAt") or order["createdAt"]
        plain = {"level": level, "currency": order["currency"], **dict.fromkeys(FIGURES, 0)}
        if order["status"] == "completed":
            figures = {
                "gross": round(order["amount"]),
                "orders": int(order["amount"] > 0),
                "free": int(order["amount"] == 0),
                "disputed": int(bool(order.get("disputes"))),
                "fees_known": int("fee" in order),
            }
            flat.append(plain | figures | {"at": paid_at})
            if "fee" in order:
                flat.append(plain | {"currency": order["feeCurrency"], "fees": order["fee"], "at": paid_at})
        if order["status"] == "failed":
            flat.append(plain | {"failed": 1, "at": order["createdAt"]})
        flat += [
            plain | {"refunds": refund["amount"], "refunded": 1, "at": refund["createdAt"]}
            for refund in order.get("refunds", [])
            if refund["status"] not in {"failed", "canceled"}
        ]
    table = pd.DataFrame(flat, columns=["at", "level", "currency", *FIGURES])
    table["day"] = pd.to_datetime(table["at"], utc=True).dt.tz_convert("Europe/Paris").dt.date
    return table.groupby(["day", "level", "currency"])[FIGURES].sum().sort_index()


def as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of ours in the same form."""
    table = pd.DataFrame(rows, columns=["day", "level", "currency", *FIGURES])
    return table.set_index(["day", "level", "currency"]).sort_index()


def assert_same(ours: list[dict[str, Any]], expected: pd.DataFrame) -> None:
    assert as_table(ours).to_dict("index") == expected.to_dict("index")


def start_anew(desk) -> None:
    """Every example has a store of its own, as far as revenue can see."""
    desk.store.database.productorders.delete_many({})
    desk.store.database.revenue_state.delete_many({})


@quick
@given(st.lists(documents(), max_size=12))
def test_kept_counted_and_pandas_agree_to_the_cent(desk, orders):
    start_anew(desk)
    if orders:
        desk.store.database.productorders.insert_many(orders)
    expected = by_pandas(orders)
    kept = desk.revenue.days(FIRST, LAST, actor=FANNY)
    assert_same(kept, expected)
    assert_same(desk.revenue.counted(FIRST, LAST, actor=FANNY), expected)
    assert desk.revenue.verify(actor=FANNY)[0] == []
    daily = frame(kept)
    assert (daily["net"] == daily["gross"] - daily["refunds"]).all()
    for period in Period:
        assert totals(by_period(daily, period)) == totals(daily)
    assert sum(map(sum, by_hour(kept))) == daily["orders"].sum()
    assert sum(count for _, count in failures(kept)) == daily["failed"].sum()


def test_a_refund_dated_before_every_order_counts_on_its_day(desk):
    paid, refunded = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    desk.store.database.productorders.insert_one(
        {
            "productId": "mystique",
            "amount": 4700,
            "currency": "eur",
            "status": "completed",
            "createdAt": paid,
            "updatedAt": paid,
            "completedAt": paid,
            "refunds": [{"id": "re_1", "amount": 1000, "status": "succeeded", "createdAt": refunded}],
            "lastRefundAt": refunded,
        }
    )
    kept = desk.revenue.days(FIRST, LAST, actor=FANNY)
    assert [(row["day"], row["refunds"]) for row in kept] == [(date(2025, 10, 26), 1000), (paid.date(), 0)]


changes = st.lists(st.tuples(st.integers(0, 5), documents()), min_size=1, max_size=8)


@pytest.mark.long(13)
@quick
@given(st.lists(documents(), min_size=1, max_size=6), changes)
def test_what_is_kept_follows_every_change(desk, orders, rewrites):
    """Orders are made and rewritten at will, by programs that only keep updatedAt: the days follow."""
    start_anew(desk)
    collection = desk.store.database.productorders
    collection.insert_many(orders)
    desk.revenue.refresh()
    for number, document in rewrites:
        document = document | {"updatedAt": datetime.now(UTC)}
        if number < len(orders):
            # An order keeps the instant it was made; everything else of it may change.
            document |= {"_id": orders[number]["_id"], "createdAt": orders[number]["createdAt"]}
            collection.replace_one({"_id": document["_id"]}, document)
            # What counted before the order was made is found when all is checked, not at once.
            orders[number] = document
        else:
            collection.insert_one(document)
            orders.append(document)
        desk.revenue.refresh()
    desk.revenue.recheck(seconds=30)
    assert_same(desk.revenue.days(FIRST, LAST, actor=FANNY), by_pandas(orders))


def sold(desk, **fields) -> ObjectId:
    """An order of 47 euros, paid just now; `fields` change it."""
    now = datetime.now(UTC)
    document = {
        "productId": "mystique",
        "amount": 4700,
        "currency": "eur",
        "status": "completed",
        "createdAt": now,
        "completedAt": now,
        "updatedAt": now,
        "livemode": False,
    }
    return desk.store.database.productorders.insert_one(document | fields).inserted_id


def sums(desk, days: int = 400) -> Totals:
    today = desk.revenue.today()
    found = totals(desk.revenue.daily(today - timedelta(days=days), today, actor=FANNY))
    return found[0] if found else Totals("eur")


def test_an_order_that_moves_to_another_day_leaves_the_first(desk):
    now = datetime.now(UTC)
    order = sold(desk, createdAt=now - timedelta(days=90), completedAt=now - timedelta(days=60))
    assert sums(desk).gross == 4700
    moved = {"completedAt": now - timedelta(days=20), "updatedAt": now}
    desk.store.database.productorders.update_one({"_id": order}, {"$set": moved})
    assert sums(desk).gross == 4700
    assert sums(desk, 30).gross == 4700
    back = {"completedAt": now - timedelta(days=70), "updatedAt": datetime.now(UTC)}
    desk.store.database.productorders.update_one({"_id": order}, {"$set": back})
    assert sums(desk, 30).gross == 0
    assert sums(desk).gross == 4700


def test_a_refund_of_an_old_order_counts_today(desk):
    then = datetime.now(UTC) - timedelta(days=200)
    order = sold(desk, createdAt=then, completedAt=then, updatedAt=then)
    assert sums(desk).refunds == 0
    now = datetime.now(UTC)
    refund = {"id": "re_1", "amount": 1700, "status": "succeeded", "createdAt": now}
    news = {"refunds": [refund], "amountRefunded": 1700, "lastRefundAt": now, "updatedAt": now}
    desk.store.database.productorders.update_one({"_id": order}, {"$set": news})
    assert (sums(desk, 1).refunds, sums(desk, 1).gross, sums(desk).gross) == (1700, 0, 4700)


def test_an_authorization_given_back_is_no_refund_of_revenue(desk):
    """Stripe shows what it releases of a payment that was never captured as a refund: no money had come."""
    now = datetime.now(UTC)
    released = [{"id": "re_1", "amount": 4700, "status": "succeeded", "createdAt": now}]
    sold(desk, status="cancelled", completedAt=None, refunds=released, lastRefundAt=now)
    sold(desk)
    assert (sums(desk).gross, sums(desk).refunds, sums(desk).net) == (4700, 0, 4700)


def test_why_a_payment_failed_follows_a_second_try_that_left_no_charge(desk):
    """The bank's own page failed: Stripe has another reason, and the charge of the first try."""
    now = datetime.now(UTC)
    failed = {"status": "failed", "completedAt": None, "failureCode": "insufficient_funds"}
    order_id = sold(desk, **failed, latestCharge="ch_1", updatedAt=now - timedelta(hours=1))

    def reasons() -> list[tuple[str, int]]:
        return failures(desk.revenue.days(desk.revenue.today(), desk.revenue.today(), actor=FANNY))

    assert reasons() == [("insufficient_funds", 1)]
    code = "payment_intent_authentication_failure"
    again = Observation(
        OrderStatus.FAILED, "requires_payment_method", now, failure_code=code, latest_charge="ch_1"
    )
    desk.orders.move(desk.orders.find(str(order_id)), again, by="stripe")
    assert reasons() == [(code, 1)]
    assert [entry.code for entry in desk.orders.find(str(order_id)).timeline] == [code]
    # The same once more is no third try.
    later = replace(again, at=now + timedelta(seconds=1))
    desk.orders.move(desk.orders.find(str(order_id)), later, by="stripe")
    assert len(desk.orders.find(str(order_id)).timeline) == 1


def test_a_reason_that_changed_without_a_new_date_is_found_when_all_is_rechecked(desk):
    then = datetime.now(UTC) - timedelta(days=40)
    failed = {"status": "failed", "completedAt": None, "failureCode": "expired_card"}
    order_id = sold(desk, **failed, createdAt=then, updatedAt=then)
    desk.revenue.refresh()
    changed = {"$set": {"failureCode": "insufficient_funds"}}
    desk.store.database.productorders.update_one({"_id": order_id}, changed)
    found = desk.revenue.verify(actor=FANNY)[0]
    assert {one.figure: (one.kept, one.counted) for one in found} == {
        "failures.expired_card": (1, 0),
        "failures.insufficient_funds": (0, 1),
    }
    assert desk.revenue.recheck(seconds=30) == 1
    desk.revenue.refresh()
    assert desk.revenue.verify(actor=FANNY)[0] == []


@pytest.mark.parametrize("minutes", [-9, 0, 9, 60])
def test_writers_whose_clocks_differ_are_seen(desk, minutes):
    sold(desk)
    assert sums(desk).orders == 1
    sold(desk, updatedAt=datetime.now(UTC) + timedelta(minutes=minutes))
    assert sums(desk).orders == 2
    assert sums(desk).orders == 2


def test_an_order_written_without_a_new_date_is_found_when_all_is_rechecked(desk):
    sold(desk)
    assert sums(desk).orders == 1
    then = datetime.now(UTC) - timedelta(days=40)
    sold(desk, createdAt=then, completedAt=then, updatedAt=then)
    assert sums(desk).orders == 1
    assert [found.figure for found in desk.revenue.verify(actor=FANNY)[0]][:2] == ["gross", "orders"]
    while not desk.revenue.recheck(seconds=0.2):
        pass
    assert sums(desk).orders == 2
    assert desk.revenue.verify(actor=FANNY)[0] == []


def test_a_wrong_figure_is_told_and_a_rebuild_puts_it_right(desk, admin):
    sold(desk)
    desk.revenue.refresh()
    daily = desk.store.database.revenue_daily
    daily.update_one({}, {"$set": {"rows.0.gross": 4701}})
    mismatches, rows = desk.revenue.verify(actor=FANNY)
    assert [(found.figure, found.kept, found.counted) for found in mismatches] == [("gross", 4701, 4700)]
    assert totals(frame(rows))[0].gross == 4700
    desk.revenue.rebuild(actor=admin)
    assert desk.revenue.verify(actor=FANNY)[0] == []
    entry = desk.store.database.audit_entries.find_one({"action": "rebuild_revenue"})
    assert (entry["actor"], entry["after"]["days"] >= 1) == (admin.name, True)


def rollups_of(desk) -> Rollups:
    """What the desk keeps of each day."""
    return Rollups(desk.store.database, desk.settings.business_timezone.key, livemode=False)


def killed(*_):
    raise KeyboardInterrupt


def test_the_figures_say_up_to_when_they_follow_the_orders(desk):
    """From there the next process looks for changes: were it never moved, for all since the first day."""
    desk.revenue.refresh()
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    revenue = Revenue(
        RevenueRows(desk.store.database),
        rollups_of(desk),
        desk.audit,
        desk.settings.business_timezone,
        livemode=False,
        clock=lambda: later,
    )
    revenue.refresh()
    assert desk.revenue.followed_until() == later


def test_a_change_has_no_day_worked_out_anew_that_it_can_not_have_touched(desk):
    now = datetime.now(UTC)
    made = [now - timedelta(days=days) for days in (40, 10, 5)]
    _, changed, _ = [sold(desk, createdAt=at, completedAt=at, updatedAt=at) for at in made]
    desk.revenue.refresh()
    before = rollups_of(desk).versions()
    desk.store.database.productorders.update_one({"_id": changed}, {"$set": {"updatedAt": now}})
    desk.revenue.refresh()
    grown = {day for day, version in rollups_of(desk).versions().items() if version != before[day]}
    # It may have stood on any day since it was made.
    assert grown == {at.astimezone(PARIS).date() for at in made[1:]}


def test_days_that_follow_one_another_are_read_together():
    days = [date(2026, 3, 5), date(2026, 3, 4), date(2026, 3, 2)]
    assert contiguous(days) == [(date(2026, 3, 4), date(2026, 3, 5)), (date(2026, 3, 2), date(2026, 3, 2))]
    assert contiguous([]) == []


def test_rows_worked_out_for_an_older_version_are_refused(desk):
    """Another process read the orders before the change, and writes after us."""
    sold(desk)
    desk.revenue.refresh()
    rollups, today = rollups_of(desk), desk.revenue.today()
    rollups.mark([today])
    before = rollups.dirty()
    stale = rollups.read(today, today)
    sold(desk)
    assert sums(desk).orders == 2
    rollups.store(stale, before, datetime.now(UTC))
    assert sums(desk).orders == 2


def test_a_day_that_another_process_has_made_keeps_no_other_from_being_stored(desk):
    desk.revenue.refresh()
    rollups, rows = rollups_of(desk), [{"level": "mystique"}]
    taken, free = date(2020, 3, 1), date(2020, 3, 2)
    rollups.mark([taken])
    rollups.store({taken: rows, free: rows}, {}, datetime.now(UTC))
    assert rollups.read(taken, free) == {free: rows}


def test_days_marked_by_a_process_that_died_are_worked_out_by_the_next(desk, monkeypatch):
    sold(desk)
    desk.revenue.refresh()
    sold(desk)
    with monkeypatch.context() as patch:
        # It has marked the days and not worked them out, and knows it has seen the order.
        patch.setattr(Rollups, "store", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.revenue.refresh()
    assert rollups_of(desk).dirty()
    assert sums(desk).orders == 2
    assert rollups_of(desk).dirty() == {}


def test_a_store_lost_before_the_days_were_marked_leaves_no_order_uncounted(desk, monkeypatch):
    sold(desk)
    assert sums(desk).orders == 1
    sold(desk)

    def lost(*_):
        raise StoreUnavailable("lost")

    with monkeypatch.context() as patch:
        patch.setattr(Rollups, "mark", lost)
        with pytest.raises(StoreUnavailable):
            desk.revenue.refresh()
    assert sums(desk).orders == 2


def test_processes_that_follow_at_once_lose_nothing_and_count_nothing_twice(desk, settings):
    from lumira.desk import Desk

    desks = [Desk.open(settings) for _ in range(3)]
    for _ in range(3):
        sold(desk)

    def work(own: Desk) -> None:
        for number in range(12):
            sold(own, completedAt=datetime.now(UTC) - timedelta(days=number % 4))
            own.revenue.refresh()

    threads = [threading.Thread(target=work, args=(own,)) for own in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums(desk).orders == 3 + 3 * 12
    assert desk.revenue.verify(actor=FANNY)[0] == []
    for own in desks:
        own.store.close()


# Of few customers, as our program and others write them; two have the same name at different domains.
EMAILS = ["a@x.fr", "A@X.fr", "b@x.fr", "B@y.fr", "b@y.fr ", "", None]


def purchase(amount, written, in_metadata, at):
    """A completed order with its customer's address in both places, as a document."""
    return {
        "productId": "mystique",
        "amount": amount,
        "currency": "eur",
        "status": "completed",
        "customerEmail": written,
        "metadata": {"customerEmail": in_metadata},
        "createdAt": at,
        "updatedAt": at,
    }


@st.composite
def purchases(draw):
    """A free reading or a sale of one of few customers, paid or not, with a completedAt or without."""
    amount, emails = draw(st.sampled_from([0, 0, 4700])), st.sampled_from(EMAILS)
    document = purchase(amount, draw(emails), draw(emails), draw(st.sampled_from(EDGES)))
    document["productId"] = draw(st.sampled_from(["initie", "mystique", "Alchimique"]))
    document["status"] = draw(st.sampled_from(["completed", "completed", "pending"]))
    if draw(st.booleans()):
        document["completedAt"] = draw(st.sampled_from(EDGES))
    return document


@quick
@given(st.lists(purchases(), max_size=10))
@example([purchase(0, "a@x.fr", None, EDGES[6]), purchase(4700, "A@X.fr", None, EDGES[0])])
@example([purchase(0, "A@X.fr", None, EDGES[6]), purchase(4700, "", "a@x.fr", EDGES[0])])
def test_who_bought_after_a_free_reading_is_who_a_plain_count_finds(desk, orders):
    start_anew(desk)
    if orders:
        desk.store.database.productorders.insert_many(orders)
    # What a desk does every few seconds.
    desk.order_list.list_all()
    whose = [order["customerEmail"] or order["metadata"]["customerEmail"] or "" for order in orders]
    done = sorted(
        (order.get("completedAt") or order["createdAt"], order["amount"], email.strip().lower())
        for order, email in zip(orders, whose, strict=True)
        if order["status"] == "completed" and email
    )
    took: dict[str, datetime] = {}
    for at, amount, email in done:
        if amount == 0:
            took.setdefault(email, at)
    converted = {email for at, amount, email in done if amount and email in took and at > took[email]}
    found = desk.revenue.conversion(FIRST, LAST, actor=FANNY)
    assert (found.customers, found.converted, found.complete) == (len(took), len(converted), True)
    assert sum(found.levels.values()) == found.converted


def test_a_conversion_counts_for_the_level_that_was_bought_first(desk):
    now = datetime.now(UTC)
    whose = {"customerEmail": "a@x.fr", "createdAt": now - timedelta(hours=9)}
    # Neither as they were stored nor by their names.
    for product, hours in (("mystique", 1), ("profond", 2)):
        sold(desk, productId=product, completedAt=now - timedelta(hours=hours), **whose)
    sold(desk, productId="initie", amount=0, completedAt=now - timedelta(hours=3), **whose)
    today = desk.revenue.today()
    found = desk.revenue.conversion(today - timedelta(days=1), today, actor=FANNY)
    assert (found.customers, found.levels) == (1, {"profond": 1})


@pytest.mark.parametrize(("customers", "complete"), [(2, True), (3, True), (4, False)])
def test_a_conversion_that_leaves_customers_out_says_so(desk, monkeypatch, customers, complete):
    """Whether the days before have to be read or not."""
    monkeypatch.setattr("lumira.revenue.CUSTOMERS_AT_MOST", 3)
    for number in range(customers):
        sold(desk, amount=0, customerEmail=f"c{number}@x.fr", paymentIntentId=f"free_{number}")
    today = desk.revenue.today()
    for days in (0, 3):
        found = desk.revenue.conversion(today - timedelta(days=days), today, actor=FANNY)
        assert (found.customers, found.complete) == (min(customers, 3), complete)


def test_an_order_that_another_program_spoilt_stops_no_figure(desk):
    """Lists leave out what is no order; one without a currency they read in euros."""
    whole = desk.store.database.productorders.find_one({"_id": sold(desk, amount=0, customerEmail="a@x.fr")})
    paid_at = whole["completedAt"] + timedelta(milliseconds=1)
    spoilt: list[dict[str, Any]] = [
        *({"amount": amount} for amount in (Decimal128("3.5"), math.nan, math.inf, "4700", [300], None)),
        # No sum of these fits into the store's whole numbers.
        *({"amount": amount} for amount in (2**62, 2**62, -(2**62), 1e18)),
        {"productId": None, "amount": 4700},
        {"completedAt": "2026-11-20T10:00:00.000Z", "amount": 4700},
        {"currency": None, "amount": 300},
    ]
    documents = [
        {**whole, "_id": ObjectId(), "completedAt": paid_at, "paymentIntentId": f"pi_{number}", **fields}
        for number, fields in enumerate(spoilt)
    ]
    documents = [{name: value for name, value in one.items() if value is not None} for one in documents]
    desk.store.database.command("insert", "productorders", documents=documents, bypassDocumentValidation=True)
    today = desk.revenue.today()
    assert sums(desk).gross == 300
    assert desk.revenue.verify(actor=FANNY)[0] == []
    month = desk.month_close.compare(f"{today:%Y-%m}", actor=FANNY)
    assert [(one.ours, one.currency) for one in month.differences if one.ours] == [(300, "eur")]
    assert desk.revenue.conversion(today, today, actor=FANNY).converted == 1


def test_a_reader_does_not_wait_for_whoever_works_the_days_out(desk, monkeypatch):
    """After very many orders were brought in, each page of revenue waited for the last of their days."""
    sold(desk)
    assert sums(desk).gross == 4700
    begun, done = threading.Event(), threading.Event()
    count = desk.revenue._count

    def count_slowly(*days):
        if threading.current_thread() is working:
            begun.set()
            assert done.wait(60)
        return count(*days)

    monkeypatch.setattr(desk.revenue, "_count", count_slowly)
    working = threading.Thread(target=desk.revenue.refresh)
    sold(desk, amount=300)
    working.start()
    try:
        assert begun.wait(60)
        asking = time.monotonic()
        assert sums(desk).gross == 4700
        assert time.monotonic() - asking < 10
    finally:
        done.set()
        working.join()
    assert sums(desk).gross == 5000


@pytest.mark.parametrize("name", ["disputes", "refunds", "metadata", "fee", "feeCurrency"])
def test_what_another_program_put_in_a_field_of_ours_stops_no_figure(desk, name):
    now = datetime.now(UTC)
    whole = desk.store.database.productorders.find_one({"_id": sold(desk)})
    documents = [
        {**whole, "_id": ObjectId(), "paymentIntentId": f"pi_{number}", "lastRefundAt": now, name: odd}
        for number, odd in enumerate(
            ("none", {}, ["none"], [7], 7, 7.5, math.nan, Decimal128("7.5"), True, now, {"level": {"is": 2}})
        )
    ]
    desk.store.database.command("insert", "productorders", documents=documents, bypassDocumentValidation=True)
    assert sums(desk).orders == 12
    assert desk.revenue.verify(actor=FANNY)[0] == []
    desk.month_close.compare(f"{desk.revenue.today():%Y-%m}", actor=FANNY)


@pytest.mark.parametrize("name", ["createdAt", "completedAt", "updatedAt"])
@pytest.mark.parametrize(
    "beyond",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        DatetimeMS(10**15),
        DatetimeMS(-(10**15)),
    ],
)
def test_an_order_dated_to_no_day_that_is_counted_stops_no_figure(desk, name, beyond):
    """Its day was marked and could never be worked out: no page of revenue opened any more."""
    assert sums(desk) == Totals("eur")
    sold(desk, **{name: beyond})
    sold(desk, amount=300)
    # Without a day on which it was paid it counts on none.
    assert sums(desk).gross == (300 if name == "completedAt" else 5000)
    desk.revenue.mark([beyond] if isinstance(beyond, datetime) else [])
    assert desk.revenue.verify(actor=FANNY)[0] == []
    assert desk.revenue.recheck(5) == 0


def test_a_day_that_can_t_be_counted_keeps_no_other_from_being_worked_out(desk):
    """Earlier versions marked such days, and nothing but this mends a store that has one."""
    assert sums(desk) == Totals("eur")
    Rollups(desk.store.database, PARIS.key, livemode=False).mark([date.min, date.max])
    sold(desk)
    assert sums(desk).gross == 4700


def test_live_and_test_orders_are_never_mixed(desk):
    sold(desk, livemode=True, amount=9900)
    sold(desk, livemode=False)
    assert sums(desk).gross == 4700


def test_only_who_may_see_revenue_sees_it(desk):
    claire = Actor("claire", Role.SUPPORT)
    today = desk.revenue.today()
    for ask in (desk.revenue.days, desk.revenue.counted, desk.revenue.daily):
        with pytest.raises(Forbidden):
            ask(today, today, actor=claire)
    with pytest.raises(Forbidden):
        desk.revenue.verify(actor=claire)


def test_an_empty_store_has_an_empty_frame_of_the_same_shape(desk):
    today = desk.revenue.today()
    daily = desk.revenue.daily(today, today, actor=FANNY)
    assert list(daily.columns) == [
        *("day", "level", "currency", "gross", "refunds", "net", "fees", "orders", "free"),
        *("refunded", "disputed", "failed", "fees_known"),
    ]
    assert by_period(daily, Period.WEEK).empty
    assert totals(daily) == []


def test_the_ratios_are_of_what_their_names_say():
    figures = Totals("eur", gross=10000, refunds=2500, net=7500, orders=3, disputed=1, failed=1, fees=500)
    assert (figures.left, figures.average) == (7000, 3333)
    assert (figures.refund_rate, figures.dispute_rate, figures.success_rate) == (0.25, 1 / 3, 0.75)
    assert Conversion(4, 1, {}, complete=True).rate == 0.25
    assert Conversion(0, 0, {}, complete=True).rate is None
    nothing = Totals("eur")
    assert (nothing.average, nothing.refund_rate, nothing.dispute_rate, nothing.success_rate) == (
        *(0, None, None, None),
    )


def test_weeks_begin_on_monday_and_quarters_in_january():
    days = ("2026-03-01", "2026-03-02", "2026-03-08", "2026-04-01")
    sale = {
        **{"product": "mystique", "level": None, "currency": "EUR", "amount": 1, "orders": 1, "free": 0},
        **{"disputed": 0, "fees": 0, "fees_known": 0},
    }
    counted = combine([{"hour": f"{day}T10", **sale} for day in days], [], [])
    daily = frame([{"day": day, **row} for day, rows in counted.items() for row in rows])
    weekly = by_period(daily, Period.WEEK)
    assert [day.date().isoformat() for day in weekly["day"]] == ["2026-02-23", "2026-03-02", "2026-03-30"]
    assert list(weekly["gross"]) == [1, 2, 1]
    quarterly = by_period(daily, Period.QUARTER)
    assert [day.date().isoformat() for day in quarterly["day"]] == ["2026-01-01", "2026-04-01"]


def test_an_order_that_counts_in_another_hour_is_a_difference():
    plain = {"day": date(2026, 3, 1), "level": "mystique", "currency": "eur", **dict.fromkeys(FIGURES, 0)}
    ten, eleven = ([int(hour == wanted) for hour in range(24)] for wanted in (10, 11))
    kept, counted = (
        [plain | {"hours": hours, "gross_hours": [4700 * count for count in hours], "failures": []}]
        for hours in (ten, eleven)
    )
    assert differences(kept, kept) == []
    assert [(one.figure, one.kept, one.counted) for one in differences(kept, counted)] == [
        *(("hours.10", 1, 0), ("hours.11", 0, 1)),
        *(("gross_hours.10", 4700, 0), ("gross_hours.11", 0, 4700)),
    ]


def test_five_thousand_orders_give_the_figures_worked_out_apart(desk):
    """The orders and figures of tests/data, which a script without any of Lumira's code has made."""
    folder = Path(__file__).parent / "data"
    expected = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    lines = gzip.decompress((folder / "orders.jsonl.gz").read_bytes()).decode().splitlines()
    orders = [_with_dates(json.loads(line)) for line in lines]
    assert len(orders) == 5_000
    # In parts, each within the time that any operation may take on a busy machine.
    for start in range(0, len(orders), 500):
        desk.store.database.productorders.insert_many(orders[start : start + 500], ordered=False)
    rows = desk.revenue.days(date(2022, 10, 1), date(2025, 3, 1), actor=FANNY)
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        day = row["day"].isoformat()
        periods = {day[:7], day} if day[5:] in {"03-26", "03-31", "10-27", "10-29"} else {day[:7]}
        for period in periods:
            sums = found.setdefault(f"{period} {row['level']} {row['currency']}", {})
            for name in ("gross", "refunds", "orders", "free", "failed"):
                sums[name] = sums.get(name, 0) + row[name]
    assert found == expected


def _with_dates(order: dict[str, Any]) -> dict[str, Any]:
    def instant(milliseconds: int) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)

    dated = {name: instant(value) if name.endswith("At") else value for name, value in order.items()}
    refunds = [refund | {"createdAt": instant(refund["createdAt"])} for refund in order.get("refunds", [])]
    return dated | ({"refunds": refunds} if refunds else {})
