"""Payouts: what Stripe says of them, what adds up to them, and the file of it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from lumira.access import Actor, Role
from lumira.errors import InvalidRequest, PayoutNotFound, StripeConfigError, StripeError
from lumira.export import FileFormat, write
from lumira.orders import Order
from lumira.payout_export import payout_columns
from lumira.payouts import BalanceTransaction, Contents, Payout, still_failed, totals_by_currency
from lumira.sandbox.history import PastDispute, PastPayment, PastRefund, write_history
from lumira.sandbox.store import Store
from tests.conftest import opened, sandbox

FANNY = Actor("fanny", Role.FINANCE)
# A Monday; what is paid then is available a week later, and transferred in the night to the 8th.
PAID = datetime(2026, 6, 1, 9, tzinfo=UTC)


def payment(name: str, at: datetime, amount: int = 4700, **more: object) -> PastPayment:
    return PastPayment(
        id=f"pi_{name}",
        amount=amount,
        currency="eur",
        created=at,
        settled=at,
        status="succeeded",
        metadata={"productId": "mystique"},
        **more,
    )


PAST = [
    payment("a", PAID),
    payment("b", PAID + timedelta(hours=1), 6700, refunds=(PastRefund(1700, PAID + timedelta(hours=9)),)),
    payment("c", PAID + timedelta(hours=2), disputes=(PastDispute(PAID + timedelta(hours=8), "fraudulent"),)),
    payment("nobodys", PAID + timedelta(hours=3), 9900),
    # The night before its month begins in Paris, and in UTC.
    payment("june", datetime(2026, 6, 22, 9, tzinfo=UTC)),
    payment("july", datetime(2026, 6, 23, 9, tzinfo=UTC)),
]


@pytest.fixture
def past(settings, tmp_path):
    """A desk whose Stripe has transferred six payments of June, one of them of another program's; and the
    file that Stripe keeps its state in.
    """
    state = tmp_path / "stripe.sqlite"
    write_history(state, PAST)
    with sandbox(state=state) as url, opened(settings.model_copy(update={"stripe_api_base": url})) as desk:
        desk.orders.insert_many([order(one) for one in PAST if one.id != "pi_nobodys"])
        yield desk, state


def order(one: PastPayment) -> Order:
    return Order(
        id=f"{PAST.index(one):024x}",
        product_id="mystique",
        amount=one.amount,
        currency="eur",
        status="completed",
        payment_intent_id=one.id,
        customer_name=f"Zoé {one.id}",
        created_at=one.created,
        updated_at=one.settled,
        completed_at=one.settled,
        livemode=False,
    )


def rewrite(state, payout_id: str, **changes: object) -> None:
    """Has Stripe say something else of a payout."""
    store = Store(state)
    try:
        with store.transaction():
            store.save({**store.get(payout_id), **changes})
    finally:
        store.close()


def fails(state, payout_id: str) -> None:
    """Has a payout made an hour ago fail; of those of June, which are older, nobody hears."""
    now = int(datetime.now(UTC).timestamp())
    store = Store(state)
    [out] = store.each("balance_transaction", source=payout_id)
    with store.transaction():
        store.save({**out, "id": "txn_failed", "created": now + 3600})
    store.close()
    rewrite(
        state,
        payout_id,
        status="failed",
        created=now - 3600,
        arrival_date=now,
        failure_balance_transaction="txn_failed",
    )


def test_a_payout_is_what_its_movements_add_up_to_each_beside_its_order(past):
    desk, _ = past
    [first] = [one for one in desk.payouts.arriving("2026-06", actor=FANNY) if one.arrives.day == 10]
    assert (first.status, first.automatic, first.is_reconciled) == ("paid", True, True)
    contents = desk.payouts.contents(first.id, actor=FANNY)
    assert contents.payout == first
    assert contents.agrees
    assert contents.net == first.amount == sum(amount for _, _, amount in contents.lines())
    kinds = {kind: (count, amount) for kind, count, amount in contents.lines()}
    assert kinds["charges"] == (4, 4700 + 6700 + 4700 + 9900)
    assert kinds["refunds"] == (1, -1700)
    assert kinds["disputes"] == (1, -4700)
    # The fees of four cards, and what a dispute costs.
    assert kinds["fees"][0] == 5
    assert kinds["fees"][1] == -sum(transaction.fee for transaction in contents.transactions) < -2000
    assert "payouts" not in kinds
    orders = Counter(one.order.payment_intent_id if one.order else None for one in contents.transactions)
    assert orders == {"pi_a": 1, "pi_b": 2, "pi_c": 2, None: 1}
    [unknown] = [one for one in contents.transactions if one.order is None]
    assert (unknown.payment_intent_id, unknown.amount) == ("pi_nobodys", 9900)
    booked = [transaction.booked_at for transaction in contents.transactions]
    assert booked == sorted(booked, reverse=True)


def test_a_month_is_that_of_the_day_of_arrival_which_stripe_counts_in_utc(past):
    desk, _ = past
    june, july = (desk.payouts.arriving(month, actor=FANNY) for month in ("2026-06", "2026-07"))
    assert [one.arrives for one in june] == [date(2026, 6, 10)]
    assert [one.arrives for one in july] == [date(2026, 7, 2), date(2026, 7, 1)]
    assert desk.payouts.arriving("2026-05", actor=FANNY) == []
    with pytest.raises(InvalidRequest):
        desk.payouts.arriving("2026-13", actor=FANNY)


def test_this_month_has_what_arrives_after_it_too(past):
    desk, state = past
    [june] = desk.payouts.arriving("2026-06", actor=FANNY)
    later = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=40)
    rewrite(state, june.id, arrival_date=int(later.timestamp()), status="in_transit")
    [found] = desk.payouts.arriving(f"{desk.revenue.today():%Y-%m}", actor=FANNY)
    assert (found.id, found.arrives, found.is_on_its_way) == (june.id, later.date(), True)


def test_of_a_payout_that_was_asked_for_by_hand_stripe_is_not_asked_what_is_in_it(past):
    desk, state = past
    [june] = desk.payouts.arriving("2026-06", actor=FANNY)
    rewrite(state, june.id, automatic=False, reconciliation_status="not_applicable")
    contents = desk.payouts.contents(june.id, actor=FANNY)
    assert (contents.transactions, contents.payout.automatic) == ([], False)


def test_one_that_came_back_says_why_and_its_own_way_back_is_no_part_of_it(past):
    desk, state = past
    [june] = desk.payouts.arriving("2026-06", actor=FANNY)
    why = {"failure_code": "account_closed", "failure_message": "The bank account has been closed."}
    rewrite(state, june.id, status="failed", **why)
    store = Store(state)
    [out] = store.each("balance_transaction", source=june.id)
    with store.transaction():
        back = {"amount": june.amount, "net": june.amount, "reporting_category": "payout_reversal"}
        store.save({**out, **back, "id": "txn_back", "type": "payout_failure"})
    store.close()
    contents = desk.payouts.contents(june.id, actor=FANNY)
    assert contents.agrees
    assert (contents.payout.is_returned, contents.payout.failure_code) == (True, "account_closed")
    assert totals_by_currency([contents.payout]) == {
        "eur": {"paid": 0, "on_its_way": 0, "returned": june.amount}
    }


def test_a_failed_one_waits_for_somebody_until_one_made_after_its_failure_is_paid():
    def payout(day: int, status: str, *, failed: int | None = None, currency: str = "eur") -> Payout:
        made = PAID + timedelta(days=day)
        failed_at = PAID + timedelta(days=failed) if failed else None
        return Payout(f"po_{day}", 100, currency, status, made.date(), made, failed_at=failed_at)

    # The one of the day after was on its way to the same bank account when this one came back.
    before = [payout(1, "failed", failed=4), payout(2, "paid"), payout(6, "in_transit")]
    assert [one.id for one in still_failed(before)] == ["po_1"]
    assert still_failed([*before, payout(5, "paid")]) == []
    assert [one.id for one in still_failed([*before, payout(5, "paid", currency="jpy")])] == ["po_1"]
    several = [payout(1, "failed"), payout(3, "failed"), payout(2, "canceled")]
    assert [one.id for one in still_failed(several)] == ["po_3", "po_1"]


def test_which_failed_is_asked_once_in_a_while_and_known_while_stripe_is_away(past, settings):
    desk, state = past
    fails(state, desk.payouts.arriving("2026-06", actor=FANNY)[0].id)
    desk.payouts.follow()
    [known] = desk.payouts.failed(actor=FANNY)
    assert (known.status, known.failed_at) == ("failed", known.created_at + timedelta(hours=2))
    rewrite(state, known.id, status="paid")
    desk.payouts.follow()
    assert desk.payouts.failed(actor=FANNY) == [known]
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})) as away:
        with pytest.raises(StripeError):
            away.payouts.follow()
        assert away.payouts.failed(actor=FANNY) == []
        # Nor is a silent one asked again at once.
        away.payouts.follow()


def test_the_file_adds_up_to_the_payout_and_is_told_of(past, documents):
    desk, _ = past
    [june] = desk.payouts.arriving("2026-06", actor=FANNY)
    contents = desk.payouts.contents(june.id, actor=FANNY)
    desk.payouts.export(contents, kind="csv", actor=FANNY)
    file = io.BytesIO()
    zone = desk.settings.business_timezone
    columns = payout_columns(june, "fr", zone)
    write(file, FileFormat.CSV, columns, contents.transactions, language="fr", zone=zone)
    rows = list(csv.DictReader(io.StringIO(file.getvalue().decode("utf-8-sig")), delimiter=";"))
    assert sum(round(float(row["Net"].replace(",", ".")) * 100) for row in rows) == june.amount
    assert {row["Virement"] for row in rows} == {june.id}
    refund = next(row for row in rows if row["Mouvement"] == "Remboursement")
    assert (refund["Brut"], refund["Frais"], refund["Client"]) == ("-17,00", "0,00", "Zoé pi_b")
    entry = documents.audit_entries.find_one({"action": "export_payout"})
    assert entry["after"] == {"payout": june.id, "format": "csv", "rows": len(rows)}


def test_a_payout_that_stripe_does_not_know(past):
    desk, _ = past
    with pytest.raises(PayoutNotFound) as caught:
        desk.payouts.contents("po_nowhere", actor=FANNY)
    assert (caught.value.code, caught.value.status) == ("PAYOUT_NOT_FOUND", 404)


def test_a_key_that_may_not_read_payouts_is_named_as_that(settings, fault, faulty_sandbox_url):
    fault(answer=403, path="/v1/payouts")
    with (
        opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk,
        pytest.raises(StripeConfigError, match=r"docs/security\.md"),
    ):
        desk.payouts.arriving("2026-06", actor=FANNY)


def test_sums_are_never_of_two_currencies():
    def payout(amount: int, currency: str, status: str) -> Payout:
        return Payout("po_1", amount, currency, status, date(2026, 6, 1), PAID)

    several = [payout(100, "eur", "paid"), payout(50, "jpy", "pending"), payout(-30, "eur", "paid")]
    assert totals_by_currency(several) == {
        "eur": {"paid": 70, "on_its_way": 0, "returned": 0},
        "jpy": {"paid": 0, "on_its_way": 50, "returned": 0},
    }


def test_what_stripe_has_not_attached_yet_is_missing_from_the_sum():
    payout = Payout("po_1", 100, "eur", "pending", date(2026, 6, 1), PAID, is_reconciled=False)
    contents = Contents(payout, [BalanceTransaction("txn_1", "charges", PAID, 80, 2, 78)])
    assert (contents.net, contents.agrees) == (78, False)
    assert contents.lines() == [("charges", 1, 80), ("fees", 1, -2)]
