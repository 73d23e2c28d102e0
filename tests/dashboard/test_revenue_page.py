"""Revenue: the four figures, the chart and the table say the same."""

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest

from lumira.access import Actor, Role
from lumira.dashboard import revenue_choices, session, texts
from lumira.dashboard.charts import PATTERNS, revenue_figure
from lumira.dashboard.periods import Compare, Range, days, days_before, starts
from lumira.dashboard.revenue_choices import orders_of
from lumira.dashboard.theme import LEVEL_COLOURS
from lumira.errors import PaymentFailed
from lumira.order_filter import LEVELS
from lumira.orders import Order, Refund
from lumira.revenue_sums import Period
from tests.dashboard.conftest import shown


def sold(desk, level="mystique", amount=4700, days_ago=0, refunded=0, currency="eur"):
    at = datetime.now(UTC) - timedelta(days=days_ago)
    refunds = [Refund(id="re_1", amount=refunded, created_at=at)] if refunded else []
    identifier = desk.orders.new_id()
    assert desk.orders.insert(
        Order(
            id=identifier,
            product_id=level,
            amount=amount,
            currency=currency,
            status="completed",
            payment_intent_id=f"pi_{identifier}" if amount else f"free_{identifier}",
            created_at=at,
            updated_at=at,
            completed_at=at,
            livemode=False,
            refunds=refunds,
            amount_refunded=refunded,
            last_refund_at=at if refunded else None,
        )
    )
    return f"pi_{identifier}" if amount else f"free_{identifier}"


SIGNED = ("Encaissé", "Remboursé", "Net", "Commandes payées")


def figures(app):
    return {metric.label: metric.value for metric in app.metric}


def chart(app):
    return json.loads(app.get("plotly_chart")[0].proto.spec)


def test_nothing_sold_says_what_to_do_next(open_page):
    app = open_page("revenue")
    assert "Rien n’a été payé sur cette période" in shown(app)
    assert app.page_link[0].value == "Nouveau paiement"
    assert not app.get("plotly_chart")


def test_the_months_under_the_bars_take_little_room(open_page, desk):
    sold(desk, "mystique", 4700)
    app = open_page("revenue", range="year", bars="month")
    names = chart(app)["layout"]["xaxis"]["ticktext"]
    assert names[-1].endswith(f"<br>{desk.revenue.today().year}")
    assert "<br>" not in chart(open_page("revenue"))["layout"]["xaxis"]["ticktext"][-1]


def test_figures_chart_and_table_agree(open_page, desk):
    sold(desk, "mystique", 4700)
    sold(desk, "profond", 6700, days_ago=1, refunded=1700)
    sold(desk, "profond", 6700, days_ago=1)
    sold(desk, "initie", 0)
    app = open_page("revenue")
    assert {name: value for name, value in figures(app).items() if name in SIGNED} == {
        "Encaissé": "181,00\u00a0€",
        "Remboursé": "17,00\u00a0€",
        "Net": "164,00\u00a0€",
        "Commandes payées": "3",
    }
    assert "Panier moyen : **60,33 €**." in plain(shown(app))
    bars = {trace["name"]: trace for trace in chart(app)["data"]}
    assert list(bars) == ["Mystique", "Profond", "Remboursé"]
    totals = {name: sum(y for y in trace["y"] if y) for name, trace in bars.items()}
    assert totals == {"Mystique": 47.0, "Profond": 134.0, "Remboursé": -17.0}
    assert bars["Mystique"]["marker"]["color"] == "#7C3AED"
    assert bars["Profond"]["marker"]["color"] == "#DB2777"
    total = app.dataframe[0].value.iloc[0]
    assert total.to_dict() == {
        "Période": "Total",
        "Mystique": "47,00\u00a0€",
        "Profond": "134,00\u00a0€",
        "Encaissé": "181,00\u00a0€",
        "Remboursé": "17,00\u00a0€",
        "Net": "164,00\u00a0€",
        "Frais Stripe": "–",
        "Commandes payées": "3",
        "Offertes": "1",
    }
    assert "Les frais de Stripe ne sont pas encore connus." in shown(app)


def test_what_stripe_kept_is_told_with_what_is_left(open_page, desk):
    sold(desk, "mystique", 4700)
    sold(desk, "profond", 6700, days_ago=1)
    keep(desk, {"amount": 4700}, 96)
    app = open_page("revenue")
    told = (
        "Stripe a gardé **0,96 €** de frais ; il reste **113,04 €** du net. "
        "Commandes dont les frais sont connus : 1 sur 2."
    )
    assert told in plain(shown(app))
    assert app.dataframe[0].value["Frais Stripe"].iloc[0] == "0,96\u00a0€"
    keep(desk, {"amount": 6700}, 126)
    told = "Stripe a gardé **2,22 €** de frais ; il reste **111,78 €** du net."
    assert told in plain(shown(app.run()))
    assert "Frais connus" not in shown(app)


def plain(words):
    """The words with plain spaces."""
    return words.replace("\u00a0", " ").replace("\u202f", " ")


def keep(desk, order, fee):
    """What Stripe kept of an order becomes known."""
    news = {"fee": fee, "feeCurrency": "eur", "updatedAt": datetime.now(UTC)}
    desk.store.database.productorders.update_one(order, {"$set": news})


def test_hovering_tells_a_sentence(open_page, desk):
    sold(desk)
    sold(desk)
    told = chart(open_page("revenue", range="7d"))["data"][0]["customdata"][-1]
    assert told.startswith("<b>Mystique</b><br>")
    assert told.endswith("2 commandes payées\u00a0: 94,00\u00a0€")


def test_a_payment_shows_at_the_next_rerun(open_page, desk, pay):
    app = open_page("revenue")
    pay("profond")
    assert figures(app.run())["Encaissé"] == "67,00\u00a0€"
    pay("profond")
    assert figures(app.run())["Encaissé"] == "134,00\u00a0€"


def test_range_and_bars_stand_in_the_url(open_page, desk):
    sold(desk, days_ago=20)
    assert figures(open_page("revenue", range="7d"))["Encaissé"] == "0,00\u00a0€"
    app = open_page("revenue", range="90d", bars="week")
    assert figures(app)["Encaissé"] == "47,00\u00a0€"
    assert len(chart(app)["data"][0]["x"]) in {13, 14}
    # Another range begins with the bars that suit it.
    app.get_by_key("range").set_value(Range.MONTH).run()
    assert dict(app.query_params) == {}
    assert len(app.dataframe[0].value) == 1 + 30
    app.get_by_key("range").set_value(Range.QUARTER).run()
    assert dict(app.query_params) == {"range": "90d"}


def test_nonsense_in_the_url_is_the_default(open_page, desk):
    sold(desk)
    assert figures(open_page("revenue", range="1000y", bars="hour"))["Encaissé"] == "47,00\u00a0€"


def test_the_range_before_is_compared_with(open_page, desk):
    sold(desk, days_ago=8)
    sold(desk, days_ago=8)
    sold(desk, days_ago=1)
    app = open_page("revenue", range="7d")
    assert app.metric[0].delta == "-50\u202f%"
    assert app.metric[3].label == "Commandes payées"
    assert app.metric[3].delta == "-50\u202f%"


def test_a_day_that_has_not_ended_is_no_fall_from_a_whole_one(open_page, desk):
    for days_ago in (0, 1, 1, 2, 2, 2):
        sold(desk, days_ago=days_ago)
    seen = {name: open_page("revenue", range=name).metric[0] for name in ("today", "yesterday")}
    assert {name: metric.delta for name, metric in seen.items()} == {
        "today": "-50\u202f%",
        "yesterday": "-33\u202f%",
    }
    assert seen["today"].proto.delta_description == "par rapport à une journée entière"
    assert seen["yesterday"].proto.delta_description == "par rapport à la période précédente"
    assert seen["today"].color != seen["yesterday"].color


def test_from_less_than_nothing_up_is_no_fall(open_page, desk):
    at = datetime.now(UTC)
    earlier, lately = at - timedelta(days=40), at - timedelta(days=9)
    refund = {"id": "re_1", "amount": 4700, "status": "succeeded", "createdAt": lately}
    desk.store.database.productorders.update_one(
        {"paymentIntentId": sold(desk, days_ago=40)},
        {
            "$set": {
                **{"createdAt": earlier, "completedAt": earlier, "updatedAt": at},
                **{"refunds": [refund], "amountRefunded": 4700, "lastRefundAt": lately},
            }
        },
    )
    sold(desk, days_ago=1)
    [net] = [metric for metric in open_page("revenue", range="7d").metric if metric.label == "Net"]
    assert (net.value, net.delta) == ("47,00\u00a0€", "+200\u202f%")


def test_what_rounds_to_nothing_has_not_fallen(monkeypatch):
    monkeypatch.setattr(session, "language", lambda: "fr")
    told = [texts.percentage(ratio) for ratio in (-0.004, 0.004, -0.006, 1.5)]
    assert told == ["+0\u202f%", "+0\u202f%", "-1\u202f%", "+150\u202f%"]


@pytest.mark.parametrize(
    ("compare", "none"),
    [(Compare.BEFORE, "rien sur la période précédente"), (Compare.YEAR, "rien l’année précédente")],
)
def test_what_is_compared_is_named_as_it_was_chosen(open_page, desk, compare, none):
    sold(desk)
    assert open_page("revenue", compare=compare).metric[0].proto.delta_description == none


def test_days_are_told_as_french_writes_them(open_page, desk):
    sold(desk, days_ago=30)
    range_of = {"range": "custom", "from": "2026-01-01", "to": "2026-01-02"}
    assert "Du 1er janv. 2026 au 2 janv. 2026" in shown(open_page("revenue", **range_of))
    one_day = shown(open_page("revenue", **range_of | {"to": "2026-01-01"}))
    assert "**Le 1er janv. 2026** :small[:gray[comparé au 31 déc. 2025]]" in one_day


def test_the_first_of_a_month_is_counted_wherever_french_writes_a_day(monkeypatch, desk):
    language = "fr"
    monkeypatch.setattr(session, "language", lambda: language)
    first, later = (datetime(2026, 11, number, 9, tzinfo=UTC) for number in (1, 21))
    told = [texts.moment, texts.short_moment, texts.short_day]
    told += [lambda instant: texts.period(instant.date(), Period.DAY)]
    told += [lambda instant: texts.period(instant.date(), Period.WEEK)]
    assert all("1er nov" in words(first) and "21 nov" in words(later) for words in told)
    assert texts.period(first.date(), Period.QUARTER, short=True) == "T4 2026"
    language = "en"
    assert all("1er" not in words(first) for words in told)


def test_currencies_are_never_summed_together(open_page, desk):
    sold(desk, amount=4700)
    sold(desk, amount=500, currency="jpy")
    app = open_page("revenue")
    assert figures(app)["Encaissé"] == "47,00\u00a0€"
    app = open_page("revenue", currency="jpy")
    assert figures(app)["Encaissé"].startswith("500\u00a0")


def test_the_page_opens_in_the_currency_of_the_house_where_it_earned_any(open_page, desk):
    sold(desk, amount=10_000, currency="jpy")
    sold(desk, "initie", 0)
    # A free reading alone is nothing to open with.
    assert figures(open_page("revenue"))["Encaissé"].startswith("10\u202f000\u00a0")
    sold(desk, amount=4700)
    app = open_page("revenue")
    assert figures(app)["Encaissé"] == "47,00\u00a0€"
    assert app.selectbox(key="currency").options == ["EUR", "JPY"]


def test_only_free_readings_are_counted_aloud(open_page, desk):
    sold(desk, "initie", 0)
    assert "1 lecture offerte" in shown(open_page("revenue"))
    sold(desk, "initie", 0)
    assert "2 lectures offertes" in shown(open_page("revenue"))


@pytest.mark.parametrize(
    ("span", "first", "before"),
    [
        (Range.TODAY, date(2026, 11, 22), (date(2026, 11, 21), date(2026, 11, 21))),
        (Range.WEEK, date(2026, 11, 16), (date(2026, 11, 9), date(2026, 11, 15))),
        (Range.MONTH, date(2026, 10, 24), (date(2026, 9, 24), date(2026, 10, 23))),
        (Range.QUARTER, date(2026, 8, 25), (date(2026, 5, 27), date(2026, 8, 24))),
        (Range.THIS_MONTH, date(2026, 11, 1), (date(2026, 10, 1), date(2026, 10, 22))),
        (Range.THIS_QUARTER, date(2026, 10, 1), (date(2026, 7, 1), date(2026, 8, 22))),
        (Range.THIS_YEAR, date(2026, 1, 1), (date(2025, 1, 1), date(2025, 11, 22))),
    ],
)
def test_the_days_of_a_range_and_of_the_one_before(span, first, before):
    today = date(2026, 11, 22)
    assert days(span, today) == (first, today)
    assert days_before(span, first, today) == before


def test_ranges_that_are_over_are_compared_with_whole_ones_before_them():
    today = date(2026, 3, 31)
    yesterday, month = days(Range.YESTERDAY, today), days(Range.LAST_MONTH, today)
    assert yesterday == (date(2026, 3, 30), date(2026, 3, 30))
    assert days_before(Range.YESTERDAY, *yesterday) == (date(2026, 3, 29), date(2026, 3, 29))
    assert month == (date(2026, 2, 1), date(2026, 2, 28))
    assert days_before(Range.LAST_MONTH, *month) == (date(2026, 1, 1), date(2026, 1, 31))
    assert days(Range.LAST_MONTH, date(2026, 1, 1)) == (date(2025, 12, 1), date(2025, 12, 31))


def test_ranges_before_survive_short_months_and_leap_years():
    def before(span, today, compare=Compare.BEFORE):
        return days_before(span, *days(span, today), compare)

    assert before(Range.THIS_MONTH, date(2026, 3, 31)) == (date(2026, 2, 1), date(2026, 2, 28))
    assert before(Range.THIS_YEAR, date(2028, 2, 29)) == (date(2027, 1, 1), date(2027, 2, 28))
    year = before(Range.MONTH, date(2028, 2, 29), Compare.YEAR)
    assert year == (date(2027, 1, 31), date(2027, 2, 28))


def test_days_by_hand_stand_in_the_url_and_nonsense_among_them_is_left_out(open_page, desk):
    today = desk.revenue.today()
    sold(desk, days_ago=40)
    wanted = {"from": str(today - timedelta(days=45)), "to": str(today - timedelta(days=35))}
    assert figures(open_page("revenue", range="custom", **wanted))["Encaissé"] == "47,00\u00a0€"
    app = open_page("revenue", range="custom", **{"from": "2026-13-01", "to": "never"})
    assert figures(app)["Encaissé"] == "0,00\u00a0€"


def test_days_by_hand_begin_with_those_that_were_shown(open_page, desk):
    sold(desk)
    app = open_page("revenue", range="last_month", bars="week")
    app.get_by_key("range").set_value(Range.CUSTOM).run()
    first, last = days(Range.LAST_MONTH, desk.revenue.today())
    assert app.get_by_key("days").value == (first, last)
    assert (app.query_params["from"], app.query_params["to"]) == (str(first), str(last))


def test_a_bar_opens_the_orders_it_is_made_of():
    first, last = date(2026, 10, 5), date(2026, 11, 20)
    assert orders_of("profond", first, last) == {
        **{"date": "completed", "from": "2026-10-05", "to": "2026-11-20", "level": "profond"}
    }
    assert orders_of("refunds", first, last)["date"] == "refunded"
    assert "level" not in orders_of("refunds", first, last)


def test_a_click_opens_the_days_of_its_bar_and_no_others(open_page, desk, monkeypatch):
    """AppTest can't click into a chart, so the point arrives here as Streamlit hands it over."""
    state = {}
    monkeypatch.setattr(revenue_choices.st, "session_state", state)
    first, last = date(2026, 10, 7), date(2026, 11, 20)
    shown_series = [None, "mystique", "refunds"]
    revenue_choices.remember_shown("chart", shown_series, first, last, Period.MONTH)

    def click(series, x):
        point = {"curve_number": series, "x": x}
        state["chart-chart"] = SimpleNamespace(selection=SimpleNamespace(points=[point]))
        revenue_choices.remember_click("chart")
        return state.pop("revenue-clicked", None)

    october = {"from": "2026-10-07", "to": "2026-10-31"}
    assert click(1, "2026-10-01") == {"date": "completed", "level": "mystique", **october}
    assert click(2, "2026-10-01") == {"date": "refunded", **october}
    # The range it is compared with opens nothing.
    assert click(0, "2026-10-01") is None


@pytest.mark.parametrize(
    ("locale", "words"), [("fr-FR", "Enregistrer le graphique"), ("en-GB", "Save the chart")]
)
def test_the_button_that_saves_a_chart_speaks_the_readers_language(open_page, pay, locale, words):
    pay()
    for drawn in open_page("revenue", locale=locale).get("plotly_chart"):
        config = json.loads(drawn.proto.config)
        assert set(config["locales"][config["locale"]]["dictionary"].values()) == {words}


def test_failures_hours_and_rates_are_told(open_page, desk, pay, support):
    pay()
    created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    with pytest.raises(PaymentFailed):
        desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclinedInsufficientFunds", actor=support)
    app = open_page("revenue")
    found = figures(app)
    assert found["Paiements réussis"] == "50\u202f%"
    assert found["Taux de remboursement"] == "0\u202f%"
    charts = [json.loads(one.proto.spec)["data"] for one in app.get("plotly_chart")]
    assert charts[-1][0]["customdata"] == ["Solde insuffisant\u00a0: 1 commande, 100\u202f% des refus"]
    [hours] = charts[-2]
    assert sum(map(sum, hours["z"])) == 1
    told = {words.partition("\u00a0: ")[2] for row in hours["customdata"] for words in row}
    assert told == {"aucune commande payée", "1 commande payée"}
    scale = hours["colorbar"]
    assert (scale["title"]["text"], scale["ticktext"]) == ("Commandes payées", ["0", "1"])
    by_hour = next(table.value for table in app.dataframe if len(table.value) == 24)
    assert sorted(by_hour.iloc[:, 1:].to_numpy().ravel()) == sorted(["1", *["–"] * (24 * 7 - 1)])


def test_who_took_a_free_reading_and_bought_one_since_is_counted_once(open_page, desk):
    for email, paid in (("a@example.com", True), ("b@example.com", False)):
        free = sold(desk, "initie", 0, days_ago=5)
        orders = [free, free]
        if paid:
            orders = [free, sold(desk, "profond", 6700, days_ago=1)]
        for order in orders:
            desk.store.database.productorders.update_one(
                {"paymentIntentId": order}, {"$set": {"customerEmail": email}}
            )
    found = desk.revenue.conversion(
        desk.revenue.today() - timedelta(days=30), desk.revenue.today(), actor=Actor("f", Role.FINANCE)
    )
    assert (found.customers, found.converted, found.levels, found.complete) == (2, 1, {"profond": 1}, True)
    assert figures(open_page("revenue"))["Du gratuit au payant"] == "50\u202f%"


def test_every_bar_has_a_start_also_where_nothing_was_sold():
    assert starts(date(2026, 10, 30), date(2026, 11, 2), Period.DAY) == [
        date(2026, 10, 30),
        date(2026, 10, 31),
        date(2026, 11, 1),
        date(2026, 11, 2),
    ]
    assert starts(date(2026, 10, 30), date(2026, 11, 2), Period.WEEK) == [
        date(2026, 10, 26),
        date(2026, 11, 2),
    ]
    assert starts(date(2026, 10, 30), date(2026, 11, 2), Period.MONTH) == [
        date(2026, 10, 1),
        date(2026, 11, 1),
    ]


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_is_drawn_in_a_colour_and_a_pattern_of_its_own(level):
    assert level in LEVEL_COLOURS, f"lumira/dashboard/theme.py has no colour for {level}"
    assert level in PATTERNS, f"lumira/dashboard/charts.py has no pattern for {level}"
    frame = pd.DataFrame(
        {
            "day": [pd.Timestamp(2026, 11, 1)],
            "level": [level],
            "currency": ["eur"],
            "gross": [100],
            "refunds": [0],
            "net": [100],
            "orders": [1],
            "free": [0],
        }
    )
    figure = revenue_figure(frame, [date(2026, 11, 1)], Period.DAY, "eur", "fr")
    [bars] = figure.data
    assert (bars.name, bars.marker.color) == (texts.level_name(level), LEVEL_COLOURS[level])
    looks = [(LEVEL_COLOURS[one], PATTERNS[one]) for one in LEVELS if one != level]
    assert all(bars.marker.color != colour and bars.marker.pattern.shape != shape for colour, shape in looks)
