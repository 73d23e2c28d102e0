"""The page of one order: what it shows, and what can be done there."""

from tests.dashboard.conftest import shown


def test_an_order_shows_at_its_address_by_either_id(open_page, pay):
    order = pay(customerEmail="zoe@example.com")
    for order_id in (order.payment_intent_id, order.id):
        app = open_page("order", id=order_id)
        assert "zoe@example.com" in shown(app)
        assert "47,00\u00a0€" in shown(app)


def test_an_unknown_order_leads_back_to_the_list(open_page):
    app = open_page("order", id="pi_unknown")
    assert "pi_unknown" in shown(app)
    assert not app.error
