"""The month close: one figure on the page, in the file, from verify and from Stripe's balance."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
import stripe
from bson.datetime_ms import DatetimeMS
from pydantic import SecretStr

from lumira.access import Actor, Role
from lumira.errors import Forbidden, InvalidRequest, MonthChanged, MonthClosed, MonthNotOver
from lumira.month_close import days_of
from lumira.month_comparison import Ours, Stripes, Sum, compare, explained
from lumira.month_figures import Balance, Line
from lumira.month_files import as_pdf, as_xlsx, sentences
from lumira.orders import Order
from lumira.revenue_sums import frame, totals
from lumira.sandbox.history import PastPayment, PastRefund, write_history
from lumira.storage import RevenueRows
from lumira.texts import translate
from tests.conftest import STRIPE_KEY, opened, sandbox
from tests.conftest import own_sandbox as sandbox_url
from tests.store_gate import Fate, gate, once

__all__ = ["sandbox_url"]

PARIS = ZoneInfo("Europe/Paris")
FANNY = Actor("fanny", Role.FINANCE)
MONTH = "2026-09"
MIDNIGHT = datetime(2026, 8, 31, 22, 0, tzinfo=UTC)  # when September begins in Paris


@pytest.fixture
def september(settings, tmp_path):
    """A desk and a Stripe with the same September: three sales, two refunds, and neighbours of the month."""
    state = tmp_path / "stripe.sqlite"
    with (
        sandbox(state=state) as url,
        opened(settings.model_copy(update={"stripe_api_base": url})) as desk,
    ):
        assert settings.stripe_secret_key.get_secret_value() == STRIPE_KEY
        past = [
            payment("a", 4700, MIDNIGHT),
            payment("b", 6700, MIDNIGHT + timedelta(days=3), PastRefund(1700, MIDNIGHT + timedelta(days=9))),
            payment("c", 9900, MIDNIGHT + timedelta(days=30) - timedelta(seconds=1)),
            # Sold in August, given back in September; and sold in October.
            payment("d", 4700, MIDNIGHT - timedelta(seconds=1), PastRefund(4700, MIDNIGHT)),
            payment("e", 4700, MIDNIGHT + timedelta(days=30)),
        ]
        ids = write_history(state, past).ids
        desk.orders.insert_many([order(one, ids[one.id].refunds) for one in past])
        yield desk


def payment(name, amount, at, *refunds):
    return PastPayment(
        id=f"pi_{name}",
        amount=amount,
        currency="eur",
        created=at,
        settled=at,
        status="succeeded",
        metadata={"productId": "profond" if amount == 6700 else "mystique"},
        refunds=refunds,
    )


def order(one, refunds):
    return Order.model_validate(
        {
            "_id": f"{ord(one.id[-1]):024x}",
            "productId": one.metadata["productId"],
            "amount": one.amount,
            "currency": "eur",
            "status": "completed",
            "paymentIntentId": one.id,
            "createdAt": one.created,
            "updatedAt": one.settled,
            "completedAt": one.settled,
            "livemode": False,
            "refunds": [
                {"id": name, "amount": made.amount, "status": "succeeded", "createdAt": made.at}
                for name, made in zip(refunds, one.refunds, strict=True)
            ],
            "lastRefundAt": one.refunds[0].at if one.refunds else None,
        }
    )


def test_page_file_verify_and_stripes_balance_say_the_same(september):
    """The walk of one figure: what finance sees, exports, verifies and finds at Stripe."""
    desk, (first, last) = september, days_of(MONTH)
    assert (first, last) == (date(2026, 9, 1), date(2026, 9, 30))
    page = totals(desk.revenue.daily(first, last, actor=FANNY))[0]
    mismatches, rows = desk.revenue.verify(actor=FANNY, first=first, last=last)
    figures = desk.month_close.compare(MONTH, actor=FANNY)
    total = figures.totals()[0]
    balance = figures.balances[0]
    assert mismatches == []
    assert totals(frame(rows))[0] == page
    assert (page.gross, page.refunds, page.net, page.orders) == (21300, 6400, 14900, 3)
    assert (total.gross, total.stripe_gross) == (page.gross, page.gross)
    assert (total.refunds, total.stripe_refunds) == (page.refunds, page.refunds)
    assert (balance.amounts["charges"], balance.amounts["refunds"]) == (page.gross, -page.refunds)
    # 1.5 % and 25 cents of each sale, rounded as the sandbox does.
    assert balance.amounts["fees"] < 0
    assert balance.earned == page.net + balance.amounts["fees"] + balance.amounts["disputes"]
    assert (figures.differences, figures.difference_count) == ([], 0)
    assert {line.level: line.net for line in figures.lines} == {"mystique": 9900, "profond": 5000}


def test_a_difference_names_its_order(september):
    collection = september.store.database.productorders
    collection.update_one({"paymentIntentId": "pi_a"}, {"$set": {"amount": 4800}})
    collection.delete_one({"paymentIntentId": "pi_c"})
    figures = september.month_close.compare(MONTH, actor=FANNY)
    found = {one.payment_intent_id: (one.kind, one.ours, one.stripes) for one in figures.differences}
    assert found == {"pi_a": ("gross", 4800, 4700), "pi_c": ("gross", 0, 9900)}
    missing = next(one for one in figures.differences if one.payment_intent_id == "pi_c")
    assert (missing.order_id, missing.level) == (None, "mystique")
    assert {one.cause for one in figures.differences} == {"amount", "no_order"}
    assert figures.totals()[0].difference == 100 - 9900


def test_what_was_not_captured_of_a_payment_is_a_refund_on_both_sides(desk, settings, admin):
    """Stripe books the whole payment and takes back the rest, in a category of its own."""
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": str(settings.stripe_api_base)})
    made = client.v1.payment_intents.create(
        {
            **{"amount": 4700, "currency": "gbp", "capture_method": "manual", "confirm": True},
            **{"payment_method": "pm_card_visa", "return_url": "http://127.0.0.1/"},
            "metadata": {"productId": "mystique"},
        }
    )
    client.v1.payment_intents.capture(made.id, {"amount_to_capture": 3000})
    desk.reconciliation.run(datetime.now(UTC) - timedelta(minutes=10), actor=admin, apply=True)
    order = desk.orders.find_by_payment_intent(made.id)
    assert (order.amount, order.amount_refunded, order.net) == (4700, 1700, 3000)
    figures = desk.month_close.compare(f"{desk.revenue.today():%Y-%m}", actor=FANNY)
    [line] = [line for line in figures.lines if line.currency == "gbp"]
    assert (line.gross, line.stripe_gross, line.refunds, line.stripe_refunds) == (4700, 4700, 1700, 1700)
    assert made.id not in {found.payment_intent_id for found in figures.differences}
    [balance] = [balance for balance in figures.balances if balance.currency == "gbp"]
    assert (balance.amounts["charges"], balance.amounts["refunds"]) == (4700, -1700)
    assert balance.amounts["other"] == 0


def test_a_closed_month_stays_and_says_what_came_late(september):
    closed = september.month_close.close(MONTH, actor=FANNY)
    assert september.month_close.closed(MONTH, actor=FANNY) == closed
    assert september.month_close.late_changes(closed, actor=FANNY) == []
    now = datetime.now(UTC)
    september.store.database.productorders.update_one(
        {"paymentIntentId": "pi_a"}, {"$set": {"amount": 9900, "updatedAt": now}}
    )
    assert september.month_close.closed(MONTH, actor=FANNY) == closed
    late = september.month_close.late_changes(closed, actor=FANNY)
    assert [(one.level, one.figure, one.closed, one.now) for one in late] == [
        ("mystique", "gross", 14600, 19800)
    ]
    # Of a level that had sold nothing, too.
    came = order(payment("f", 9700, MIDNIGHT), []).model_copy(
        update={"product_id": "integrale", "updated_at": now}
    )
    september.orders.insert(came)
    new, *_ = september.month_close.late_changes(closed, actor=FANNY)
    assert (new.level, new.figure, new.closed, new.now) == ("integrale", "gross", 0, 9700)
    told = sentences(closed, late, language="fr", zone=ZoneInfo("Europe/Paris"))
    assert told[-1].startswith("Depuis la clôture, 1 chiffre a changé")
    with pytest.raises(MonthClosed):
        september.month_close.close(MONTH, actor=FANNY)
    entries = list(september.store.database.audit_entries.find({"action": "close_month"}))
    assert [(entry["actor"], entry["after"]["month"]) for entry in entries] == [("fanny", MONTH)]


def test_what_is_signed_is_what_was_seen(september):
    seen = september.month_close.compare(MONTH, actor=FANNY)
    changed = {"amount": 4800, "updatedAt": datetime.now(UTC)}
    orders = september.store.database.productorders
    orders.update_one({"paymentIntentId": "pi_a"}, {"$set": changed})
    with pytest.raises(MonthChanged) as refused:
        september.month_close.close(MONTH, seen=seen, actor=FANNY)
    now = refused.value.extra["figures"]
    assert [one.ours for one in now.differences] == [4800]
    assert september.month_close.closed(MONTH, actor=FANNY) is None
    closed = september.month_close.close(MONTH, seen=now, actor=FANNY)
    assert closed.differences == now.differences


@pytest.mark.parametrize("fate", [Fate.UNHEARD, Fate.STEPPED_DOWN])
def test_who_signed_as_the_answer_was_lost_is_told_so(september, store_uri, fate):
    """The driver repeats the write and finds the month there: it is the one that was signed."""
    with (
        gate(urlsplit(store_uri).port, once("insert", fate)) as uri,
        opened(september.settings.model_copy(update={"mongodb_uri": SecretStr(uri)})) as desk,
    ):
        closed = desk.month_close.close(MONTH, actor=FANNY)
        assert desk.month_close.closed(MONTH, actor=FANNY) == closed
        with pytest.raises(MonthClosed):
            desk.month_close.close(MONTH, actor=Actor("ada", Role.ADMIN))
        entries = desk.store.database.audit_entries.find({"action": "close_month"})
        assert [entry["actor"] for entry in entries] == ["fanny"]


def test_who_may_close_which_month(september):
    claire = Actor("claire", Role.SUPPORT)
    for ask in (september.month_close.closed, september.month_close.compare, september.month_close.close):
        with pytest.raises(Forbidden):
            ask(MONTH, actor=claire)
    this_month = f"{september.revenue.today():%Y-%m}"
    with pytest.raises(MonthNotOver):
        september.month_close.close(this_month, actor=FANNY)
    with pytest.raises(InvalidRequest):
        september.month_close.compare("2026-13", actor=FANNY)


@pytest.mark.parametrize("month", ["0000-01", "0001-01", "1999-12", "3000-01", "9999-12", "9999-99", "2026"])
def test_what_is_no_month_is_said_to_be_none(month):
    with pytest.raises(InvalidRequest, match=f"{month} is no month"):
        days_of(month)


def test_months_of_any_year_that_may_be_asked_for_have_days(september):
    for month, last in (("2000-01", date(2000, 1, 31)), ("2999-12", date(2999, 12, 31))):
        assert days_of(month)[1] == last
        assert september.month_close.compare(month, actor=FANNY).lines == []


@pytest.mark.parametrize(
    ("payment_intent", "paid", "counted"),
    [
        ("pi_c", MIDNIGHT + timedelta(days=30, seconds=2), [4700, 11400, 14600]),
        ("pi_d", MIDNIGHT + timedelta(seconds=2), [0, 26000, 4700]),
        ("pi_a", MIDNIGHT - timedelta(seconds=2), [9400, 16600, 4700]),
    ],
)
def test_a_sale_dated_to_both_sides_of_midnight_counts_once(september, payment_intent, paid, counted):
    """Our instant is that of the event, seconds after the charge's, when a webhook told of the payment."""
    september.store.database.productorders.update_one(
        {"paymentIntentId": payment_intent}, {"$set": {"completedAt": paid}}
    )
    found = [september.month_close.compare(month, actor=FANNY) for month in ("2026-08", "2026-09", "2026-10")]
    assert [figures.differences for figures in found] == [[], [], []]
    sums = [[(total.gross, total.stripe_gross) for total in figures.totals()] for figures in found]
    assert sums == [[(gross, gross)] if gross else [] for gross in counted]


def test_a_payment_authorized_before_midnight_counts_when_it_is_captured(settings, tmp_path):
    """That is when Stripe books it, and when the order is paid; its charge is from before."""
    minutes = itertools.product([0, 19, 58], [20, 59, 300], [-2, 0, 2])
    past, heard = [], []
    for number, (captured, before, seconds) in enumerate(minutes):
        at = MIDNIGHT + timedelta(minutes=captured, seconds=2)
        authorized = at - timedelta(minutes=before)
        past.append(replace(payment(chr(97 + number), 4700, at), created=authorized, authorized=authorized))
        heard.append(replace(past[-1], settled=at + timedelta(seconds=seconds)))
    state = tmp_path / "stripe.sqlite"
    write_history(state, past)
    with (
        sandbox(state=state) as url,
        opened(settings.model_copy(update={"stripe_api_base": url})) as desk,
    ):
        desk.orders.insert_many([order(one, []) for one in heard])
        for month, counted in (("2026-08", 0), (MONTH, 4700 * len(past))):
            figures = desk.month_close.compare(month, actor=FANNY)
            assert figures.differences == []
            assert sum(total.gross for total in figures.totals()) == counted
            assert sum(total.stripe_gross for total in figures.totals()) == counted


def test_a_sale_dated_further_apart_differs_in_both_months(september):
    september.store.database.productorders.update_one(
        {"paymentIntentId": "pi_c"}, {"$set": {"completedAt": MIDNIGHT + timedelta(days=30, minutes=20)}}
    )
    order = september.orders.find_by_payment_intent("pi_c")
    for month, ours, stripes, cause in (
        (MONTH, 0, 9900, "other_month"),
        ("2026-10", 9900, 0, "not_at_stripe"),
    ):
        [found] = september.month_close.compare(month, actor=FANNY).differences
        assert (found.payment_intent_id, found.ours, found.stripes) == ("pi_c", ours, stripes)
        assert (found.order_id, found.cause) == (order.id, cause)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"completedAt": MIDNIGHT - timedelta(days=40)}, "other_month"),
        ({"status": "pending"}, "unpaid"),
    ],
)
def test_a_payment_whose_order_counts_elsewhere_names_it(september, change, cause):
    """Who looks for the reason would take it for a payment without an order, and nothing would mend it."""
    order = september.orders.find_by_payment_intent("pi_c")
    september.store.database.productorders.update_one({"paymentIntentId": "pi_c"}, {"$set": change})
    [found] = september.month_close.compare(MONTH, actor=FANNY).differences
    assert (found.ours, found.stripes, found.order_id, found.cause) == (0, 9900, order.id, cause)
    closed = september.month_close.close(MONTH, actor=FANNY)
    assert closed.differences == [found]
    # As a later version may have closed it, before somebody went back to this one.
    later = {"seal": "x", "differences.0.seal": "x", "lines.0.seal": "x", "balances.0.seal": "x"}
    september.store.database.month_closes.update_one({}, {"$set": later})
    assert september.month_close.closed(MONTH, actor=FANNY) == closed


def test_a_refund_that_failed_in_another_month_says_so(september):
    """It is known here, and nothing is to be asked of Stripe, in the month it was made or came back."""
    orders = september.store.database.productorders
    orders.update_one({"paymentIntentId": "pi_b"}, {"$set": {"refunds.0.status": "failed"}})
    orders.update_one({"paymentIntentId": "pi_b"}, {"$unset": {"lastRefundAt": ""}})
    [made] = september.month_close.compare(MONTH, actor=FANNY).differences
    assert (made.ours, made.stripes, made.cause) == (0, 1700, "refund_failed")
    october = Ours(MIDNIGHT + timedelta(days=30), MIDNIGHT + timedelta(days=61))
    stripes = Stripes()
    stripes.add(
        {
            **{"amount": 1700, "currency": "eur", "fee": 0, "reporting_category": "refund_failure"},
            "created": int((MIDNIGHT + timedelta(days=32)).timestamp()),
            "source": {
                **{"id": "re_b", "payment_intent": "pi_b", "amount": 1700, "currency": "eur"},
                "created": int((MIDNIGHT + timedelta(days=9)).timestamp()),
            },
        },
        october,
    )
    known = RevenueRows(september.store.database).of_payment_intents(["pi_b"])
    [back] = explained(compare(october, stripes, "2026-10", MIDNIGHT).differences, known)
    assert (back.ours, back.stripes, back.cause) == (0, -1700, "refund_failed")
    assert all(translate(language, f"month.cause.{back.cause}") for language in ("fr", "en"))


@pytest.mark.parametrize("beyond", [DatetimeMS(10**15), "2026-09-01", None])
def test_an_order_that_was_paid_on_no_day_stops_no_comparison(september, beyond):
    orders = september.store.database.productorders
    orders.update_one(
        {"paymentIntentId": "pi_b"}, {"$set": {"completedAt": beyond}}, bypass_document_validation=True
    )
    figures = september.month_close.compare(MONTH, actor=FANNY)
    assert {found.payment_intent_id for found in figures.differences} <= {"pi_b"}


@pytest.mark.parametrize("field", ["createdAt", "amount"])
def test_a_refund_that_another_program_spoilt_stops_no_comparison(september, field):
    orders = september.store.database.productorders
    orders.update_one({"paymentIntentId": "pi_b"}, {"$unset": {f"refunds.0.{field}": ""}})
    orders.update_one({"paymentIntentId": "pi_b"}, {"$set": {"refunds.0.status": "failed"}})
    [left_out] = september.month_close.compare(MONTH, actor=FANNY).differences
    assert (left_out.ours, left_out.stripes, left_out.cause) == (0, 1700, "unknown_refund")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_files_hold_the_figures(september, language):
    figures = september.month_close.close(MONTH, actor=FANNY)
    book = as_xlsx(figures, [], language=language, zone=PARIS)
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
        assert len([name for name in parts.namelist() if name.startswith("xl/worksheets/sheet")]) == 3
    assert "<v>149</v>" in sheet
    page = as_pdf(figures, [], language=language, zone=PARIS)
    assert page.startswith(b"%PDF")
    # The sign for minus is not among the letters of its fonts, and must not become a question mark.
    written = b"".join(
        zlib.decompress(part) for part in re.findall(rb"stream\n(x\x9c.*?)\nendstream", page, re.DOTALL)
    )
    assert re.search(rb"\(-\W?\d", written)
    assert b"?" not in written
    # The same figures are the same file, whenever it is asked for.
    assert as_pdf(figures, [], language=language, zone=PARIS) == page


def test_a_movement_in_another_currency_is_never_added_up():
    now = datetime.now(UTC)
    order = {"_id": "1", "productId": "mystique", "currency": "eur"}
    ours = Ours(now, now, gross={"pi_1": 4700}, orders={"pi_1": order})
    figures = compare(ours, Stripes(charges={"pi_1": Sum(5000, "usd")}), MONTH, now)
    assert {(line.currency, line.gross, line.stripe_gross) for line in figures.lines} == {
        ("eur", 4700, 0),
        ("usd", 0, 5000),
    }
    assert [(one.ours, one.stripes) for one in figures.differences] == [(4700, 0)]


def test_what_a_month_earned_leaves_payouts_out():
    balance = Balance("eur")
    balance.amounts |= {"charges": 1000, "refunds": -200, "fees": -40, "disputes": -100, "payouts": -600}
    assert balance.earned == 660
    assert Line("mystique", "eur", gross=3, stripe_gross=1, refunds=1).difference == 1


def test_an_order_that_is_read_twice_counts_once_and_a_free_one_not_at_all():
    ours = Ours(MIDNIGHT, MIDNIGHT + timedelta(days=30))
    sale = {"_id": "1", "paymentIntentId": "pi_1", "amount": 4700, "currency": "eur", "completedAt": MIDNIGHT}
    for read in (sale, sale | {"_id": "2", "amount": 9900}, sale | {"_id": "3", "paymentIntentId": "free_1"}):
        ours.add(read)
    ours.add(sale | {"_id": "4", "paymentIntentId": None, "amount": 0})
    assert (ours.gross, ours.refunds, list(ours.orders)) == ({"pi_1": 4700}, {}, ["pi_1"])


def test_a_refund_of_an_earlier_sale_that_stripe_does_not_know_is_a_difference():
    order = {
        "_id": "1",
        "paymentIntentId": "pi_1",
        "productId": "mystique",
        "amount": 4700,
        "currency": "eur",
    }
    ours = Ours(MIDNIGHT, MIDNIGHT, refunds={"pi_1": 1700}, orders={"pi_1": order})
    figures = compare(ours, Stripes(), MONTH, MIDNIGHT)
    assert [(one.kind, one.ours, one.stripes) for one in figures.differences] == [("refunds", 1700, 0)]
    assert [(line.level, line.refunds, line.stripe_refunds) for line in figures.lines] == [
        ("mystique", 1700, 0)
    ]
