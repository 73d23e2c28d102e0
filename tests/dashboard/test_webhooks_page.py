"""The ledger on its page: failed events first, handled again from there, no secret shown."""

import html
import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from lumira.access import Role
from lumira.dashboard.event_details import outcome, payment_intent_of, without_secrets
from lumira.dashboard.event_filter import State
from lumira.embedded import SANDBOX_FILE
from lumira.events import RecordedEvent
from tests.conftest import opened
from tests.dashboard.conftest import shown


@pytest.fixture
def waiting(desk, support):
    """A PaymentIntent that was paid at Stripe, of which we never heard."""
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    desk.gateway.confirm_payment_intent(
        created.order_id, "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/"
    )
    return desk.gateway.retrieve_payment_intent(created.order_id)


@pytest.fixture
def record(desk):
    """Records an event in the ledger, failed or with an outcome."""

    def record(
        subject, type_="payment_intent.succeeded", failed=None, code="LATER_THAN_OURS", outcome="applied"
    ):
        event = {"id": f"evt_{secrets.token_hex(8)}", "type": type_, "data": {"object": subject}}
        desk.events.claim(event | {"api_version": desk.gateway.api_version, "livemode": False})
        if failed:
            desk.events.fail(event["id"], failed, code)
        else:
            desk.events.settle(event["id"], outcome)
        return event["id"]

    return record


def test_an_empty_ledger_says_where_webhooks_come_from(open_page):
    page = shown(app := open_page("webhooks"))
    assert "Aucun webhook pour l’instant" in page
    assert "stripe listen --latest --forward-to localhost:9/api/products/webhook" in page
    assert not app.warning


def test_an_empty_ledger_promises_webhooks_only_of_the_stripe_that_lumira_started(open_page, settings):
    by_itself, by_hand = "Le Stripe local les envoie de lui-même", "Reliez l’adresse ci-dessous chez Stripe"
    page = shown(open_page("webhooks"))
    assert (by_itself in page, by_hand in page) == (False, True)
    settings.home.mkdir()
    (settings.home / SANDBOX_FILE).write_text(str(settings.stripe_api_base))
    page = shown(open_page("webhooks"))
    assert (by_itself in page, by_hand in page) == (True, False)


def test_where_stripe_takes_no_payment_an_empty_ledger_advises_none(open_page, settings):
    for changed, advice in (
        ({"stripe_secret_key": SecretStr("sk_test_wrong")}, "STRIPE_SECRET_KEY"),
        ({"stripe_secret_key": None}, "STRIPE_SECRET_KEY"),
        ({"stripe_api_base": "http://127.0.0.1:9"}, "Stripe ne répond pas correctement"),
    ):
        with opened(settings.model_copy(update=changed)):
            app = open_page("webhooks")
        page = shown(app)
        assert ("Aucun webhook pour l’instant" in page, advice in page) == (True, True)
        assert "créez un paiement" not in page
        assert "Nouveau paiement" not in [link.value for link in app.page_link]


def test_where_signatures_are_refused_an_empty_ledger_names_the_secret(open_page, refuse_a_signature):
    refuse_a_signature()
    page = shown(open_page("webhooks"))
    assert "Copiez-le depuis Stripe dans STRIPE_WEBHOOK_SECRET" in page
    assert "créez un paiement" not in page


def test_why_an_event_failed_is_said_in_the_readers_language(open_page, record, documents):
    event_id = record({"id": "pi_1"}, failed="Stripe did not answer in time.", code="SERVICE_TIMEOUT")
    said = "Stripe n’a pas répondu à temps."
    app = open_page("webhooks", event=event_id)
    assert list(app.dataframe[0].value["outcome"]) == [said]
    [alert] = app.error
    assert (said in alert.value, "Stripe did not answer in time." in alert.value) == (True, True)
    # As it was recorded before the ledger knew codes.
    documents.processed_events.update_one({"eventId": event_id}, {"$unset": {"errorCode": ""}})
    app = open_page("webhooks", event=event_id)
    assert list(app.dataframe[0].value["outcome"]) == ["Stripe did not answer in time."]
    assert app.error[0].value == "Stripe did not answer in time."


def test_a_missing_secret_is_said_with_what_to_do(settings, open_page):
    with opened(settings.model_copy(update={"stripe_webhook_secret": None})):
        app = open_page("webhooks", locale="en-GB")
    assert app.warning[0].title == "No webhook can be received: the secret is missing."
    assert any("STRIPE_WEBHOOK_SECRET" in code.value for code in app.code)


def test_failed_events_stand_first_and_are_counted(open_page, record):
    record({"id": "pi_1"}, failed="time-out")
    for number in range(3):
        record({"id": f"pi_{number}"}, "payment_intent.created", outcome="ignored")
    record({"id": "pi_9"}, outcome="other API version")
    app = open_page("webhooks")
    frame = app.dataframe[0].value
    assert [list(state) for state in frame["state"]] == [["Échoué"], *([["Traité"]] * 4)]
    assert list(frame["outcome"])[:2] == ["time-out", "Autre version d’API\u00a0: non appliqué"]
    assert "1 webhook a échoué" in shown(app)
    app.get_by_key("state").set_value(State.FAILED).run()
    assert app.query_params["state"] == "failed"
    assert len(app.dataframe[0].value) == 1
    assert len(open_page("webhooks", state="processed").dataframe[0].value) == 4
    refunds = open_page("webhooks", type="refund.created", age="7d")
    assert "Aucun événement ne correspond" in shown(refunds)
    payments = open_page("webhooks", type="payment_intent.succeeded")
    assert list(payments.dataframe[0].value["type"]) == ["Paiement réussi"] * 2
    payments.get_by_key("type").set_value("").run()
    assert "type" not in payments.query_params
    assert len(payments.dataframe[0].value) == 5


def test_a_failed_event_is_listed_only_within_the_age_that_was_chosen(open_page, record, documents):
    event_id = record({"id": "pi_1"}, failed="time-out")
    two_days_ago = {"$set": {"createdAt": datetime.now(UTC) - timedelta(days=2)}}
    documents.processed_events.update_one({"eventId": event_id}, two_days_ago)
    record({"id": "pi_2"})
    assert list(open_page("webhooks", age="1d").dataframe[0].value["payment_intent"]) == ["pi_2"]
    assert list(open_page("webhooks", age="7d").dataframe[0].value["payment_intent"]) == ["pi_1", "pi_2"]


def test_a_card_says_what_came_of_an_event_and_opens_it_in_the_same_list(open_page, record):
    record({"id": "pi_1"}, failed="time-out <b>")
    page = open_page("webhooks", state="failed")
    [cards] = [part.body for part in page.html if part.body.startswith("<ul")]
    assert "<b>Paiement réussi</b>" in cards
    assert "Échoué" in cards
    assert " · time-out &lt;b&gt;" in cards
    link = re.search('href="/webhooks[?](.*?)"', cards)[1]
    query = dict(parse_qsl(html.unescape(link)))
    opened_there = open_page("webhooks", **query)
    assert query["state"] == "failed"
    assert "Événement" in [header.value for header in opened_there.header]


def test_each_row_names_its_payment(open_page, record):
    record({"id": "cus_1"}, "customer.created", outcome="ignored")
    record({"id": "ch_1", "payment_intent": "pi_1"}, "charge.refunded")
    record({"id": "pi_1"})
    assert list(open_page("webhooks").dataframe[0].value["payment_intent"]) == ["pi_1", "pi_1", "–"]


def test_pages_are_turned_by_cursor(open_page, record):
    for number in range(52):
        record({"id": f"pi_{number}"}, "payment_intent.created", outcome="ignored")
    app = open_page("webhooks")
    assert len(app.dataframe[0].value) == 50
    app.button(key="next").click().run()
    assert len(app.dataframe[0].value) == 2
    assert app.button(key="next").disabled


def test_an_open_event_shows_its_error_its_payload_and_no_secret(open_page, record, waiting):
    assert waiting["client_secret"]
    event_id = record(waiting, failed="The **store** was away")
    app = open_page("webhooks", event=event_id)
    assert app.error[0].value == r"The \*\*store\*\* was away"
    assert waiting["id"] in app.json[0].value
    assert "client_secret" not in app.json[0].value
    assert event_id in shown(app)
    assert [link.value for link in app.page_link] == ["Voir la commande"]


def test_an_event_without_an_order_has_no_link(open_page, record):
    event_id = record({"id": "pi_nobody"}, failed="time-out")
    assert not open_page("webhooks", event=event_id).page_link


def test_an_event_about_a_spoilt_order_says_which(open_page, record, documents):
    documents.productorders.insert_one({"paymentIntentId": "pi_1"}, bypass_document_validation=True)
    app = open_page("webhooks", event=record({"id": "pi_1"}, failed="The order 1 can't be read"))
    assert [error.value for error in app.error] == ["The order 1 can't be read"]


def test_a_failed_event_is_handled_again(open_page, desk, record, waiting, admin):
    event_id = record(waiting, failed="time-out")
    app = open_page("webhooks", event=event_id)
    app.button(key="retry-event").click().run()
    assert app.toast[0].value == "Relancé\u00a0: La commande a changé."
    assert desk.webhooks.find(event_id, actor=admin).state == "processed"
    assert desk.orders.find_by_payment_intent(waiting["id"]).status == "completed"
    assert not [button for button in app.button if button.key in {"retry-event", "retry-all"}]


def test_what_fails_again_says_why(open_page, record):
    event_id = record({"id": "pi_unknown", "amount": "many", "currency": "eur"}, failed="time-out")
    app = open_page("webhooks", event=event_id)
    app.button(key="retry-event").click().run()
    assert "INVALID_EVENT" in shown(app)
    assert any("amount\\: not a number of minor units" in alert.value for alert in app.error)
    assert app.button(key="retry-event")


def test_all_failed_events_are_handled_again(open_page, desk, record, waiting):
    record(waiting, failed="time-out")
    record({"id": "pi_unknown", "amount": "many"}, failed="time-out")
    app = open_page("webhooks")
    app.button(key="retry-all").click().run()
    assert app.toast[0].value == "Relancés\u00a0: 2. Encore en échec\u00a0: 1."
    assert desk.orders.find_by_payment_intent(waiting["id"]).status == "completed"
    assert "1 webhook a échoué" in shown(app)


@pytest.mark.parametrize(("role", "may"), [(Role.STAFF, False), (Role.SUPPORT, False), (Role.ADMIN, True)])
def test_only_who_may_retry_has_the_buttons(open_page, record, at_the_desk, role, may):
    event_id = record({"id": "pi_1"}, failed="time-out")
    at_the_desk(role)
    keys = {button.key for button in open_page("webhooks", event=event_id).button}
    assert keys >= {"retry-event", "retry-all"} if may else not keys & {"retry-event", "retry-all"}


def test_an_event_whose_worker_died_can_be_retried_where_it_stands(open_page, record, documents):
    event_id = record({"id": "pi_1"}, failed="time-out")
    past = datetime.now(UTC) - timedelta(minutes=2)
    documents.processed_events.update_one({}, {"$set": {"state": "processing", "leaseUntil": past}})
    app = open_page("webhooks", event=event_id)
    app.button(key="retry-event").click().run()
    assert documents.processed_events.find_one()["state"] != "processing"


def test_an_unknown_event_is_said_calmly(open_page):
    assert open_page("webhooks", event="evt_nobody").info[0].title == "Cet événement n’est pas connu."


def test_secrets_are_left_out_at_any_depth():
    kept = {"object": {"id": "pi_1", "charges": [{"id": "ch_1"}]}}
    full = {"object": {"id": "pi_1", "client_secret": "x", "charges": [{"id": "ch_1", "client_secret": "y"}]}}
    assert without_secrets(full) == kept


@pytest.mark.parametrize(
    ("type_", "subject", "found"),
    [
        ("payment_intent.succeeded", {"id": "pi_1"}, "pi_1"),
        ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}, "pi_1"),
        ("charge.refunded", {"id": "ch_1", "payment_intent": {"id": "pi_1"}}, "pi_1"),
        ("charge.refunded", {"id": "ch_1", "payment_intent": None}, None),
        ("customer.created", "nonsense", None),
    ],
)
def test_the_payment_intent_of_an_event(type_, subject, found):
    event = RecordedEvent(event_id="evt_1", event_type=type_, data={"object": subject})
    assert payment_intent_of(event) == found


def test_an_event_of_the_former_program_has_words(desk):
    assert outcome(RecordedEvent(event_id="evt_1")) == "Traité par l’ancien programme"


def test_the_events_of_a_page_are_not_said_to_be_all(open_page, desk):
    for number in range(51):
        desk.events.record({"id": f"evt_{number}", "type": "payout.paid", "data": {}}, "ignored")
    assert "50 événements sur cette page" in shown(open_page("webhooks"))
