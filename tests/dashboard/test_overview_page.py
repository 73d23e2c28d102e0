"""The start page: figures beside the period before, what needs a person, and the latest orders."""

import json
import re
import secrets
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from lumira import desk as desks
from lumira.access import Role
from lumira.desk import Desk
from lumira.errors import InvalidSignature, SessionEnded, StoreUnavailable
from lumira.events import TEST_DELIVERY
from lumira.overview import Sold, growing, monday, sold
from lumira.refunds import Dispute
from tests.api.conftest import event, sign
from tests.conftest import NO_STORE
from tests.dashboard.conftest import shown
from tests.dashboard.test_new_payment import closing_desk
from tests.dashboard.test_orders_page import make, rows


def row(day: date, gross: int, orders: int, hour: int, currency: str = "eur") -> dict[str, object]:
    hours, gross_hours = [0] * 24, [0] * 24
    hours[hour], gross_hours[hour] = orders, gross
    return {"day": day, "currency": currency, "hours": hours, "gross_hours": gross_hours}


def test_what_was_sold_in_a_range_and_until_an_hour():
    today = date(2026, 11, 25)
    rows = [
        row(today, 4700, 1, 9),
        row(today, 6700, 1, 18),
        row(today, 9900, 1, 9, "usd"),
        row(today - timedelta(days=1), 9400, 2, 20),
    ]
    assert sold(rows, today, today, "eur") == Sold(11400, 3)
    assert sold(rows, today, today, "eur", until_hour=10) == Sold(4700, 2)
    # Only the last day is cut off.
    assert sold(rows, today - timedelta(days=1), today, "eur", until_hour=10) == Sold(14100, 4)
    assert growing(rows, today, "eur", 19)[8:10] == [Sold(0, 0), Sold(4700, 2)]
    assert growing(rows, today, "eur", 19)[-1] == Sold(11400, 3)
    assert monday(today) == date(2026, 11, 23)


def metrics(app) -> dict[str, tuple[str, str]]:
    return {metric.label: (metric.value, metric.delta) for metric in app.metric}


def groups(app) -> dict[str, str]:
    """What each group of what needs a person is of, and which list it leads to."""
    return {link.value.strip("*"): link.proto.query_string for link in app.page_link if "**" in link.value}


def test_nothing_waits_and_nothing_was_sold(open_page):
    app = open_page("overview")
    page = shown(app)
    assert "Rien à traiter" in page
    assert "Aucun webhook pour l’instant" in page
    taken, yesterday = metrics(app)["Encaissé aujourd’hui"]
    # Hours are kept, not minutes: yesterday counts until the end of this one.
    assert taken == "0,00\u00a0€"
    assert re.fullmatch(r"hier jusqu’à \d+\u00a0h\u00a0: 0,00\u00a0€", yesterday)
    assert [link.value for link in app.page_link] == ["Nouveau paiement", "Toutes les commandes"]
    # The day before the month, as in every other date of the page.
    assert re.search(r"^ *\w+day \d+ \w+ \d{4}$", shown(open_page("overview", locale="en-GB")), re.MULTILINE)


def test_a_payment_of_today_is_in_the_figures_and_leads_to_its_order(open_page, pay):
    order = pay("profond", customerName="Zoé [Le Goff] 🌙")
    app = open_page("overview")
    figures = metrics(app)
    assert figures["Encaissé aujourd’hui"][0] == "67,00\u00a0€"
    assert figures["Paiements cette semaine"][0] == "1"
    # Also on a Monday there is a line to look at.
    lines = {metric.label: list(metric.proto.chart_data) for metric in app.metric}
    assert lines["Encaissé cette semaine"] == [0, 0, 0, 0, 0, 0, 67]
    # And in the first hour of a day, which began with nothing.
    assert (lines["Encaissé aujourd’hui"][0], lines["Encaissé aujourd’hui"][-1]) == (0, 67)
    assert (lines["Paiements aujourd’hui"][0], lines["Paiements aujourd’hui"][-1]) == (0, 1)
    link = next(link for link in app.page_link if "Zoé" in link.value)
    assert link.value == r"Zoé \[Le Goff\] 🌙 · Profond"
    assert link.proto.query_string == f"id={order.payment_intent_id}"


def test_whoever_looks_counts_the_same_payments(open_page, desk, at_the_desk):
    now = datetime.now(UTC)
    make(desk, 1, created_at=now)
    make(desk, 2, created_at=now, currency="usd")
    counted = set()
    for role in (Role.FINANCE, Role.STAFF):
        at_the_desk(role)
        counted.add(metrics(open_page("overview"))["Paiements aujourd’hui"][0])
    assert counted == {"2"}


AWAY = "Les commandes sont inaccessibles pour l’instant."


def test_a_store_that_goes_away_under_the_page_is_told_once_in_our_own_words(open_page, desk, settings):
    app = open_page("overview")
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    with closing_desk(Desk.open(down, demo=True)) as away:
        desks.use(away)
        app.run()
    assert not app.exception
    assert [warning.title for warning in app.warning] == [AWAY]
    desks.use(desk)
    assert not app.run().warning


def test_a_page_waits_for_a_silent_store_once(open_page, settings, caplog):
    app = open_page("overview")
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    caplog.set_level("DEBUG", "pymongo.serverSelection")
    with closing_desk(Desk.open(down, demo=True)) as away:
        desks.use(away)
        app.run()
    assert [warning.title for warning in app.warning] == [AWAY]
    waited = [
        record for record in caplog.records if '"message": "Server selection failed"' in record.getMessage()
    ]
    assert len(waited) == 1


def test_a_list_that_alone_can_not_be_read_says_so_beside_its_figures(open_page, desk, monkeypatch):
    """It is looked up more often than they are, and sees first that the store went away."""
    app = open_page("overview")

    def away(*_, **__):
        raise StoreUnavailable("The store went away.")

    monkeypatch.setattr(type(desk.order_list), "page", away)
    app.run()
    assert [warning.title for warning in app.warning] == [AWAY]
    assert metrics(app)["Encaissé aujourd’hui"][0] == "0,00\u00a0€"


def test_a_session_that_ends_under_the_page_is_not_told_in_words_of_streamlit(open_page, desk, monkeypatch):
    app = open_page("overview")

    def ended(*_, **__):
        raise SessionEnded("Your session has ended.")

    for part in (desk.webhooks, desk.order_list):
        monkeypatch.setattr(type(part), "page", ended)
    app.run()
    assert not app.exception
    assert [error.title for error in app.error] == ["Votre session est terminée."]


def test_a_key_that_stripe_refuses_is_no_stripe_that_is_down(open_page, settings):
    wrong = settings.model_copy(update={"stripe_secret_key": SecretStr("sk_test_wrong")})
    with closing_desk(Desk.open(wrong, demo=True)) as refused:
        desks.use(refused)
        page = shown(open_page("overview"))
        assert "Clé Stripe à vérifier" in page
        assert "Stripe ne répond pas" not in page
        # Nobody is told that all is well meanwhile.
        assert "Rien à traiter" not in page
        assert "Clé Stripe à vérifier. Ce que Stripe annonce" in page
        app = open_page("new_payment")
        app.button(key="choose-mystique").click().run()
        app.button(key="create").click().run()
        assert "STRIPE_SECRET_KEY" in app.warning[0].value
        assert "Stripe refuses the key" not in app.warning[0].value


def test_deliveries_with_another_signature_are_told_until_one_with_ours_comes(
    open_page, desk, refuse_a_signature
):
    refuse_a_signature()
    page = shown(open_page("overview"))
    assert "Webhooks refusés\u00a0: signature" in page
    assert "Rien à traiter" not in page
    # A header that is missing is nobody's secret: whoever finds the address may send that.
    body = json.dumps(event("payout.paid", {"id": "po_1", "object": "payout"})).encode()
    desk.webhooks.receive(body, sign(body)["Stripe-Signature"])
    with pytest.raises(InvalidSignature):
        desk.webhooks.receive(body, None)
    page = shown(open_page("overview"))
    assert "Webhooks\u00a0: à l’instant" in page
    assert "Rien à traiter" in page


def test_what_the_doctor_delivers_shows_nothing_of_the_secret_at_stripe(open_page, desk, refuse_a_signature):
    refuse_a_signature()
    body = json.dumps(event(TEST_DELIVERY, {"id": "evt_lumira_1"})).encode()
    desk.webhooks.receive(body, sign(body)["Stripe-Signature"])
    assert "Webhooks refusés" in shown(open_page("overview"))


def test_a_signature_that_another_process_refused_is_told_here_too(open_page, settings, refuse_a_signature):
    refuse_a_signature()
    with closing_desk(Desk.open(settings, demo=True)) as another:
        desks.use(another)
        assert "Webhooks refusés" in shown(open_page("overview"))


def test_a_signature_refused_an_hour_ago_is_over(open_page, documents, refuse_a_signature):
    """Anybody may send a wrong one, and nothing may be sold for a day that would show the secret is right."""
    refuse_a_signature()
    assert "Webhooks refusés" in shown(open_page("overview"))
    ago = datetime.now(UTC) - timedelta(hours=1)
    documents.refused_signatures.update_one({}, {"$set": {"at": ago}})
    assert "Webhooks refusés" not in shown(open_page("overview"))


def test_what_needs_a_person_is_counted_and_leads_to_its_list(open_page, desk, support, documents):
    for number in range(3):
        created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
        with pytest.raises(Exception, match="declined"):
            desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclined", actor=support)
        if number == 2:
            # The customer can't try it again: Stripe never made it.
            refused = {"$set": {"stripeStatus": "refused"}, "$unset": {"paymentIntentId": ""}}
            documents.productorders.update_one({"paymentIntentId": created.order_id}, refused)
        if number == 1:
            # Paid at Stripe in the meantime, and nobody heard of it: this alone is said of it.
            desk.gateway.confirm_payment_intent(
                created.order_id, "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/"
            )
            documents.productorders.update_one(
                {"paymentIntentId": created.order_id}, {"$set": {"stripeStatus": "succeeded"}}
            )
    dispute = {"id": "du_1", "amount": 4700, "createdAt": datetime.now(UTC), "reason": "fraudulent"}
    for status in ("needs_response", "won"):
        paid = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
        desk.intents.confirm(paid.order_id, "pm_card_visa", actor=support)
        documents.productorders.update_one(
            {"paymentIntentId": paid.order_id},
            {"$set": {"disputes": [dispute | {"status": status}], "updatedAt": datetime.now(UTC)}},
        )
    desk.events.claim({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {}}})
    desk.events.fail("evt_1", "the store was away", "STORE_UNAVAILABLE")
    desk.order_list.list_all()
    # What a group is of leads to it, so that no two links have the same name.
    led = groups(open_page("overview"))
    assert list(led) == [
        "1 webhook en échec",
        "1 commande diffère de Stripe",
        "1 litige attend une réponse",
        "1 paiement refusé en 7 jours",
    ]
    assert led["1 webhook en échec"] == "state=failed"
    assert led["1 commande diffère de Stripe"] == "stripe=differs"
    # The list that opens has those alone that were counted.
    assert led["1 litige attend une réponse"] == "disputed=needs_response&sort=due"
    query = dict(parse_qsl(led["1 paiement refusé en 7 jours"]))
    assert query["stripe"] == "requires_payment_method,unknown"
    assert len(rows(open_page("orders", **query))) == 1
    assert len(rows(open_page("orders", disputed="needs_response"))) == 1


def test_a_dispute_to_answer_is_there_however_old_its_order_is(open_page, desk):
    now = datetime.now(UTC)
    told = Dispute(id="dp", amount=4700, status="needs_response", created_at=now)
    make(desk, 1, disputes=[told], created_at=now - timedelta(days=400))
    assert list(groups(open_page("overview"))) == ["1 litige attend une réponse"]


def test_a_refund_in_part_does_not_hide_a_dispute(open_page, desk):
    now = datetime.now(UTC)
    told = Dispute(id="dp", amount=4700, status="needs_response", created_at=now)
    make(desk, 1, disputes=[told], amount_refunded=1250)
    page = shown(open_page("overview"))
    # Among the disputes and among the latest orders.
    assert page.count(">Contestée</span>") == 2
    assert "Remboursée" not in page


def test_of_disputes_the_one_that_is_due_first_comes_first(open_page, desk):
    now = datetime.now(UTC)
    for number, days in ((1, None), (2, 9), (3, 2)):
        due_by = now + timedelta(days=days) if days else None
        told = Dispute(id="dp", amount=4700, status="needs_response", created_at=now, due_by=due_by)
        make(desk, number, customer_name=f"Client {number}", disputes=[told])
    app = open_page("overview")
    names = [link.label for link in app.page_link if link.label.startswith("Client")]
    assert [name[:8] for name in names[:3]] == ["Client 3", "Client 2", "Client 1"]
    assert "jusqu’au" in shown(app)


@pytest.mark.parametrize("role", [Role.STAFF, Role.SUPPORT])
def test_who_may_not_see_revenue_sees_how_many_orders_were_paid(open_page, at_the_desk, pay, role):
    pay("profond")
    at_the_desk(role)
    app = open_page("overview")
    assert {label: value for label, (value, _) in metrics(app).items()} == {
        "Paiements aujourd’hui": "1",
        "Paiements cette semaine": "1",
    }


def test_more_than_a_person_can_see_to_are_not_counted_further(open_page, desk, support, documents):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    with pytest.raises(Exception, match="declined"):
        desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclined", actor=support)
    row = documents.productorders.find_one({"paymentIntentId": created.order_id})
    for unique in ("_id", "paymentIntentId", "attemptId", "listing"):
        row.pop(unique, None)
    documents.productorders.insert_many([dict(row) for _ in range(98)])
    desk.order_list.list_all()
    assert list(groups(open_page("overview"))) == ["99 paiements refusés en 7 jours"]
    documents.productorders.insert_one(dict(row))
    desk.order_list.list_all()
    assert list(groups(open_page("overview"))) == ["99+ paiements refusés en 7 jours"]
