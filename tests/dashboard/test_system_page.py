"""The System page: what is wrong first, mended from there; settings masked; only for those who may."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from lumira import desk as desks
from lumira.access import Role
from lumira.dashboard import payment_link
from lumira.desk import Desk
from lumira.events import ACTED_ON
from lumira.findings import Finding, Status
from tests.conftest import NO_STORE, STRIPE_KEY, WEBHOOK_SECRET, sandbox
from tests.dashboard.conftest import shown


@pytest.fixture
def settings(settings):
    """Those of a desk whose Stripe is its own, so that its endpoints are nobody else's."""
    with sandbox() as url:
        yield settings.model_copy(
            update={"stripe_api_base": url, "stripe_publishable_key": "pk_test_0123456789abcdef"}
        )


@pytest.mark.reshapes
def test_what_is_wrong_stands_first_and_is_mended_there(desk, open_page, documents):
    desk.revenue.refresh()
    documents.productorders.drop_index("customer_orders")
    app = open_page("system")
    page = shown(app)
    assert "**2 pannes · 1 avertissement**" in page
    assert [header.value for header in app.header] == ["À réparer", "En ordre"]
    assert "Il manque productorders.customer_orders" in page
    assert "lumira doctor --create-indexes" in [code.value for code in app.code]
    app.button(key="mend-store.indexes").click().run()
    page = shown(app)
    assert "Il manque" not in page
    assert "Tous les index sont en place." in page
    assert "customer_orders" in documents.productorders.index_information()
    assert documents.audit_entries.find_one({"action": "create_indexes"})["actor"] == "demo"


def test_where_all_is_well_it_says_so_once(desk, open_page, monkeypatch):
    well = Finding("store.writable", Status.OK)
    monkeypatch.setattr(desk.doctor, "examine", lambda *, actor: [well])
    app = open_page("system")
    assert [(box.title, box.value) for box in app.success] == [
        ("Tout est en ordre", "Les 1 vérifications ont réussi. Il n’y a rien à faire.")
    ]
    assert [header.value for header in app.header] == ["Ce qui est vérifié"]
    assert shown(app).lower().count("en ordre") == 1


def test_the_endpoint_is_created_after_saying_what_will_be_done(desk, open_page):
    app = open_page("system", locale="en-GB")
    assert f"Stripe will deliver {len(ACTED_ON)} types of events" in shown(app)
    app.text_input(key="webhook-url").set_value("nowhere").run()
    app.button(key="create-webhook").click().run()
    assert "This address can’t receive webhooks" in shown(app)
    assert desk.gateway.list_webhook_endpoints() == []
    app.text_input(key="webhook-url").set_value("http://127.0.0.1:9").run()
    app.button(key="create-webhook").click().run()
    [endpoint] = desk.gateway.list_webhook_endpoints()
    assert endpoint["url"] == "http://127.0.0.1:9/api/products/webhook"
    assert any(code.value.startswith("export STRIPE_WEBHOOK_SECRET='whsec_") for code in app.code)
    assert "Stripe delivers all that is needed" in shown(app)
    app.button(key="secret-noted").click().run()
    assert "whsec_" not in "".join(code.value for code in app.code)


def test_the_endpoint_proposed_is_where_the_page_itself_was_reached(desk, open_page, monkeypatch):
    app = open_page("system")
    assert app.text_input(key="webhook-url").value == f"{desk.settings.local_url}/api/products/webhook"
    monkeypatch.setattr(payment_link, "origin", lambda: "https://pay.example.com")
    app = open_page("system")
    assert app.text_input(key="webhook-url").value == "https://pay.example.com/api/products/webhook"


def test_a_store_that_goes_down_is_shown_as_that(settings, desk, open_page):
    app = open_page("system", locale="en-GB")
    away = Desk.open(settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)}), demo=True)
    desks.use(away)
    app.button(key="check-again").click().run()
    page = shown(app)
    assert "mongodb://127.0.0.1:9/ does not answer" in page
    assert "The local Stripe answers" in page
    away.store.close()


def test_settings_are_shown_masked_with_their_origin(open_page):
    page = shown(open_page("system", locale="en-GB"))
    assert "pk_test_…cdef" in page
    assert "Europe/Paris" in page
    for secret in (STRIPE_KEY, WEBHOOK_SECRET):
        assert secret not in page


def test_nobody_without_the_permission_gets_there(open_page, at_the_desk):
    for role in (Role.STAFF, Role.SUPPORT, Role.FINANCE):
        at_the_desk(role)
        page = shown(open_page("system"))
        assert "À réparer" not in page
        assert "MONGODB_URI" not in page
