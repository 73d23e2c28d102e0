"""The list of orders and the one that is open beside it."""

from datetime import UTC, datetime, timedelta

import pytest

from lumira.dashboard.tables import orders_frame
from lumira.orders import Order, Refund
from tests.dashboard.conftest import shown


def make(desk, number, **fields):
    created = fields.pop("created_at", datetime.now(UTC) - timedelta(minutes=number))
    order = Order(
        **{
            "id": desk.orders.new_id(),
            "product_id": "mystique",
            "customer_email": f"person{number}@example.com",
            "amount": 4700,
            "status": "completed",
            "payment_intent_id": f"pi_number{number}",
            "stripe_status": "succeeded",
            "created_at": created,
            "updated_at": created,
            "livemode": False,
        }
        | fields
    )
    assert desk.orders.insert(order)
    return order


def rows(app):
    return app.dataframe[0].value


def test_an_empty_list_says_what_to_do_next(open_page):
    app = open_page("orders")
    assert "Encore aucune commande" in shown(app)
    assert app.page_link[0].value == "Nouveau paiement"


def test_orders_are_listed_newest_first_in_words(open_page, desk):
    make(desk, 2, amount=19900, product_id="alchimique", amount_refunded=9950)
    make(desk, 1, customer_name="Anaïs", status="failed", stripe_status="requires_payment_method")
    make(desk, 3, product_id="initie", amount=0, payment_intent_id="free_3", stripe_status=None)
    frame = rows(open_page("orders"))
    assert list(frame["customer"]) == ["Anaïs", "person2@example.com", "person3@example.com"]
    assert [list(level) for level in frame["level"]] == [["Mystique"], ["Profond"], ["Initié"]]
    assert list(frame["amount"]) == ["47,00\u00a0€", "199,00\u00a0€", "0,00\u00a0€"]
    assert list(frame["refunded"]) == ["", "99,50\u00a0€", ""]
    assert [list(status) for status in frame["status"]] == [["Refusée"], ["Terminée"], ["Terminée"]]
    assert list(frame["payment_intent"])[:2] == [
        desk.gateway.payment_intent_url("pi_number1"),
        desk.gateway.payment_intent_url("pi_number2"),
    ]


def test_a_disagreement_with_stripe_is_marked(open_page, desk):
    make(desk, 1, status="pending", stripe_status="succeeded")
    make(desk, 2, status="pending", stripe_status="requires_payment_method")
    app = open_page("orders", order="pi_number1")
    assert [list(told) for told in rows(app)["stripe_status"]] == [["⚠ Réussi"], ["Attend une carte"]]
    assert app.warning[0].title == "La commande et Stripe ne disent pas la même chose."


def test_pages_are_turned_forth_and_back_by_links(open_page, desk):
    for number in range(55):
        make(desk, number)
    app = open_page("orders")
    assert len(rows(app)) == 50
    app.button(key="next").click().run()
    assert list(rows(app)["customer"]) == [f"person{number}@example.com" for number in range(50, 55)]
    assert app.button(key="next").disabled
    same = open_page("orders", after=app.query_params["after"])
    assert list(rows(same)["customer"]) == list(rows(app)["customer"])
    same.button(key="newest").click().run()
    assert "after" not in same.query_params
    assert rows(same)["customer"].iloc[0] == "person0@example.com"


def test_a_cursor_that_is_none_shows_the_first_page(open_page, desk):
    make(desk, 1)
    assert len(rows(open_page("orders", after="nonsense"))) == 1


@pytest.mark.parametrize("by", ["id", "payment_intent_id"])
def test_an_order_is_opened_by_any_of_its_ids(open_page, desk, by):
    order = make(
        desk, 1, customer_name="Anaïs", metadata={"customerPhone": "+33612345678", "campaign": "noël"}
    )
    app = open_page("orders")
    app.text_input(key="search").set_value(f"  {getattr(order, by)} ").run()
    assert app.query_params["order"] == getattr(order, by)
    for fact in ("Anaïs", "person1@example.com", "+33612345678", "campaign", "noël", order.id, "pi_number1"):
        assert fact in shown(app)
    app.button(key="close-order").click().run()
    assert "order" not in app.query_params
    assert app.text_input(key="search").value == ""


def test_an_unknown_id_is_said_calmly_and_the_list_stays(open_page, desk):
    make(desk, 1)
    app = open_page("orders", order="pi_<b>nobody</b>")
    assert app.info[0].title == "Aucune commande ne porte ce numéro."
    assert len(rows(app)) == 1


def test_an_open_order_asks_stripe_how_it_stands(open_page, desk, support):
    created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    desk.gateway.confirm_payment_intent(
        created.order_id, "pm_card_visa", f"elsewhere-{created.order_id}", "http://127.0.0.1/"
    )
    app = open_page("orders", order=created.order_id)
    assert "Attend une carte" in shown(app)
    app.button(key="refresh-order").click().run()
    assert "Réussi" in shown(app)
    assert app.toast[0].value == "Stripe a répondu\u00a0: réussi."


def test_refunds_are_told_as_a_sentence(open_page, desk):
    at = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
    make(
        desk,
        1,
        amount_refunded=2000,
        refunds=[Refund(id="re_1", amount=2000, reason="requested_by_customer", created_at=at)],
        timeline=[{"at": at, "kind": "charge.refunded", "by": "finance", "note": "requested_by_customer"}],
    )
    page = shown(open_page("orders", order="pi_number1"))
    assert "La comptabilité a remboursé 20,00\u00a0€." in page
    assert "À la demande du client." in page
    assert "3 nov. 2026 à 10:30:00" in page
    assert "27,00\u00a0€" in page


def test_what_a_customer_wrote_is_shown_as_text(open_page, desk):
    make(desk, 1, customer_name="<img src=x onerror=alert(1)>")
    page = shown(open_page("orders", order="pi_number1"))
    assert "&lt;img src=x" in page
    assert "<img" not in page


def test_an_order_of_the_former_program_is_shown(open_page, desk, documents):
    at = datetime(2025, 3, 1, tzinfo=UTC)
    documents.productorders.insert_one(
        {
            "productId": "alchimique",
            "customerEmail": "old@example.com",
            "amount": 19900,
            "currency": "eur",
            "status": "completed",
            "paymentIntentId": "pi_old",
            "createdAt": at,
            "updatedAt": at,
            "__v": 0,
        }
    )
    app = open_page("orders", order="pi_old")
    assert rows(app)["customer"].iloc[0] == "old@example.com"
    assert "ancien programme" in shown(app)
    assert [list(told) for told in rows(app)["stripe_status"]] == [["Jamais demandé"]]


def test_english_is_spoken_to_an_english_browser(open_page, desk):
    make(desk, 1)
    app = open_page("orders", locale="en-GB")
    assert app.title[0].value == "Orders"
    assert list(rows(app)["amount"]) == ["€47.00"]


def test_the_frame_of_no_orders_is_empty(desk):
    assert orders_frame([]).empty
