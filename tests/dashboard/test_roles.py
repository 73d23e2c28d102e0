"""What each role sees: the menu, the notice at a page that is not theirs, and the buttons of every page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lumira.access import Actor, Permission, Role, may
from lumira.dashboard import session
from lumira.dashboard.navigation import NEEDS, PAGES
from lumira.errors import PaymentFailed
from lumira.texts import translate
from tests.api.conftest import event, sign
from tests.conftest import WEBHOOK_SECRET
from tests.dashboard.conftest import ROUTER, shown

P = Permission

# What a page offers to whom: the keys of its buttons, and the permission each needs.
BUTTONS = {
    "overview": {"begin-payment": P.CREATE_INTENT},
    "orders": {"refresh-orders": P.REFRESH},
    "new_payment": {"create": P.CREATE_INTENT},
    "waiting": {
        "refresh-order": P.REFRESH,
        "edit-customer": P.EDIT_CUSTOMER,
        "cancel": P.CANCEL,
        "renew-link": P.SHARE_PAYMENT_LINK,
        "add-note": P.ADD_NOTE,
    },
    "paid": {"refund": P.REFUND},
    "webhooks": {"retry-all": P.RETRY_WEBHOOK, "retry-event": P.RETRY_WEBHOOK},
    "reconciliation": {"apply": P.REPAIR},
    "month_close": {"close": P.CLOSE_MONTH},
    "revenue": {"download-csv": P.VIEW_REVENUE},
    "staff": {"add-account-submit": P.MANAGE_STAFF, "create-token-submit": P.MANAGE_TOKENS},
    "system": {"check-again": P.VIEW_SYSTEM},
}


@pytest.fixture
def busy_desk(desk, pay, support, documents) -> dict[str, dict[str, str]]:
    """A desk with something to do on every page; the query that leads to it by its name."""
    desk.checkout.publishable_key = "pk_test_1"
    paid = pay(customerEmail="zoe@example.com")
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    # Stripe charges another amount: something to repair.
    documents.productorders.update_one({"paymentIntentId": created.order_id}, {"$set": {"amount": 4701}})
    broken = event("payment_intent.succeeded", {"id": "pi_broken", "object": "payment_intent", "amount": "x"})
    body = json.dumps(broken).encode()
    with pytest.raises(Exception):  # noqa: B017 - whatever it fails with, it has failed
        desk.webhooks.receive(body, sign(body, WEBHOOK_SECRET)["Stripe-Signature"])
    return {
        "waiting": {"id": created.order_id},
        "paid": {"id": paid.id},
        "webhooks": {"event": broken["id"]},
    }


@pytest.mark.parametrize("role", Role)
def test_a_page_offers_what_its_reader_may_do_and_nothing_else(busy_desk, role):
    app = AppTest.from_file(str(ROUTER), default_timeout=30)
    app.session_state[session.ROLE] = role
    app.context = {"locale": "fr-FR"}
    app.run()
    for name, buttons in BUTTONS.items():
        page = "order" if name in {"waiting", "paid"} else name
        app.switch_page(str(PAGES / f"{page}.py"))
        app.query_params.clear()
        for key, value in busy_desk.get(name, {}).items():
            app.query_params[key] = value
        app.run()
        if any(button.key == "compare" for button in app.button):
            app.button(key="compare").click().run()
        assert not app.exception, (name, app.exception)
        needed = NEEDS.get(page.replace("_", "-"))
        if needed and not may(Actor("tests", role), needed):
            assert translate("fr", "closed.next", role=translate("fr", f"role.{role}")) in shown(app), name
            assert not app.error
            continue
        there = {key for key in buttons if any(one.key == key for one in every_button(app))}
        assert there == {key for key, needed in buttons.items() if may(Actor("tests", role), needed)}, name


def every_button(app: AppTest) -> list[Any]:
    """Buttons, those that submit a form, and those that download."""
    return [*app.button, *app.get("download_button"), *app.get("popover")]


@pytest.mark.parametrize("role", Role)
def test_an_empty_page_leads_to_a_new_payment_only_whoever_may_make_one(desk, open_page, at_the_desk, role):
    at_the_desk(role)
    for page in ("overview", "orders", "webhooks"):
        links = [link.proto.page for link in open_page(page).get("page_link")]
        assert ("new-payment" in links) is may(Actor("tests", role), P.CREATE_INTENT), page


@pytest.mark.parametrize("role", Role)
@pytest.mark.usefixtures("busy_desk")
def test_advice_is_given_to_whoever_may_follow_it(desk, open_page, support, at_the_desk, role):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    with pytest.raises(PaymentFailed):
        desk.intents.confirm(created.order_id, "pm_card_visa_chargeDeclined", actor=support)
    at_the_desk(role)
    today, events = shown(open_page("overview")), shown(open_page("webhooks"))
    for page, name, needed in (
        (today, "need.failed", P.SHARE_PAYMENT_LINK),
        (today, "need.webhooks", P.RETRY_WEBHOOK),
        (events, "events.failed", P.RETRY_WEBHOOK),
    ):
        mine, others = (translate("fr", f"{name}.{advice}") for advice in ("next", "others"))
        allowed = may(Actor("tests", role), needed)
        assert (mine in page, others in page) == (allowed, not allowed), name
