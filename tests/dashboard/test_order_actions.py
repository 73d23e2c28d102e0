"""The actions of an open order: there where its state and the role allow them, and nowhere else."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from streamlit.testing.v1 import AppTest

from lumira.access import Role
from lumira.dashboard.amounts import minor_units
from lumira.dashboard.contact import is_odd
from lumira.dashboard.order_details import sentence, step
from lumira.orders import Order, TimelineEntry
from lumira.validation import _NAME_LENGTH
from tests.dashboard.conftest import shown
from tests.dashboard.test_orders_page import make

ACTIONS = {"refund", "edit-customer", "cancel", "refresh-order"}
AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


def actions(app):
    return {button.key for button in app.button} & ACTIONS


@pytest.mark.parametrize(
    ("role", "paid", "waiting"),
    [
        (Role.STAFF, {"refresh-order"}, {"refresh-order"}),
        (Role.SUPPORT, {"refresh-order", "edit-customer"}, {"refresh-order", "edit-customer", "cancel"}),
        (Role.FINANCE, {"refresh-order", "refund"}, {"refresh-order"}),
        (
            Role.ADMIN,
            {"refresh-order", "edit-customer", "refund"},
            {"refresh-order", "edit-customer", "cancel"},
        ),
    ],
)
def test_a_role_sees_only_what_it_may_do(open_page, desk, at_the_desk, role, paid, waiting):
    make(desk, 1)
    make(desk, 2, status="pending", stripe_status="requires_payment_method")
    at_the_desk(role)
    app = open_page("order", id="pi_number1")
    assert actions(app) == paid
    # Who may not refund is told who does.
    assert ("C’est la finance qui le fait" in shown(app)) is ("refund" not in paid)
    app = open_page("order", id="pi_number2")
    assert actions(app) == waiting
    assert "C’est la finance qui le fait" not in shown(app)
    may_pay = role in {Role.SUPPORT, Role.ADMIN}
    assert ("Encaisser" in [link.value for link in app.page_link]) is may_pay


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_refunded": 4700},
        {"amount": 0, "payment_intent_id": "free_1", "stripe_status": None},
        {"status": "cancelled", "stripe_status": "canceled"},
    ],
)
def test_what_is_settled_is_neither_refunded_nor_cancelled(open_page, desk, fields):
    order = make(desk, 1, **fields)
    assert not actions(open_page("order", id=order.id)) & {"refund", "cancel"}


def test_a_waiting_order_is_cancelled_on_its_page(open_page, desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    app = open_page("order", id=created.order_id)
    next(box for box in app.selectbox if box.key.startswith("cancel-reason-")).set_value("abandoned")
    app.button(key="cancel").click().run()
    assert "a annulé le paiement" in shown(app)
    assert desk.gateway.retrieve_payment_intent(created.order_id)["cancellation_reason"] == "abandoned"


def dialog(order):
    from lumira.dashboard import order_actions

    order_actions.edit_dialog(order, "attempt")


def test_one_thing_is_corrected_of_a_customer_who_has_neither_address_nor_last_name(desk, support):
    body = {"productId": "mystique", "customerName": "Zoé", "customerPhone": "06 11 22 33 44"}
    created = desk.intents.create(body, actor=support, source="tests")
    app = AppTest.from_function(dialog, args=(desk.intents.find(created.order_id, actor=support),)).run()
    assert "PaymentIntent chez Stripe" in shown(app)
    app.button(key="save-customer").click().run()
    assert desk.intents.find(created.order_id, actor=support).timeline[-1].kind == "order.created"
    app.text_input(key="edit-phone-attempt").set_value("06 11 22 33 55")
    app.button(key="save-customer").click().run()
    order = desk.intents.find(created.order_id, actor=support)
    assert (order.name, order.customer_email) == ("Zoé", None)
    assert order.metadata["customerPhone"] == "06 11 22 33 55"
    assert order.timeline[-1].kind == "customer.edited"


def test_an_emoji_in_a_correction_is_said_beside_its_field(desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    app = AppTest.from_function(dialog, args=(desk.intents.find(created.order_id, actor=support),)).run()
    app.text_input(key="edit-phone-attempt").set_value("📞 06 11 22")
    app.text_input(key="edit-email-attempt").set_value("zoé🌙@example.com")
    app.button(key="save-customer").click().run()
    for told in ("pas un numéro de téléphone", "un signe qu’aucune adresse n’a"):
        assert told in shown(app)
    assert app.text_input(key="edit-phone-attempt").value == "📞 06 11 22"
    assert desk.intents.find(created.order_id, actor=support).timeline[-1].kind == "order.created"


def test_everything_wrong_in_a_correction_is_said_at_once(desk, support):
    body = {"productId": "mystique", "customerEmail": "zoe@example.com", "customerName": "Zoé Le Goff"}
    created = desk.intents.create(body, actor=support, source="tests")
    app = AppTest.from_function(dialog, args=(desk.intents.find(created.order_id, actor=support),)).run()
    for field, typed in {"email": "nobody", "first_name": "Z", "last_name": "", "phone": "📞"}.items():
        app.text_input(key=f"edit-{field}-attempt").set_value(typed)
    app.button(key="save-customer").click().run()
    for told in ("pas une adresse e-mail", "Ce prénom", "Ce nom", "pas un numéro de téléphone"):
        assert told in shown(app)
    # A name may be too long, too.
    assert shown(app).count(f"De 2 à {_NAME_LENGTH} caractères") == 2
    assert desk.intents.find(created.order_id, actor=support).timeline[-1].kind == "order.created"


@pytest.mark.parametrize(
    ("field", "typed", "odd"),
    [
        *(
            ("phone", one, False)
            for one in ("", " ", "06 12 34 56 78", "+33 (0)6.12-34/56", "115", "+33\u202f6 12")
        ),
        *(("phone", one, False) for one in ("01 40 00 00 00 poste 12", "\u202a+33 6 12 34\u202c", "0" * 501)),
        *(
            ("phone", one, True)
            for one in ("📞", "06 📞 12", "à rappeler", "12", "06 12 le soir", "zoe@example.com")
        ),
        *(
            ("email", one, False)
            for one in ("", "nobody", "zoé@exemple.fr", "o'neil+1@a-b.co.uk", "a_b@x.fr")
        ),
        ("email", "zoé🌙@example.com", True),
        # No addresses by the contract either, whose own check says so.
        *(("email", one, False) for one in ("zoe@exa🌙mple.com", "<zoe@example.com>", "a@b.fr\u200b")),
        ("name", "Anaïs 🌙", False),
    ],
)
def test_what_can_be_neither_number_nor_address(field, typed, odd):
    assert is_odd(field, typed) is odd


def test_money_refunds_and_disputes_are_listed(open_page, desk, pay, admin):
    paid = pay("profond")
    desk.refunds.create(paid.payment_intent_id, 2000, actor=admin, reason="duplicate", note="Geste")
    page = shown(open_page("order", id=paid.payment_intent_id))
    for told in ("<dt>Encaissé</dt><dd>67,00", "<dt>Remboursé</dt><dd>−20,00", "<dt>Net</dt><dd>47,00"):
        assert told in page
    assert "Remboursements et litiges" in page
    assert "20,00\u00a0€ · remboursé · C’était un doublon." in page
    assert "a demandé le remboursement de 20,00\u00a0€." in page
    assert "Geste" in page


def order_with(entry):
    return Order(
        id="f" * 24,
        product_id="profond",
        amount=6700,
        status="completed",
        created_at=AT,
        updated_at=AT,
        timeline=[entry],
        failure_code="expired_card",
    )


KINDS = [
    "order.created",
    "order.found_at_stripe",
    "charge.refunded",
    "customer.edited",
    "customer.not_copied_to_stripe",
    "customer.copied_to_stripe",
    "customer.not_erased_at_stripe",
    "customer.erased_at_stripe",
    "amount.changed",
    "amount.corrected",
    *(f"refund.{status}" for status in ("requested", "pending", "requires_action", "succeeded", "failed")),
    "refund.canceled",
    *(f"dispute.{status}" for status in ("needs_response", "under_review", "won", "lost", "prevented")),
    *(f"dispute.warning_{status}" for status in ("needs_response", "under_review", "closed")),
    *(
        f"payment_intent.{status}"
        for status in (
            *("requires_payment_method", "requires_confirmation", "requires_action", "processing"),
            *("requires_capture", "succeeded", "canceled"),
        )
    ),
]


@pytest.mark.parametrize(
    ("kind", "by"),
    # Stripe can't tell of what never reached it.
    [*product(KINDS, ["stripe", "lumira"]), ("payment_intent.never_reached_stripe", "lumira")],
)
def test_every_kind_of_entry_is_a_sentence(desk, kind, by):
    entry = TimelineEntry(at=AT, kind=kind, by=by, amount=2000)
    told = sentence(order_with(entry), entry)
    assert kind.split(".", 1)[1] not in told
    assert told.endswith(".")
    if kind.startswith(("refund.", "dispute.", "amount.")):
        assert "20,00\u00a0€" in told


def test_a_decline_says_its_own_reason_whatever_came_later(desk):
    declined = TimelineEntry(
        at=AT - timedelta(hours=1),
        kind="payment_intent.requires_payment_method",
        by="stripe",
        after="failed",
        code="insufficient_funds",
        note="Your card has insufficient funds.",
    )
    assert step(order_with(declined), declined).note == "Solde insuffisant."
    unknown = declined.model_copy(update={"code": "new_at_stripe", "note": "Stripe's sentence."})
    assert step(order_with(unknown), unknown).note == "Stripe's sentence."
    former = declined.model_copy(update={"code": None})
    assert step(order_with(former), former).note == "Carte expirée."


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [
        ("47,00", "eur", 4700),
        (" 20.5 € ", "eur", 2050),
        ("1\u202f234,56", "eur", 123456),
        ("500", "jpy", 500),
        ("1,234", "eur", None),
        ("0.5", "jpy", None),
        ("-3", "eur", None),
        ("", "eur", None),
        ("vingt", "eur", None),
        ("1.2.3", "eur", None),
    ],
)
def test_an_amount_is_read_as_it_is_typed(typed, currency, amount):
    assert minor_units(typed, currency) == amount


def test_of_a_free_order_no_payment_at_stripe_is_said_to_be_corrected(desk, support):
    created = desk.intents.create({"productId": "initie"}, actor=support, source="tests")
    app = AppTest.from_function(dialog, args=(desk.intents.find(created.order_id, actor=support),)).run()
    assert app.button(key="save-customer")
    assert "PaymentIntent" not in shown(app)
