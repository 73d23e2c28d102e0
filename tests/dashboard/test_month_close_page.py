"""The month close page: what it compares, and what it says of a month that is not over, closed or changed."""

import re
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from streamlit.testing.v1 import AppTest

from lumira.access import Actor, Role
from lumira.errors import MonthClosed, StoreUnavailable
from tests.conftest import opened
from tests.conftest import own_sandbox as sandbox_url
from tests.dashboard.conftest import shown

__all__ = ["sandbox_url"]

FANNY = Actor("fanny", Role.FINANCE)


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def test_the_month_that_ended_stands_first_and_says_what_to_do(open_page, desk):
    app = open_page("month_close")
    last = desk.revenue.today().replace(day=1) - timedelta(days=1)
    assert app.get_by_key("month").value == f"{last:%Y-%m}"
    assert "Ce mois n’est pas encore comparé" in shown(app)


def test_this_month_is_compared_with_stripe_and_not_closed_yet(open_page, desk, pay):
    pay("mystique")
    month = f"{desk.revenue.today():%Y-%m}"
    app = open_page("month_close", month=month)
    app.get_by_key("compare").click().run()
    found = metrics(app)
    assert found["Net"] == found["Net Stripe"] or "diffère" in shown(app)
    assert app.get_by_key("close").disabled
    assert app.query_params["compared"] == "yes"
    assert app.dataframe[0].value.iloc[-1]["Niveau"] == "Total"


def test_a_comparison_is_there_after_a_reload(open_page, desk, pay):
    pay("mystique")
    month = f"{desk.revenue.today():%Y-%m}"
    app = open_page("month_close", month=month, compared="yes")
    assert metrics(app)["Net"] == "47,00\u00a0€"
    moment = r"Comparé le (1er|\d+) \S+ \d{4} à \d\d:\d\d, pas encore clôturé"
    assert re.search(moment, shown(app))
    assert "Les jours sont comptés à l’heure du fuseau Europe/Paris." in shown(app)
    app.get_by_key("month").set_value(app.get_by_key("month").options[0]).run()
    assert "pas encore comparé" in shown(app)
    assert "compared" not in app.query_params
    app.get_by_key("month").set_value(month).run()
    assert app.query_params["compared"] == "yes"


def test_a_month_without_sales_says_so_in_place_of_an_empty_table(open_page):
    app = open_page("month_close", compared="yes")
    assert "Aucune vente ni aucun remboursement ce mois-là." in shown(app)
    assert not app.dataframe
    assert app.get_by_key("close")


def test_a_phone_gets_each_level_and_each_difference_as_a_card(open_page, desk, pay, documents):
    order = pay("profond")
    documents.productorders.update_one({"_id": ObjectId(order.id)}, {"$set": {"amount": 6600}})
    app = open_page("month_close", month=f"{desk.revenue.today():%Y-%m}", compared="yes")
    levels, differences = (element.value for element in app.html if "<ul" in element.value)
    # Stripe books what was paid this moment a moment later.
    assert re.search(r"<b>Profond</b><b>1 commande</b>.*Écart \S+\u00a0€", levels)
    assert re.search(r'<th scope="row">Ventes</th><td>66,00\u00a0€</td><td>\S+\u00a0€</td>', levels)
    assert f'href="/order?id={order.id}" target="_blank"' in differences
    assert "Ici\u00a0: 66,00\u00a0€ · Chez Stripe\u00a0: " in differences


def test_a_comparison_that_fails_is_not_tried_again_by_itself(settings, open_page):
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})) as desk:
        app = open_page("month_close", month=f"{desk.revenue.today():%Y-%m}", compared="yes")
    assert "STRIPE_SERVICE_ERROR" in shown(app)
    assert "compared" not in app.query_params


def test_a_closed_month_shows_what_was_signed_and_what_came_late(open_page, desk):
    last = desk.revenue.today().replace(day=1) - timedelta(days=1)
    month = f"{last:%Y-%m}"
    noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    order = {
        **{"productId": "profond", "amount": 6700, "currency": "eur", "status": "completed"},
        **{"createdAt": noon, "updatedAt": noon, "completedAt": noon, "paymentIntentId": "pi_elsewhere"},
    }
    made = desk.store.database.productorders.insert_one(order).inserted_id
    desk.month_close.close(month, actor=FANNY)
    app = open_page("month_close", month=month)
    assert "Clôturé par fanny" in shown(app)
    assert metrics(app)["Net"] == "67,00\u00a0€"
    assert "Depuis la clôture" not in shown(app)
    desk.store.database.productorders.update_one(
        {"_id": made}, {"$set": {"amount": 9900, "updatedAt": datetime.now(UTC)}}
    )
    app.run()
    assert metrics(app)["Net"] == "67,00\u00a0€"
    assert "Profond · encaissé\u00a0: 67,00\u00a0€ à la clôture, 99,00\u00a0€ aujourd’hui" in shown(app)
    assert not [button for button in app.button if button.key in {"compare", "close"}]


def confirmation(figures):
    from lumira.dashboard import month_view, notices

    notices.show()
    month_view.show_problem(closed=False)
    month_view.confirm(figures)


def test_figures_that_changed_before_they_were_signed_are_shown_first(desk):
    last = desk.revenue.today().replace(day=1) - timedelta(days=1)
    seen = desk.month_close.compare(f"{last:%Y-%m}", actor=FANNY)
    noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    order = {
        **{"productId": "profond", "amount": 6700, "currency": "eur", "status": "completed"},
        **{"createdAt": noon, "updatedAt": noon, "completedAt": noon, "paymentIntentId": "pi_late"},
    }
    desk.store.database.productorders.insert_one(order)
    app = AppTest.from_function(confirmation, args=(seen,)).run()
    app.button(key="close-confirmed").click().run()
    assert "Ce mois a changé depuis votre comparaison." in shown(app)
    assert desk.month_close.closed(seen.month, actor=FANNY) is None
    [now] = app.session_state["month-figures"].values()
    assert [total.net for total in now.totals()] == [6700]
    app = AppTest.from_function(confirmation, args=(now,))
    app.context = {"locale": "en-GB"}
    app.run()
    assert app.button(key="close-confirmed").label == f"Close {last:%B %Y}"
    app.button(key="close-confirmed").click().run()
    assert desk.month_close.closed(seen.month, actor=FANNY).totals() == now.totals()


def test_a_month_that_is_closed_is_not_said_to_have_failed(open_page, desk):
    """Its answer was lost, or a colleague was faster: that one is told."""
    month = desk.revenue.today().replace(day=1) - timedelta(days=1)
    app = open_page("month_close", month=f"{month:%Y-%m}")
    desk.month_close.close(f"{month:%Y-%m}", actor=FANNY)
    for error, told in ((StoreUnavailable("Nothing."), False), (MonthClosed("Closed."), True)):
        app.session_state["problem-month"] = error
        app.run()
        assert (error.code in shown(app)) is told


def test_nonsense_in_the_url_is_the_month_that_ended(open_page, desk):
    app = open_page("month_close", month="9999-99")
    assert "pas encore comparé" in shown(app)
