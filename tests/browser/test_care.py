"""What staff do after the payment, in a browser: refund, correct the customer, retry a webhook, repair."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ADMINISTRATOR, TESTS, click_first_row, follow, settle

pytestmark = pytest.mark.browser


@pytest.fixture
def paid(served):
    """The id of a payment of 67 euros that was just made, its webhook included."""
    payment_intent = served.create("profond", "care@example.com")
    served.pay_elsewhere(payment_intent)
    return payment_intent


def net_of(page):
    """The net of the range on the Revenue page, in cents."""
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text("Net", exact=True))
    return int(re.sub(r"\D", "", metric.get_by_test_id("stMetricValue").inner_text()))


def test_what_was_refunded_in_another_tab_is_seen_when_it_is_refunded_again(open_page, paid, served):
    page = open_page(f"/order?id={paid}")
    opened = page.get_by_test_id("stMain")
    opened.get_by_role("button", name="Rembourser").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Montant")).to_have_value("67,00")
    served.behind.refunds.create(paid, 5000, actor=TESTS)
    dialog.get_by_role("button", name="Rembourser 67,00").click()
    expect(dialog).to_be_hidden()
    expect(opened.get_by_text("Ce remboursement n’est pas possible.")).to_be_visible()
    expect(opened.get_by_text("Remboursée de 50,00\u00a0€")).to_be_visible()


@pytest.mark.long(15)
def test_a_partial_refund_changes_the_net_in_revenue_once(open_page, paid):
    page = open_page("/revenue")
    before = net_of(page)
    page.get_by_label("Chercher une commande").fill(paid)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/order\?id={paid}"))
    opened = page.get_by_test_id("stMain")
    opened.get_by_role("button", name="Rembourser").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Montant")).to_have_value("67,00")
    expect(dialog.get_by_text("Stripe rend 67,00\u00a0€, tout ce qui reste")).to_be_visible()
    dialog.get_by_label("Montant").fill("80")
    dialog.get_by_label("Montant").blur()
    expect(dialog.get_by_text("Indiquez une somme au-dessus de zéro, 67,00\u00a0€ au plus.")).to_be_visible()
    dialog.get_by_label("Montant").fill("20,50")
    dialog.get_by_label("Montant").blur()
    expect(dialog.get_by_text("46,50\u00a0€ nous restent")).to_be_visible()
    dialog.get_by_role("button", name="Rembourser 20,50").click(click_count=2, delay=20)
    expect(dialog).to_be_hidden()
    expect(opened.get_by_text("20,50\u00a0€ · remboursé · À la demande du client.")).to_have_count(1)
    # The webhook may be faster than the answer to the request.
    expect(
        opened.get_by_text(re.compile(f"({ADMINISTRATOR}|Stripe) a remboursé 20,50\u00a0€."))
    ).to_have_count(1)
    follow(page, "Revenus")
    assert net_of(page) == before - 2050


def test_a_note_of_one_long_word_stays_in_its_card(open_page, paid):
    page = open_page(f"/order?id={paid}")
    address = "https://example.com/" + "x" * 300
    page.get_by_label("Nouvelle note").fill(address)
    page.get_by_role("button", name="Ajouter la note").click()
    notes = page.locator(".lumira-timeline").filter(has_text=address)
    expect(notes.last).to_be_visible()
    assert notes.last.evaluate("list => list.scrollWidth <= list.clientWidth")


def test_a_corrected_customer_keeps_what_was_typed_until_it_is_right(open_page, paid):
    page = open_page(f"/order?id={paid}")
    opened = page.get_by_test_id("stMain")
    opened.get_by_role("button", name="Corriger les coordonnées").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Prénom").fill("Anaïs")
    dialog.get_by_label("Nom", exact=True).fill("L")
    dialog.get_by_role("button", name="Enregistrer").click()
    expect(dialog.get_by_text("Ce nom ne convient pas.")).to_be_visible()
    expect(dialog.get_by_label("Prénom")).to_have_value("Anaïs")
    dialog.get_by_label("Nom", exact=True).fill("Laurent")
    dialog.get_by_role("button", name="Enregistrer").click()
    expect(dialog).to_be_hidden()
    expect(opened.get_by_text("Anaïs Laurent", exact=True)).to_be_visible()
    expect(opened.get_by_text(f"{ADMINISTRATOR} a corrigé les coordonnées du client.")).to_be_visible()


def test_what_was_typed_waits_at_rest_for_its_dialog_to_be_opened_again(open_page, paid):
    page = open_page(f"/order?id={paid}")
    edit = page.get_by_test_id("stMain").get_by_role("button", name="Corriger les coordonnées")
    first_name = page.get_by_role("dialog").get_by_label("Prénom")
    edit.click()
    first_name.fill("Anaïs")
    page.reload()
    settle(page)
    expect(edit).to_be_visible()
    calls = calls_of(page, "typed.js", seconds=3)
    edit.click()
    expect(first_name).to_have_value("Anaïs")
    # A page that looks again by itself calls it a few times, a clock five times a second.
    assert calls < 10


def calls_of(page, script, seconds):
    """How often the browser ran functions of a script meanwhile."""
    browser = page.context.browser
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    page.wait_for_timeout(seconds * 1000)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    assert events
    calls = (event["args"]["data"] for event in events if event["name"] == "FunctionCall")
    return sum(call.get("url", "").endswith(script) for call in calls)


def test_the_payment_of_an_event_leads_to_its_order_and_back_to_the_list(open_page, paid):
    page = open_page("/webhooks?type=payment_intent.succeeded")
    click_first_row(page, 800)
    page.wait_for_url(re.compile(rf"/order\?id={paid}"))
    expect(page.get_by_text("care@example.com").first).to_be_visible()
    page.go_back()
    page.wait_for_url(re.compile(r"/webhooks\?type=payment_intent\.succeeded$"))
    settle(page)
    expect(page.locator(".st-key-open-event")).to_have_count(0)


def test_a_failed_webhook_is_retried_from_its_page(open_page, served, paid):
    with served.ledger() as events:
        row = next(
            event
            for event in events.find({"eventType": "payment_intent.succeeded"})
            if paid in str(event["data"])
        )
        events.update_one({"_id": row["_id"]}, {"$set": {"state": "failed", "error": "The store was away."}})
        page = open_page(f"/webhooks?event={row['eventId']}")
        opened = page.locator(".st-key-open-event")
        expect(opened.get_by_text("The store was away.")).to_be_visible()
        expect(opened.get_by_text("Échoué", exact=True)).to_be_visible()
        opened.get_by_role("button", name="Relancer").click()
        expect(opened.get_by_text("Traité", exact=True).first).to_be_visible()
        expect(opened.get_by_role("button", name="Relancer")).to_have_count(0)
        settle(page)
        assert events.find_one({"_id": row["_id"]})["state"] == "processed"


def test_what_differs_from_stripe_is_repaired_after_a_confirmation(open_page, served, paid):
    with served.ledger() as events:
        orders = events.database.productorders
        orders.update_one({"paymentIntentId": paid}, {"$set": {"amount": 67}})
        page = open_page("/reconciliation?since=1d")
        page.get_by_role("button", name="Comparer").click()
        page.get_by_role("button", name="Réparer…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("1 montant est corrigé d’après Stripe")).to_be_visible()
        assert orders.find_one({"paymentIntentId": paid})["amount"] == 67
        dialog.get_by_role("button", name="Réparer", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("heading", name="1 écart réparé.")).to_be_visible()
        assert orders.find_one({"paymentIntentId": paid})["amount"] == 6700
