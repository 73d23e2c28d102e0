"""Reconciliation on its page: compared without a change, reported in words, repaired by those who may."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from lumira.access import Role
from lumira.dashboard import comparison
from lumira.dashboard.comparison import Comparison, Span
from lumira.differences import Difference, Kind, Report
from lumira.texts import is_known
from tests.conftest import opened, sandbox
from tests.conftest import own_sandbox as sandbox_url
from tests.dashboard.conftest import shown

__all__ = ["sandbox_url"]


@pytest.fixture
def unheard(desk, support):
    """An order that was paid at Stripe without our hearing of it, its amount spoilt."""
    created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    desk.gateway.confirm_payment_intent(
        created.order_id, "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/"
    )
    order = desk.orders.find_by_payment_intent(created.order_id)
    desk.store.database.productorders.update_one({"_id": ObjectId(order.id)}, {"$set": {"amount": 67}})
    return order


def compare(app):
    return app.button(key="compare").click().run()


def rows_of(app, order):
    frame = app.dataframe[0].value
    return frame[frame["payment_intent"].str.endswith(order.payment_intent_id)]


def test_before_the_first_comparison_it_says_what_to_do(open_page):
    page = shown(open_page("reconciliation"))
    assert "Rien n’a encore été comparé" in page
    assert "Comparer ne change rien." in page


def test_differences_are_told_in_words_and_nothing_is_changed(open_page, desk, unheard):
    app = compare(open_page("reconciliation", since="1d"))
    told = {row["what"]: (row["ours"], row["stripes"]) for _, row in rows_of(app, unheard).iterrows()}
    assert told == {
        "L’état diffère": ("En attente", "Terminée"),
        "Le montant diffère": ("0,67\u00a0€", "67,00\u00a0€"),
    }
    # On a phone, where a table would be cut off before the two amounts, a card says both.
    assert "Ici\u00a0: 0,67\u00a0€ · Chez Stripe\u00a0: 67,00\u00a0€" in shown(app)
    assert f'<a href="/order?id={unheard.id}" target="_blank">' in shown(app)
    assert set(rows_of(app, unheard)["order"]) == {f"/order?id={unheard.id}"}
    assert "écarts restent." in shown(app)
    assert "Comparé le" in shown(app)
    assert app.button(key="apply")
    order = desk.orders.find(unheard.id)
    assert (order.status, order.amount) == ("pending", 67)


def test_the_report_stays_after_a_rerun_and_in_the_other_language(open_page, unheard):
    app = compare(open_page("reconciliation", since="1d"))
    app.get_by_key("language").set_value("en").run()
    assert "The amount differs" in set(rows_of(app, unheard)["what"])
    assert set(rows_of(app, unheard)["ours"]) == {"Pending", "€0.67"}


@pytest.mark.parametrize(
    ("role", "may"), [(Role.STAFF, False), (Role.SUPPORT, False), (Role.FINANCE, False), (Role.ADMIN, True)]
)
def test_everyone_may_compare_and_only_admins_see_repair(open_page, unheard, at_the_desk, role, may):
    at_the_desk(role)
    app = compare(open_page("reconciliation", since="1d"))
    assert len(rows_of(app, unheard)) == 2
    assert ("apply" in {button.key for button in app.button}) is may


def test_what_was_repaired_is_gone_at_the_next_comparison(open_page, desk, unheard, admin):
    desk.reconciliation.run(Span.DAY.since, actor=admin, apply=True)
    app = compare(open_page("reconciliation", since="1d"))
    assert not len(app.dataframe) or not len(rows_of(app, unheard))
    assert desk.orders.find(unheard.id).amount == 6700


def test_an_interrupted_comparison_says_so_and_goes_on(settings, open_page):
    away = settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})
    with opened(away):
        app = compare(open_page("reconciliation", since="1d"))
    assert "STRIPE_SERVICE_ERROR" in app.warning[0].value
    assert app.info[0].title == "La comparaison n’est pas finie."
    with opened(settings):
        compare(app)
    assert not app.warning
    assert not app.info


def test_where_all_agrees_it_says_so_once_with_the_free_orders_apart(settings, open_page, support):
    with sandbox() as empty, opened(settings.model_copy(update={"stripe_api_base": empty})) as desk:
        for product in ("initie", "initie", "mystique"):
            desk.intents.create({"productId": product}, actor=support, source="tests")
        app = compare(open_page("reconciliation", since="1d"))
    [agrees] = app.success
    assert agrees.title.startswith("Chaque paiement de Stripe a sa commande, au même état et au même montant")
    assert "PaymentIntents\u00a0: 1, commandes payantes\u00a0: 1." in agrees.value
    assert "2 commandes offertes, sans PaymentIntent, sont comptées à part." in agrees.value
    assert not app.header


def test_what_can_not_be_repaired_says_what_else_to_do(settings, open_page, support):
    with sandbox() as empty, opened(settings.model_copy(update={"stripe_api_base": empty})) as desk:
        spoilt = desk.intents.create({"productId": "mystique"}, actor=support, source="tests").order_id
        orders = desk.store.database.productorders
        orders.update_one(
            {"paymentIntentId": spoilt}, {"$unset": {"amount": ""}}, bypass_document_validation=True
        )
        app = compare(open_page("reconciliation", since="1d"))
    assert "Commande illisible" in app.dataframe[0].value["what"][0]
    page = shown(app)
    assert "se corrige dans la base" in page
    assert "vérifiez que la clé" not in page
    assert not [button for button in app.button if button.key == "apply"]


def test_the_confirmation_says_what_will_happen(desk):
    def differ(kind):
        return Difference(kind, "pi_1", "1", None, None)

    now = datetime.now(UTC)
    kinds = (Kind.STATUS, Kind.STATUS, Kind.REFUNDS, Kind.MISSING_INTENT)
    differences = [differ(kind) for kind in kinds]
    known = Comparison(Report(now, now, differences=differences), now, applied=False)
    assert comparison.consequences(known) == [
        "1 commande reçoit les remboursements que Stripe connaît, et aucun autre",
        "2 commandes prennent l’état indiqué par Stripe",
    ]
    assert len(known.report.repairable) == 3


def test_every_kind_of_difference_has_words():
    for kind in Kind:
        assert is_known(f"difference.{kind}")
        # What can't be repaired has no consequence to announce.
        if kind not in {Kind.MISSING_INTENT, Kind.UNREADABLE_ORDER}:
            assert is_known(f"apply.{kind}")
            assert is_known(f"apply.{kind}.one")


def test_days_begin_at_midnight_of_the_business(desk):
    for span, days in ((Span.DAY, 1), (Span.MONTH, 30), (Span.QUARTER, 90)):
        first = span.since.astimezone(desk.settings.business_timezone)
        assert (first.hour, first.minute, first.second, first.microsecond) == (0, 0, 0, 0)
        assert desk.revenue.today() - first.date() == timedelta(days=days)
