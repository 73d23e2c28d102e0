"""The payouts page: a month's payouts, one of them, and what Stripe does not say."""

import pytest

from lumira.access import Role
from tests.conftest import opened
from tests.dashboard.conftest import shown
from tests.test_payouts import fails, past, rewrite

__all__ = ["past"]


@pytest.fixture
def desk(past):
    """The desk whose Stripe has transferred what was paid in June."""
    return past[0]


@pytest.fixture
def june(desk, admin):
    """The one payout that arrived in June."""
    [payout] = desk.payouts.arriving("2026-06", actor=admin)
    return payout


def test_a_month_shows_its_payouts_and_a_click_opens_one(open_page, june):
    app = open_page("payouts", month="2026-06")
    assert [metric.label for metric in app.metric] == ["Arrivé à la banque", "En route"]
    assert app.metric[1].value == "0,00\u00a0€"
    frame = app.dataframe[0].value
    assert (frame["id"][0], frame["status"][0]) == (june.id, ["Arrivé"])
    assert app.metric[0].value == frame["amount"][0]
    assert "1 virement" in shown(app)
    app = open_page("payouts", month="2026-05")
    assert "Aucun virement n’arrive ce mois-ci" in shown(app)


def test_one_payout_adds_up_and_each_payment_names_its_customer(open_page, june):
    app = open_page("payouts", month="2026-06", payout=june.id)
    assert "Le compte y est" in shown(app)
    [sums] = [element.value for element in app.html if "lumira-total" in element.value]
    assert "<dt>Ventes (4)</dt><dd>260,00\u00a0€</dd>" in sums
    assert "<dt>Remboursements (1)</dt><dd>\u221217,00\u00a0€</dd>" in sums
    frame = app.dataframe[0].value
    assert list(frame["customer"]).count("Zoé pi_b") == 2
    assert set(frame["kind"]) == {"Vente", "Remboursement", "Litige"}
    app.get_by_key("close-payout").click().run()
    assert "payout" not in app.query_params
    assert app.query_params["month"] == "2026-06"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"automatic": False, "reconciliation_status": "not_applicable"}, "Demandé à la main"),
        ({"reconciliation_status": "in_progress", "amount": 1}, "Stripe n’a pas fini d’en faire le compte"),
        ({"amount": 1}, "Les mouvements et la somme virée diffèrent de "),
        ({"status": "failed", "failure_message": "Account *closed*."}, "Ce que Stripe en dit\u00a0: Account"),
        ({"status": "failed", "failure_message": "Odd."}, "dit\u00a0: Odd. Corrigez"),
        (
            {"status": "failed", "failure_code": "account_closed", "failure_message": "It is closed."},
            "dit\u00a0: le compte bancaire est fermé. Corrigez",
        ),
        ({"status": "canceled"}, "Stripe ne dit pas pourquoi."),
        ({"status": "later_than_us"}, "later_than_us"),
        ({"amount": -4700}, "Stripe prélève cette somme sur le compte bancaire"),
        ({"trace_id": {"status": "supported", "value": "ACX123"}}, "<code>ACX123</code>"),
    ],
    ids=lambda part: "-".join(map(str, part.values())) if isinstance(part, dict) else "",
)
def test_what_stripe_says_of_a_payout_is_told(open_page, past, june, changes, told):
    rewrite(past[1], june.id, **changes)
    assert told in shown(open_page("payouts", payout=june.id))


def test_one_that_failed_stands_on_the_start_page_of_those_who_see_money(
    open_page, past, desk, june, roles, admin
):
    def links() -> dict[str, str]:
        return {link.value: link.proto.query_string for link in open_page("overview").page_link}

    assert not any("irement" in label for label in links())
    fails(past[1], june.id)
    desk.payouts.follow()
    [payout] = desk.payouts.failed(actor=admin)
    month = f"month={payout.arrives:%Y-%m}"
    found = links()
    assert found.pop("**1 virement refusé par la banque**") == month
    assert [query for label, query in found.items() if "irement" in label] == [f"{month}&payout={june.id}"]
    assert "Rien à traiter" not in shown(open_page("overview"))
    roles.append(Role.SUPPORT)
    assert not any("irement" in label for label in links())


def test_a_payout_nobody_knows_and_a_page_nobody_of_support_may_open(open_page, june, roles):
    app = open_page("payouts", payout="po_nowhere", locale="en-GB")
    assert "PAYOUT_NOT_FOUND" in shown(app)
    roles.append(Role.SUPPORT)
    app = open_page("payouts", payout=june.id)
    assert june.id not in shown(app)
    assert app.dataframe == [] or len(app.dataframe) == 0


def test_the_id_of_a_payout_pasted_into_the_search_opens_it_for_those_who_may(open_page, june, roles):
    app = open_page("overview")
    app.get_by_key("find-0").set_value(f"https://dashboard.stripe.com/payouts/{june.id}").run()
    assert "Le compte y est" in shown(app)
    roles.append(Role.SUPPORT)
    app = open_page("overview")
    app.get_by_key("find-0").set_value(june.id).run()
    assert "Le compte y est" not in shown(app)


def test_while_stripe_is_away_the_page_says_so_and_offers_to_ask_again(open_page, settings):
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        app = open_page("payouts")
    assert "STRIPE_SERVICE_ERROR" in shown(app)
    assert app.get_by_key("try-again")
