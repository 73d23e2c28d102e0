"""The page of one order: what it shows, and what can be done there."""

import re
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from lumira import desk as desks
from lumira.access import Actor, Role
from lumira.checkout import LIFETIME
from lumira.dashboard.declines import _ADVICE
from lumira.dashboard.order_details import told_of
from lumira.desk import Desk
from lumira.errors import PaymentFailed, StripeConfigError
from lumira.money_back import refund_at_stripe
from lumira.orders import Order, TimelineEntry
from lumira.payment_details import ChargeDetails, PaymentDetails
from lumira.refunds import Dispute, Refund, dispute_from, refund_from
from lumira.texts import is_known
from tests.conftest import authorized_order, opened, wait_until
from tests.dashboard.conftest import shown
from tests.dashboard.test_orders_page import make

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_order_shows_at_its_address_by_either_id(open_page, pay):
    order = pay(customerEmail="zoe@example.com")
    for order_id in (order.payment_intent_id, order.id):
        app = open_page("order", id=order_id)
        assert "zoe@example.com" in shown(app)
        assert "47,00\u00a0€" in shown(app)


def test_heading_says_whose_order_it_is_and_the_tab_what_it_is(open_page, desk, monkeypatch):
    tabs = []
    monkeypatch.setattr(st, "set_page_config", lambda page_title=None, **_: tabs.append(page_title))
    for number, customer, heading in (
        (1, {"customer_name": "Anaïs [Le Goff]"}, r"Commande pour Anaïs \[Le Goff\]"),
        (2, {"customer_email": "zoe@example.com"}, "Commande pour zoe@\u2060example.com"),
        (3, {"customer_email": None}, "Commande"),
        # As another program may write it.
        (
            5,
            {"customer_email": None, "metadata": {"customerEmail": "Zoe@example.com"}},
            "Commande pour zoe@\u2060example.com",
        ),
    ):
        order = make(desk, number, **customer)
        assert open_page("order", id=order.id).title[0].value == heading
        assert tabs[-1] == "47,00\u00a0€ · Mystique · Lumira"
    given = make(desk, 4, product_id="initie", amount=0, payment_intent_id="free_4", stripe_status=None)
    open_page("order", id=given.id)
    assert tabs[-1] == "Offert · Initié · Lumira"
    open_page("order", id="pi_unknown")
    assert tabs[-1] == "Commande · Lumira"
    assert not any("zoe" in tab or "Anaïs" in tab for tab in tabs)


def test_an_unknown_order_leads_back_to_the_list(open_page):
    app = open_page("order", id="pi_unknown")
    assert "pi\\_unknown" in shown(app)
    assert not app.error


def test_no_order_asked_for_leads_to_the_list(open_page):
    app = open_page("order")
    assert "Aucune commande à cette adresse" in shown(app)
    assert "Voir les commandes" in [link.value for link in app.page_link]


def test_a_paid_order_shows_card_fee_and_what_is_left(open_page, desk, pay, support):
    order = pay("profond", customerEmail="zoe@example.com")
    wait_until(lambda: desk.payments.details(order.id, actor=support).paid.fee)
    page = shown(open_page("order", id=order.id))
    for told in ("Visa •••• 4242", "Frais Stripe", "Net de frais", "Risque", "États-Unis"):
        assert told in page
    assert "pas encore connus" not in page


def test_without_stripe_the_page_is_there_and_says_so(open_page, desk, settings, pay):
    order = pay("profond", customerEmail="zoe@example.com")
    with opened_elsewhere(desk, settings):
        app = open_page("order", id=order.id)
    assert "zoe@example.com" in shown(app)
    assert "STRIPE_SERVICE_ERROR" in app.warning[0].value
    assert "pas encore connus" in shown(app)


@contextmanager
def opened_elsewhere(desk, settings):
    """A desk on the same data for which Stripe is out of reach."""
    unreachable = Desk.open(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"}), demo=True)
    desks.use(unreachable)
    try:
        yield
    finally:
        desks.use(desk)
        unreachable.store.close()


def test_a_customer_shows_with_level_and_other_orders(open_page, pay):
    pay("mystique", customerEmail="zoe@example.com", customerName="Zoé")
    order = pay("profond", customerEmail="zoe@example.com", customerName="Zoé")
    app = open_page("order", id=order.id)
    # Theirs is this order's, which says so already.
    assert len(re.findall("Profond<", shown(app))) == 1
    assert "Niveau" not in shown(app)
    other = next(button for button in app.button if "Mystique · 47,00\u00a0€ · terminée" in button.label)
    other.click().run()
    assert app.query_params["id"] != order.id
    assert len(re.findall("Mystique<", shown(app))) == 1
    assert "Niveau le plus haut\u00a0: Profond" in shown(app)


@pytest.fixture
def dispute(desk, support):
    """Pays an order with a card that is disputed at once, which the desk hears of; the order."""

    def dispute(card: str) -> Order:
        created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
        order = desk.intents.confirm(created.order_id, card, actor=support)
        [told] = desk.gateway.list_disputes(created.order_id)
        desk.orders.add_dispute(order, dispute_from(told, datetime.now(UTC)))
        return desk.orders.get(order.id)

    return dispute


def test_a_dispute_says_until_when_it_is_answered_and_what_is_at_stake(open_page, dispute):
    app = open_page("order", id=dispute("pm_card_createDispute").id)
    page = shown(app)
    assert "Le client conteste 67,00\u00a0€ auprès de sa banque" in page
    assert re.search(r"Réponse attendue avant le .+ : il reste \d jours", page.replace("\u00a0", " "))
    assert "dit n’avoir pas fait ce paiement" in page
    assert "Ce qui aide" in page
    assert "Stripe garde 20,00\u00a0€ pour le litige" in page
    assert "Rien n’a encore été envoyé à la banque" in page
    # What the bank took is not ours any more.
    assert "<dt>Repris par le litige</dt><dd>−67,00" in page
    assert "<dt>Frais du litige</dt><dd>−20,00" in page
    assert re.search(r"<dt>Net de frais</dt><dd>−2\d,\d\d", page) or "pas encore connus" in page


def test_no_refund_is_offered_that_stripe_refuses_for_a_dispute(open_page, dispute):
    app = open_page("order", id=dispute("pm_card_createDispute").id)
    assert "refund" not in [button.key for button in app.button]
    assert "Stripe le refuse" in shown(app)


def test_a_banks_question_can_be_ended_by_a_refund(open_page, dispute):
    app = open_page("order", id=dispute("pm_card_createDisputeInquiry").id)
    assert "refund" in [button.key for button in app.button]
    page = shown(app)
    assert "La banque du client pose une question sur 67,00" in page
    assert "Un remboursement entier clôt la question" in page
    assert "Repris par le litige" not in page


def test_without_stripe_a_dispute_still_says_until_when(open_page, desk, settings, dispute):
    order = dispute("pm_card_createDispute")
    with opened_elsewhere(desk, settings):
        assert "Réponse attendue avant le" in shown(open_page("order", id=order.id))


@pytest.mark.parametrize(
    ("days", "told"), [(2, "il reste 2 jours."), (1, "il reste 1 jour."), (-1, "terminé le")]
)
def test_the_time_left_is_counted_in_days_of_the_calendar(open_page, desk, days, told):
    noon = datetime.now(desk.settings.business_timezone).replace(hour=12, minute=0)
    due_by = noon + timedelta(days=days)
    dispute = Dispute(id="dp_1", amount=4700, status="needs_response", created_at=AT, due_by=due_by)
    order = make(desk, 1, disputes=[dispute])
    assert told in shown(open_page("order", id=order.id)).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("insufficient_funds", "dès que son compte ou son plafond le permet"),
        ("incorrect_cvc", "vérifie numéro, date et code de sécurité"),
        ("try_again_later", "dans quelques minutes"),
        ("stolen_card", "pas pourquoi"),
        ("a_new_reason", "Seule sa banque sait pourquoi"),
        (None, "Seule sa banque sait pourquoi"),
    ],
)
def test_a_declined_card_says_what_the_customer_can_do(open_page, desk, code, told):
    order = make(
        desk, 1, status="failed", stripe_status="requires_payment_method", failure_code=code, amount=6700
    )
    assert told in shown(open_page("order", id=order.id)).replace("\u00a0", " ")


def test_every_reason_that_has_an_advice_has_words():
    assert all(is_known(f"failure.{code}") for codes in _ADVICE.values() for code in codes)


def test_who_paid_after_all_is_not_told_of_a_decline(open_page, pay):
    assert "Rien n’a été débité" not in shown(open_page("order", id=pay().id))


def test_a_refund_says_where_it_is_and_how_the_bank_finds_it(open_page, desk, pay, admin):
    order = pay("profond")
    desk.refunds.create(order.order_id, 2000, actor=admin)
    [refund] = wait_until(
        lambda: (
            told
            if (told := desk.payments.details(order.id, actor=admin).refunds) and told[0].reference
            else None
        )
    )
    page = shown(open_page("order", id=order.id))
    assert "Envoyé à la banque du client, qui l’affiche d’ici au" in page
    assert f"<dt>Référence pour la banque</dt><dd><code>{refund.reference}</code>" in page


def test_a_product_of_another_name_is_named(open_page, desk):
    order = make(desk, 1, metadata={"productName": "Lecture intuitive"})
    page = shown(open_page("order", id=order.id))
    assert "<small>Lecture intuitive</small>" in page
    assert "Mystique<" in page


def test_a_document_of_the_former_program_shows(open_page, documents):
    now = datetime.now(UTC)
    documents.productorders.insert_one(
        {
            "productId": "unknown-level",
            "amount": 500,
            "currency": "jpy",
            "status": "pending",
            "paymentIntentId": "pi_former",
            "createdAt": now,
            "updatedAt": now,
            "metadata": None,
        }
    )
    page = shown(open_page("order", id="pi_former"))
    assert "500\u00a0" in page
    assert "La commande ne dit pas pour qui elle est." in page


def test_a_note_is_written_and_shown(open_page, pay):
    order = pay()
    app = open_page("order", id=order.id)
    app.text_area[0].set_value("Rappeler <b>demain</b> ☎")
    next(button for button in app.button if button.key == "add-note").click().run()
    assert "Rappeler &lt;b&gt;demain&lt;/b&gt; ☎" in shown(app)
    assert not app.text_area[0].value


def test_the_timeline_tells_each_attempt_with_its_reason_and_colleagues_notes(open_page, desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    for card in ("pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclined"):
        with pytest.raises(PaymentFailed):
            desk.intents.confirm(created.order_id, card, actor=support)
    order = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    desk.notes.add(order.id, "Rappeler <b>demain</b>. " + "x " * 300, actor=support, attempt_id="1")
    [timeline] = [html.body for html in open_page("order", id=order.id).html if "a créé" in html.body]
    steps = re.findall("<li.*?</li>", timeline)
    # An attempt and what came of it are one step; nothing else is told but the creation and the note.
    noted, *attempts, _created = steps
    attempts.reverse()
    assert f"{support.name} a noté" in noted
    assert "Rappeler &lt;b&gt;demain&lt;/b&gt;" in noted
    assert len(noted) < 500
    declined = f"{support.name} a tenté de payer 47,00\u00a0€ avec Visa •••• "
    assert [declined in one for one in attempts] == [True, True, False]
    assert f"{support.name} a fait payer 47,00\u00a0€ avec Visa •••• 4242" in attempts[2]
    assert all("ch_" in one for one in attempts)
    assert "Solde insuffisant." in attempts[0]
    # Said once, though the order's own entry knows it as well.
    assert timeline.count("Solde insuffisant.") == 1


def test_why_a_payment_was_declined_is_written_alike_wherever_it_is_a_fact(open_page, desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    with pytest.raises(PaymentFailed):
        desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclinedInsufficientFunds", actor=support)
    page = shown(open_page("order", id=created.order_id))
    # Beside the amount with what helps, and with the charge as Stripe has it.
    assert "Refusé : solde insuffisant" in page.replace("\u202f", " ").replace("\u00a0", " ")
    assert page.count("<dt>Refus</dt><dd>solde insuffisant</dd>") == 1


def test_a_note_too_long_is_said_to_be_and_stays_to_be_shortened(open_page, desk, pay):
    order = pay()
    app = open_page("order", id=order.payment_intent_id)
    [field] = app.text_area
    # Streamlit takes nothing of what is pasted and longer than this, without a word.
    assert not field.proto.max_chars
    field.set_value("x" * 2001)
    app.button(key="add-note").click().run()
    assert "De 1 à 2\u202f000 caractères." in shown(app)
    assert app.text_area[0].value == "x" * 2001


def primary(app):
    return [button.key for button in app.main.button if button.proto.type == "primary"]


def test_an_order_sets_off_its_next_step_and_says_date_and_fee_once(open_page, desk, pay):
    app = open_page("order", id=pay().payment_intent_id)
    told = shown(app)
    assert told.count("Frais Stripe") == 1
    assert "payée le" in told
    assert not any(f"<dt>{label}</dt>" in told for label in ("Créée", "Payée", "Date"))
    # Nothing is urgent about a paid order.
    assert primary(app) == []
    make(desk, 2, status="pending", stripe_status="succeeded")
    assert primary(open_page("order", id="pi_number2")) == ["refresh-order"]


def charge(id, at, status="failed", code=None, last4="0002"):
    return ChargeDetails(
        id, 4700, "eur", status, at, method="card", brand="visa", last4=last4, failure_code=code
    )


def declined(at, code):
    return TimelineEntry(
        at=at, kind="payment_intent.requires_payment_method", by="stripe", after="failed", code=code
    )


@pytest.mark.parametrize(
    ("entries", "charges", "told"),
    [
        # Nobody heard of the first.
        (
            [declined(AT, "x")],
            [charge("ch_2", AT, code="x"), charge("ch_1", AT - HOUR, code="x")],
            {0: "ch_2"},
        ),
        # In the same second, and the clocks differ.
        (
            [declined(AT - timedelta(milliseconds=1), "x"), declined(AT, "y")],
            [charge("ch_2", AT, code="y"), charge("ch_1", AT, code="x")],
            {0: "ch_1", 1: "ch_2"},
        ),
        # An entry of earlier versions has no reason; a charge of another hour is another attempt.
        ([declined(AT, None)], [charge("ch_1", AT, code="x")], {0: "ch_1"}),
        ([declined(AT, None)], [charge("ch_1", AT - HOUR, code="x")], {}),
        # A direct debit takes days.
        (
            [
                TimelineEntry(
                    at=AT - 48 * HOUR, kind="payment_intent.processing", by="stripe", after="processing"
                ),
                TimelineEntry(at=AT, kind="payment_intent.succeeded", by="stripe", after="completed"),
            ],
            [charge("ch_1", AT - 48 * HOUR, "succeeded")],
            {1: "ch_1"},
        ),
        # Stripe refused to make the payment: nothing was charged.
        (
            [TimelineEntry(at=AT, kind="payment_intent.refused", by="stripe", after="failed", code="x")],
            [charge("ch_1", AT, code="x")],
            {},
        ),
    ],
)
def test_an_attempt_is_found_that_an_entry_tells_of(entries, charges, told):
    order = Order(
        id="f" * 24, product_id="mystique", amount=4700, status="failed", created_at=AT, updated_at=AT
    ).model_copy(update={"timeline": entries})
    assert {place: charge.id for place, charge in told_of(order, charges).items()} == told


def test_a_payment_that_our_own_key_kept_from_being_made_says_so(open_page, settings, support):
    wrong = settings.model_copy(update={"stripe_secret_key": SecretStr("sk_test_wrong")})
    with opened(wrong) as refused:
        with pytest.raises(StripeConfigError):
            refused.intents.create({"productId": "mystique"}, actor=support, source="tests")
        [document] = refused.store.database.productorders.find({})
    with opened(settings):
        page = shown(open_page("order", id=str(document["_id"])))
    assert page.count("lé Stripe manquante ou refusée") == 2
    assert "Stripe refuses the key" not in page


def test_a_refund_that_was_not_answered_is_finished_from_the_page(open_page, desk, pay):
    order = pay("profond")
    request = TimelineEntry(
        at=datetime.now(UTC),
        kind="refund.requested",
        by="fanny@example.com",
        attempt_id=order.id,
        amount=2000,
        code="duplicate",
        note="duplicate",
    )
    desk.orders.append(order, request)
    app = open_page("order", id=order.id)
    # Of a bare address a title would make a link to write to.
    assert "fanny@\u2060example.com a demandé le remboursement de 20,00\u00a0€" in shown(app)
    assert "refund" not in {button.key for button in app.button}
    app.button(key="finish-refund").click().run()
    assert [refund["amount"] for refund in desk.gateway.list_refunds(order.payment_intent_id)] == [2000]
    assert "finish-refund" not in {button.key for button in app.button}


@pytest.mark.parametrize("role", [Role.STAFF, Role.FINANCE])
def test_a_role_that_creates_no_payments_is_offered_no_link(
    open_page, desk, support, at_the_desk, role, settings
):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    desk.checkout.publishable_key = "pk_test_1"
    assert any("/checkout/" in code.value for code in open_page("order", id=created.order_id).code)
    at_the_desk(role)
    app = open_page("order", id=created.order_id)
    assert not any("/checkout/" in code.value for code in app.code)
    assert "Lien de paiement" not in shown(app)


def test_a_new_link_replaces_the_old_one(open_page, desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    desk.checkout.publishable_key = "pk_test_1"
    app = open_page("order", id=created.order_id)
    link = next(code.value for code in app.code if "/checkout/" in code.value)
    app.button(key="renew-link").click().run()
    assert link != next(code.value for code in app.code if "/checkout/" in code.value)
    assert "a remplacé le lien de paiement." in shown(app)


def test_what_went_back_stands_beside_the_state_and_why_stands_once(open_page, desk, pay, admin):
    order = pay("mystique", customerName="Zoé Martin")
    desk.refunds.create(order.id, 1250, actor=admin, note="geste commercial")
    app = open_page("order", id=order.id)
    page = shown(app)
    assert "Remboursée de 12,50\u00a0€" in page
    # The reason chosen and the words added, with the request; its answer does not say them again.
    assert page.count("geste commercial") == 1
    assert "À la demande du client · geste commercial" in page.partition("remboursement de 12,50")[2]
    assert app.page_link[0].value == "Voir les commandes"
    desk.refunds.create(order.id, actor=admin)
    for path in ("order", "overview", "orders"):
        assert "Remboursée" in shown(open_page(path, **({"id": order.id} if path == "order" else {})))


def test_an_authorization_that_was_released_is_not_told_as_refunded(open_page, desk, support):
    """Stripe shows a refund of it, though no money had come: the order was cancelled, and nothing else."""
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    order = desk.intents.cancel(created.order_id, actor=support)
    released = Refund(id="re_1", amount=4700, created_at=AT)
    assert desk.orders.add_refunds(order, [released], by="stripe")
    for path in ("order", "overview", "orders"):
        page = shown(open_page(path, **({"id": order.id} if path == "order" else {})))
        assert "Annulée" in page
        assert "Remboursée" not in page


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        ("paid", "a interrogé Stripe : 47,00 € encaissés avec Visa •••• 4242."),
        ("declined", "a interrogé Stripe : 47,00 € refusés avec Visa •••• 0002."),
        ("cancelled", "a interrogé Stripe : le paiement est annulé."),
    ],
)
def test_who_only_asked_stripe_is_not_said_to_have_done_what_it_answered(
    open_page, desk, support, happened, said
):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    card = {"paid": "pm_card_visa", "declined": "pm_card_visa_chargeDeclined"}
    # The customer did, or somebody in Stripe's dashboard, and no webhook told of it.
    if happened == "cancelled":
        desk.gateway.cancel_payment_intent(created.order_id, "abandoned")
    else:
        with suppress(PaymentFailed):
            desk.gateway.confirm_payment_intent(
                *(created.order_id, card[happened], created.order_id, "http://localhost")
            )
    finance = Actor("finance", Role.FINANCE)
    desk.intents.refresh(created.order_id, actor=finance)
    page = shown(open_page("order", id=created.order_id)).replace("\u00a0", " ").replace("\u202f", " ")
    assert f"La finance {said}" in page


def refunds_part(order, details):
    import streamlit as st

    from lumira.dashboard import money_returned

    money_returned.show(order, details, st.empty())


OTHERWISE = "payez le client autrement"


@pytest.mark.parametrize(
    ("status", "reason", "said", "not_said"),
    [
        # Their bank gives the money back, if we lose: paid otherwise too, they would have it twice.
        ("failed", "charge_for_pending_refund_disputed", "Ne le payez pas autrement", OTHERWISE),
        ("failed", "insufficient_funds", "remboursez à nouveau", OTHERWISE),
        ("failed", "merchant_request", "à notre demande", OTHERWISE),
        ("failed", "lost_or_stolen_card", OTHERWISE, "à nouveau"),
        ("pending", "insufficient_funds", "Notre solde chez Stripe est trop bas", "dès que possible"),
        ("pending", "processing", "il part dès que possible", "solde"),
    ],
)
def test_a_refund_that_is_not_there_says_what_mends_that(desk, status, reason, said, not_said):
    why = {"failed": "failure_reason", "pending": "pending_reason"}[status]
    made = {"id": "re_1", "created": int(AT.timestamp()), "amount": 2000, "status": status, why: reason}
    order = make(desk, 1, refunds=[refund_from(made)])
    details = PaymentDetails({}, refunds=[refund_at_stripe(made)])
    page = shown(AppTest.from_function(refunds_part, args=(order, details)).run())
    page = page.replace("\u202f", " ").replace("\u00a0", " ")
    assert (said in page, not_said in page) == (True, False)


def test_a_link_that_has_ended_is_not_given_out(open_page, desk):
    desk.checkout.publishable_key = "pk_test_1"
    made = datetime.now(UTC) - LIFETIME + timedelta(minutes=1)
    for number, created_at in enumerate((made, made - timedelta(minutes=2))):
        fields = {"status": "pending", "stripe_status": "requires_payment_method", "created_at": created_at}
        make(desk, number, **fields)
    for number, ended in ((0, False), (1, True)):
        app = open_page("order", id=f"pi_number{number}")
        page = shown(app)
        assert ("Ce lien a expiré" in page, "Valable jusqu’au" in page) == (ended, not ended)
        assert any("/checkout/" in code.value for code in app.code) is not ended
        assert any(button.key == "renew-link" for button in app.button)


def test_what_stripe_refused_to_make_is_offered_to_nobody_to_pay(open_page, desk):
    refused = make(
        desk,
        1,
        status="failed",
        payment_intent_id=None,
        stripe_status="refused",
        failure_code="STRIPE_CONFIG_ERROR",
    )
    app = open_page("order", id=refused.id)
    assert "Encaisser" not in [link.value for link in app.page_link]
    page = shown(open_page("new_payment", order=refused.id))
    assert "clé Stripe manquante ou refusée" in page
    assert "Stripe a refusé de créer ce paiement" in page
    assert "n’a pas encore créé" not in page


@pytest.mark.parametrize(
    ("card", "waits"), [(None, True), ("pm_card_visa_chargeDeclined", True), ("pm_card_visa", False)]
)
def test_a_card_is_awaited_only_where_none_is_being_asked(open_page, desk, support, card, waits):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    if card:
        with suppress(PaymentFailed):
            desk.intents.confirm(created.order_id, card, actor=support)
    assert ("Une carte est attendue…" in shown(open_page("new_payment", order=created.order_id))) is waits


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_no_card_is_awaited_while_the_bank_decides_or_stripe_does_not_say(open_page, desk, status):
    stripe_status = "processing" if status == "processing" else "requires_payment_method"
    make(desk, 1, status=status, stripe_status=stripe_status)
    assert "Une carte est attendue…" not in shown(open_page("new_payment", order="pi_number1"))


def test_what_stripe_refuses_is_not_advised_to_be_tried_again(open_page, desk):
    make(desk, 1)
    page = shown(open_page("order", id="pi_number1"))
    assert "Stripe refuse cette demande." in page
    assert "No such payment_intent" in page.replace("\\", "")
    assert "Réessayez dans un instant" not in page


@pytest.mark.parametrize(
    ("stripe_status", "said"), [("requires_payment_method", True), ("succeeded", False), (None, False)]
)
def test_nothing_is_said_to_have_been_taken_or_not_where_stripe_says_otherwise_or_nothing(
    open_page, desk, stripe_status, said
):
    # As another program leaves an order behind: failed there, and paid after all.
    make(desk, 1, status="failed", stripe_status=stripe_status, failure_code=None)
    assert ("Rien n’a été débité" in shown(open_page("order", id="pi_number1"))) is said


@pytest.mark.parametrize(
    ("status", "stripe_status", "due"),
    [
        ("pending", "requires_payment_method", True),
        ("failed", "requires_payment_method", True),
        # Who pays now would be refused by Stripe, or asked for money twice.
        ("processing", "processing", False),
        ("cancelled", "canceled", False),
    ],
)
def test_a_payment_is_asked_for_only_where_one_can_be_made(open_page, desk, status, stripe_status, due):
    desk.checkout.publishable_key = "pk_test_1"
    make(desk, 1, status=status, stripe_status=stripe_status)
    app = open_page("order", id="pi_number1")
    page = shown(app)
    assert ("Encaisser" in [link.value for link in app.page_link]) is due
    assert ("Lien de paiement" in page) is due
    assert ("<dt>À payer</dt>" in page) is (status != "cancelled")
    assert "pay" not in [button.key for button in open_page("new_payment", order="pi_number1").button] or due


def test_what_a_customer_claims_in_a_dispute_is_not_said_to_be_so(open_page, desk):
    dispute = Dispute(id="du_1", amount=4700, status="won", reason="duplicate", created_at=AT)
    told = {"at": AT, "kind": "dispute.won", "by": "stripe", "amount": 4700, "note": "duplicate"}
    order = make(desk, 1, disputes=[dispute], timeline=[TimelineEntry(**told)])
    page = shown(open_page("order", id=order.id))
    assert page.count("Le client dit avoir payé deux fois.") == 2
    assert "C’était un doublon" not in page


def test_more_orders_of_a_customer_than_are_looked_at_are_not_said_to_be_all(open_page, desk):
    for number in range(51):
        make(desk, number, customer_email="camille@example.com")
    links = [link.value for link in open_page("order", id="pi_number1").page_link]
    assert "Toutes ses commandes (50+)" in links


def test_money_that_is_authorized_alone_is_not_said_to_be_taken(open_page, desk):
    page = shown(open_page("order", id=authorized_order(desk).payment_intent_id))
    assert "Autorisé, pas encaissé" in page
    assert "autorisée, pas encaissée" in page
    assert "Débité" not in page
