"""New payment: from an empty form to a paid order, and what can go wrong on the way."""

from contextlib import contextmanager

import pytest
from bson import ObjectId
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from lumira import desk as desks
from lumira.access import Role
from lumira.catalog import CATALOG
from lumira.dashboard.navigation import PAGES
from lumira.dashboard.theme import LEVEL_COLOURS
from lumira.desk import Desk
from lumira.errors import StoreUnavailable
from lumira.order_filter import OrderFilter
from tests import web
from tests.conftest import NO_STORE, opened
from tests.dashboard.conftest import shown


def fill(app, product="mystique", **fields):
    app.button(key=f"choose-{product}").click().run()
    for name, value in fields.items():
        app.text_input(key=name).set_value(value)
    return app


def create(app, product="mystique", **fields):
    return fill(app, product, **fields).button(key="create").click().run()


def choose_card(app, method):
    next(box for box in app.selectbox if box.key.startswith("card-")).set_value(method)


def stored(desk, support):
    return desk.order_list.page(OrderFilter(), 50, actor=support).orders


def test_a_payment_is_created_shown_to_copy_and_paid(open_page, desk, support):
    app = create(open_page("new_payment"), "profond", email="Anaïs@Example.com", name="Anaïs", phone="+33612")
    [order] = stored(desk, support)
    assert app.query_params["order"] == order.payment_intent_id
    assert (order.customer_email, order.name, order.amount) == ("anaïs@example.com", "Anaïs", 6700)
    secret = desk.intents.client_secret(order.payment_intent_id, actor=support)
    assert [code.value for code in app.code] == [order.payment_intent_id, order.id, secret]
    assert "67,00\u00a0€" in shown(app)
    app.button(key="pay").click().run()
    assert app.success[0].title == "Payé"
    assert "Visa •••• 4242\u00a0: Stripe interroge la banque." in shown(app)
    assert "Stripe répond\u00a0: payé." in shown(app)
    assert not [button for button in app.button if button.key == "pay"]
    assert stored(desk, support)[0].status == "completed"


def test_a_webhook_that_is_awaited_in_vain_says_why(open_page, refuse_a_signature):
    app = create(open_page("new_payment"))
    app.button(key="pay").click().run()
    assert "Webhooks refusés" not in shown(app)
    refuse_a_signature()
    page = shown(app.run())
    assert "Le webhook de Stripe est attendu" in page
    assert "Webhooks refusés\u00a0: signature" in page


def test_a_decline_is_told_in_words_and_another_card_may_pay(open_page, desk, support):
    app = create(open_page("new_payment"))
    choose_card(app, "pm_card_visa_chargeDeclinedInsufficientFunds")
    app.button(key="pay").click().run()
    # As on the order's own page.
    assert [info.title for info in app.info] == ["Refusé\u00a0: solde insuffisant"]
    assert "dès que son compte ou son plafond le permet" in app.info[0].value
    [order] = stored(desk, support)
    assert order.status == "failed"
    reloaded = open_page("new_payment", order=order.order_id)
    assert reloaded.title[0].value == "Paiement refusé"
    assert [info.title for info in reloaded.info] == ["Refusé\u00a0: solde insuffisant"]
    choose_card(app, "pm_card_visa")
    app.button(key="pay").click().run()
    assert not app.info
    assert app.success[0].title == "Payé"


def test_a_free_reading_needs_no_stripe(open_page, desk, support):
    app = create(open_page("new_payment"), "initie", email="zoe@example.com")
    [order] = stored(desk, support)
    assert order.payment_intent_id.startswith("free_")
    assert app.success[0].title == "Offert"
    assert [code.value for code in app.code] == [order.payment_intent_id, order.id]


def test_what_is_not_for_sale_cannot_be_chosen(open_page):
    app = open_page("new_payment")
    assert app.button(key="choose-integrale").disabled
    assert app.button(key="choose-integrale").label == "Bientôt"
    assert app.button(key="create").disabled


def test_each_card_has_the_colour_of_its_level(open_page):
    page = shown(open_page("new_payment"))
    for product in CATALOG.values():
        assert f".st-key-product-{product.id} {{ --level: {LEVEL_COLOURS[product.level]}; }}" in page


def test_the_product_chosen_stands_in_the_address_until_it_is_paid_for(open_page):
    assert fill(open_page("new_payment"), "profond").query_params["product"] == "profond"
    app = open_page("new_payment", product="profond")
    assert not app.button(key="create").disabled
    app.button(key="create").click().run()
    assert "product" not in app.query_params
    for named in ("integrale", "nothing"):
        assert open_page("new_payment", product=named).button(key="create").disabled


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("email", "nobody", "Ce n’est pas une adresse e-mail."),
        ("name", "n" * 501, "500 caractères au plus."),
        ("phone", "0" * 501, "500 caractères au plus."),
        ("phone", "06 📞 12", "pas un numéro de téléphone"),
        ("email", "zoé🌙@example.com", "un signe qu’aucune adresse n’a"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_typed_is_lost(open_page, desk, support, field, value, told):
    typed = {"email": "zoe@example.com", "name": "Zoé", "phone": "+33612345678"} | {field: value}
    app = create(open_page("new_payment"), **typed)
    assert told in shown(app)
    # A code is for an administrator, and nobody needs one to correct a field.
    assert "INVALID_" not in shown(app)
    assert {name: app.text_input(key=name).value for name in typed} == typed
    assert app.button(key="choose-mystique").label == "Mystique choisi"
    assert stored(desk, support) == []
    app.text_input(key=field).set_value("").run()
    app.button(key="create").click().run()
    assert len(stored(desk, support)) == 1


def test_a_wrong_address_and_a_wrong_number_are_said_at_once(open_page, desk, support):
    app = create(open_page("new_payment"), email="zoe@@example.com", phone="à rappeler")
    assert "pas une adresse e-mail" in shown(app)
    assert "pas un numéro de téléphone" in shown(app)
    # On a phone the fields are a screen above the button.
    assert "Rien n’est créé" in app.caption[-1].value
    assert stored(desk, support) == []


def test_the_same_press_twice_creates_one_payment(open_page, desk, support):
    app = fill(open_page("new_payment"), email="zoe@example.com")
    attempt = app.query_params["attempt"]
    app.button(key="create").click().run()
    # The second click of a double click arrives while the page still shows the form.
    del app.query_params["order"]
    app.query_params["attempt"] = attempt
    app.run()
    create(app, email="zoe@example.com")
    assert len(stored(desk, support)) == 1


def test_start_over_makes_the_next_payment_another_one(open_page, desk, support):
    app = create(open_page("new_payment"), email="zoe@example.com")
    app.button(key="start-over").click().run()
    assert app.text_input(key="email").value == ""
    create(app, email="zoe@example.com")
    assert len(stored(desk, support)) == 2


def test_a_reload_finds_the_payment_again(open_page, desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    app = open_page("new_payment", order=created.order_id)
    assert created.client_secret in [code.value for code in app.code]
    assert [button.key for button in app.button if button.key == "pay"]


def test_a_reload_before_the_answer_leads_to_the_payment(open_page, desk, support):
    app = fill(open_page("new_payment"), email="zoe@example.com")
    attempt = app.query_params["attempt"]
    # The session that was left goes on asking after its page is gone.
    created = desk.intents.create(
        {"productId": "mystique"}, actor=support, source="desk", idempotency_key=attempt
    )
    reloaded = open_page("new_payment", attempt=attempt)
    assert reloaded.query_params["order"] == created.order_id
    assert "attempt" not in reloaded.query_params
    assert created.client_secret in [code.value for code in reloaded.code]


def test_a_reload_before_the_order_is_stored_still_creates_one(open_page, desk, support):
    app = fill(open_page("new_payment"), email="zoe@example.com")
    reloaded = open_page("new_payment", attempt=app.query_params["attempt"])
    app.button(key="create").click().run()
    create(reloaded, email="zoe@example.com")
    assert len(stored(desk, support)) == 1
    assert reloaded.query_params["order"] == app.query_params["order"]


def test_a_reload_while_the_store_is_away_leads_to_the_payment_as_soon_as_it_is_back(
    settings, open_page, desk, support
):
    attempt = open_page("new_payment").query_params["attempt"]
    created = desk.intents.create(
        {"productId": "mystique"}, actor=support, source="desk", idempotency_key=attempt
    )
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    with closing_desk(Desk.open(down, demo=True)) as unreachable:
        desks.use(unreachable)
        app = open_page("new_payment", attempt=attempt)
        assert "STORE_UNAVAILABLE" in app.warning[0].value
    desks.use(desk)
    app.button(key="try-again").click().run()
    assert app.query_params["order"] == created.order_id


def test_the_form_of_a_tab_that_was_copied_creates_its_own_payment_when_asked_again(open_page, desk, support):
    app = open_page("new_payment")
    copied = open_page("new_payment", attempt=app.query_params["attempt"])
    create(app, email="zoe@example.com")
    create(copied, email="camille@example.com")
    assert "IDEMPOTENCY_CONFLICT" in shown(copied)
    copied.button(key="create").click().run()
    assert {order.customer_email for order in stored(desk, support)} == {
        "zoe@example.com",
        "camille@example.com",
    }


def test_a_payment_begun_after_one_was_made_is_another_and_its_form_is_empty(open_page, desk, support):
    app = create(open_page("new_payment"), email="zoe@example.com")
    app.button(key="begin-payment").click().run()
    assert app.text_input(key="email").value == ""
    create(app, email="zoe@example.com")
    assert len(stored(desk, support)) == 2


def test_what_was_typed_is_there_after_a_look_at_another_page(open_page):
    app = fill(open_page("new_payment"), email="zoe@example.com").run()
    app.switch_page(str(PAGES / "webhooks.py")).run()
    app.button(key="begin-payment").click().run()
    assert app.text_input(key="email").value == "zoe@example.com"


def test_a_waiting_payment_is_cancelled_with_a_reason(open_page, desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    app = open_page("new_payment", order=created.order_id)
    next(box for box in app.selectbox if box.key.startswith("cancel-reason-")).set_value("duplicate")
    app.button(key="cancel").click().run()
    assert app.info[0].title == "Annulé"
    assert "a annulé le paiement" in shown(app)
    assert desk.gateway.retrieve_payment_intent(created.order_id)["cancellation_reason"] == "duplicate"


def test_what_happened_elsewhere_shows_after_asking_stripe(open_page, desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    app = open_page("new_payment", order=created.order_id)
    desk.gateway.confirm_payment_intent(
        created.order_id, "pm_card_visa", f"elsewhere-{created.order_id}", "http://127.0.0.1/"
    )
    app.button(key="refresh").click().run()
    assert app.success[0].title == "Payé"


def test_an_unknown_order_in_the_url_is_said_calmly(open_page):
    app = open_page("new_payment", order="pi_nobody_knows")
    assert app.header[0].value == "Aucune commande ne porte ce numéro"
    assert [link.value for link in app.page_link] == ["Voir les commandes"]
    assert not [button for button in app.button if button.key == "try-again"]


def test_a_stripe_that_is_away_heals_with_the_same_attempt(settings, open_page, support):
    away = settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})
    with opened(away) as desk:
        app = create(open_page("new_payment"), email="zoe@example.com")
        assert "STRIPE_SERVICE_ERROR" in app.warning[0].value
        assert app.text_input(key="email").value == "zoe@example.com"
        [order] = stored(desk, support)
        with closing_desk(Desk.open(settings, demo=True)) as back:
            desks.use(back)
            app.button(key="create").click().run()
            [again] = stored(back, support)
        assert (again.id, bool(again.payment_intent_id)) == (order.id, True)


def test_a_stripe_that_goes_away_is_told_of_once_beside_a_payment_that_waits(
    settings, open_page, support, faulty_sandbox_url, fault, faults_left
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        order = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
        fault(answer=429, next=2, path="/v1/payment_intents/")
        app = open_page("new_payment", order=order.order_id)
        assert shown(app).count("Stripe ne répond pas correctement.") == 1
        assert not [told for told in ("_secret_", "Une carte est attendue") if told in shown(app)]
        # The next drawing of the page does not wait for it again.
        app.run()
        assert (shown(app).count("Stripe ne répond pas correctement."), faults_left()) == (1, 1)
        app.button(key="refresh").click().run()
        assert shown(app).count("Stripe ne répond pas correctement.") == 1
        assert app.toast[0].value.startswith("Stripe ne répond pas correctement.")
        app.button(key="refresh").click().run()
        assert "Stripe ne répond pas correctement." not in shown(app)
        assert all(told in shown(app) for told in ("_secret_", "Une carte est attendue"))


def test_a_store_that_is_down_is_said_and_heals(settings, desk, open_page):
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    app = open_page("orders")
    with closing_desk(Desk.open(down, demo=True)) as unreachable:
        desks.use(unreachable)
        app.run()
        assert "STORE_UNAVAILABLE" in app.warning[0].value
    desks.use(desk)
    app.button(key="try-again").click().run()
    assert not app.warning
    assert "Aucune commande pour l’instant" in shown(app)


def page_that_failed(error):
    import streamlit as st

    from lumira.dashboard import problems

    st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    problems.await_answer(error, shown_at=0)


def test_a_page_that_failed_is_drawn_anew_once_the_store_answers_and_not_over_and_over(settings, desk):
    away = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    app = AppTest.from_function(page_that_failed, args=(StoreUnavailable("Away."),))
    with closing_desk(Desk.open(away, demo=True)) as unreachable:
        desks.use(unreachable)
        assert app.run().session_state["drawn"] == 1
    desks.use(desk)
    assert app.run().session_state["drawn"] == 3
    # The store answers, and what the page asks of it may not.
    assert app.run().session_state["drawn"] == 4


@contextmanager
def closing_desk(desk):
    try:
        yield desk
    finally:
        desk.store.close()


def test_a_known_customer_is_found_while_typing_and_fills_the_form(open_page, desk, support):
    customer = {
        "customerEmail": "camille@example.com",
        "customerName": "Camille L.",
        "customerPhone": "+33 6",
    }
    desk.intents.create({"productId": "initie", **customer}, actor=support, source="tests")
    app = open_page("new_payment")
    app.text_input(key="customer-search").set_value("cam").run()
    app.button(key="found-0").click().run()
    values = {name: app.text_input(key=name).value for name in ("email", "name", "phone")}
    assert values == {"email": "camille@example.com", "name": "Camille L.", "phone": "+33 6"}
    app.text_input(key="customer-search").set_value("zzz").run()
    assert "Personne de ce nom" in shown(app)
    # Nobody was looked for yet.
    app.text_input(key="customer-search").set_value("c").run()
    assert "Personne de ce nom" not in shown(app)


def test_a_payment_for_the_customer_of_an_order_begins_filled(open_page, desk, support):
    created = desk.intents.create(
        {"productId": "initie", "customerEmail": "zoe@example.com", "customerName": "Zoé"},
        actor=support,
        source="tests",
    )
    app = open_page("new_payment", like=created.order_id)
    assert app.text_input(key="email").value == "zoe@example.com"
    assert "like" not in app.query_params
    assert open_page("new_payment", like="pi_unknown").text_input(key="email").value == ""


def test_a_payment_for_the_customer_of_an_order_waits_for_the_store(open_page, desk, settings, support):
    customer = {"productId": "initie", "customerEmail": "zoe@example.com"}
    order = desk.intents.create(customer, actor=support, source="tests").order_id
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    with closing_desk(Desk.open(down, demo=True)) as away:
        desks.use(away)
        app = open_page("new_payment", like=order)
    assert app.warning[0].title == "Les commandes sont inaccessibles pour l’instant."
    desks.use(desk)
    app.button(key="try-again").click().run()
    assert app.text_input(key="email").value == "zoe@example.com"
    assert "like" not in app.query_params


def test_a_store_that_goes_away_after_stripe_took_the_money_is_not_said_to_have_charged_nothing(
    open_page, desk, monkeypatch
):
    app = create(open_page("new_payment"))

    def away(*_, **__):
        raise StoreUnavailable("The store went away.")

    monkeypatch.setattr(type(desk.intents), "_apply", away)
    app.button(key="pay").click().run()
    assert app.warning[0].title == "Les commandes sont inaccessibles pour l’instant."
    assert "Rien n’a été débité" not in app.warning[0].value


def test_real_money_is_not_said_to_be_taken_in_test_mode(open_page, documents, pay):
    order = pay("profond")
    documents.productorders.update_one({"_id": ObjectId(order.id)}, {"$set": {"livemode": True}})
    app = open_page("new_payment", order=order.id)
    assert app.success[0].value == "67,00\u00a0€ encaissés. La lecture est ouverte."


def test_three_d_secure_leads_to_the_bank_and_back(open_page, desk, support):
    app = create(open_page("new_payment"))
    choose_card(app, "pm_card_threeDSecure2Required")
    app.button(key="pay").click().run()
    assert "La banque veut authentifier le client (3-D Secure)." in shown(app)
    # It is said beside the card, too: that Stripe waits for one would not be true.
    assert app.info[0].title == "La banque veut authentifier le client (3-D Secure)."
    assert "Aucun paiement reçu pour l’instant." not in shown(app)
    [order] = stored(desk, support)
    bank = desk.payments.details(order.id, actor=support).action_url
    answer = web.post(bank, data={"accepted": "yes"})
    assert f"/new-payment?order={order.payment_intent_id}&" in answer.headers["location"]
    app.query_params["payment_intent_client_secret"] = "pi_1_secret_2"
    app.button(key="refresh").click().run()
    assert app.success[0].title == "Payé"
    assert "payment_intent_client_secret" not in app.query_params


def test_without_a_publishable_key_staff_are_told_what_to_set(open_page):
    app = create(open_page("new_payment"))
    assert "STRIPE_PUBLISHABLE_KEY" in shown(app)
    assert not any("/checkout/" in code.value for code in app.code)


@pytest.mark.parametrize("role", [Role.STAFF, Role.FINANCE])
def test_who_creates_no_payments_sees_no_form_no_card_and_no_secret(
    open_page, desk, support, at_the_desk, role
):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    at_the_desk(role)
    assert "create" not in {button.key for button in open_page("new_payment").button}
    app = open_page("new_payment", order=created.order_id)
    assert not {"pay", "cancel"} & {button.key for button in app.button}
    assert created.client_secret not in shown(app)


def fields_of(app):
    """The fields of metadata, by what their names end in, and what stands in them."""
    return {
        box.key.removeprefix("metadata-"): box.value for box in app.text_input if "metadata" in str(box.key)
    }


def test_metadata_is_typed_row_by_row_and_goes_to_stripe(open_page, desk, support):
    app = open_page("new_payment")
    assert fields_of(app) == {"key-1": "", "value-1": ""}
    fill(app, **{"metadata-key-1": "campagne", "metadata-value-1": "noël 🎄"}).run()
    assert fields_of(app).keys() == {"key-1", "value-1", "key-2", "value-2"}
    # A row that is left out, and one behind it.
    app.text_input(key="metadata-value-2").set_value("x").run()
    app.text_input(key="metadata-key-3").set_value("dossier").run()
    app.text_input(key="metadata-value-2").set_value("").run()
    app.text_input(key="metadata-value-3").set_value("7")
    app.button(key="create").click().run()
    [order] = stored(desk, support)
    at_stripe = desk.gateway.retrieve_payment_intent(order.payment_intent_id)["metadata"]
    for metadata in (order.metadata, at_stripe):
        assert (metadata["campagne"], metadata["dossier"]) == ("noël 🎄", "7")
    app.button(key="start-over").click().run()
    assert fields_of(app) == {"key-1": "", "value-1": ""}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("dossier", "1"), ("dossier", "2")], "La clé « dossier » est là deux fois."),
        ([("", "sans nom")], "Stripe ne prend pas ces métadonnées."),
    ],
    ids=["twice", "without a name"],
)
def test_metadata_that_stripe_would_not_take_is_told_of_and_stays(open_page, desk, support, rows, told):
    app = open_page("new_payment")
    for number, (key, value) in enumerate(rows, start=1):
        app.text_input(key=f"metadata-key-{number}").set_value(key).run()
        app.text_input(key=f"metadata-value-{number}").set_value(value).run()
    create(app)
    assert told.replace(" »", "\u00a0»").replace("« ", "«\u00a0") in shown(app)
    assert stored(desk, support) == []
    assert [value for name, value in fields_of(app).items() if "value" in name and value] == [
        value for _, value in rows
    ]


def test_metadata_stays_in_another_language_and_after_another_page(open_page):
    app = open_page("new_payment")
    app.text_input(key="metadata-key-1").set_value("campagne").run()
    app.text_input(key="metadata-value-1").set_value("noël").run()
    app.get_by_key("language").set_value("en").run()
    assert fields_of(app)["value-1"] == "noël"
    app.switch_page(str(PAGES / "system.py")).run()
    app.switch_page(str(PAGES / "new_payment.py")).run()
    assert (fields_of(app)["key-1"], fields_of(app)["value-1"]) == ("campagne", "noël")
