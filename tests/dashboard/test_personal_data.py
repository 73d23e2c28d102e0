"""The customer's part of an order, for whoever may hand out and erase, and after it was done."""

from __future__ import annotations

import pytest

from lumira.access import Role
from tests.dashboard.conftest import shown

EMAIL = "zoe@example.com"


def keys(app) -> set[str]:
    """The keys of the buttons of a page."""
    return {button.key for button in app.button}


@pytest.mark.parametrize("role", Role)
def test_only_an_administrator_is_offered_a_customers_data(open_page, pay, at_the_desk, role):
    order = pay(customerEmail=EMAIL)
    at_the_desk(role)
    assert ("personal-data" in keys(open_page("order", id=order.id))) is (role is Role.ADMIN)


def test_before_it_erases_the_dialog_says_what_will_happen(open_page, pay):
    order = pay(customerEmail=EMAIL)
    app = open_page("order", id=order.id)
    app.button(key="personal-data").click().run()
    assert "la loi impose de les garder dix ans" in shown(app)
    assert "Stripe garde ses propres copies" in shown(app)
    assert app.get("download_button")
    assert app.button(key="erase-customer").disabled


def test_an_erased_customers_order_says_so_and_takes_no_other(open_page, pay, desk, admin):
    order = pay(customerEmail=EMAIL, customerName="Zoe Marin")
    desk.privacy.erase(EMAIL, actor=admin)
    app = open_page("order", id=order.id)
    assert "Le client a été effacé à sa demande, le" in shown(app)
    assert "ada a effacé le client, à sa demande." in shown(app)
    assert "Zoe" not in shown(app)
    assert keys(app).isdisjoint({"personal-data", "edit-customer"})
    assert "refund" in keys(app)
