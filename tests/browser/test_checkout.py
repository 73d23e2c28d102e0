"""A customer pays by the link that staff gave: on a phone, in their language, declined and then paid."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settle
from tests.browser.test_payment import create

pytestmark = pytest.mark.browser


@pytest.fixture
def customer(chromium):
    """A customer's phone; what its page complained of must be nothing."""
    context = chromium.new_context(
        locale="en-GB", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    # A declined card is a 402 of the API, which every browser reports.
    assert [complaint for complaint in complaints if "402" not in complaint] == []


def pay_with(page, number):
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiration date").fill("1234")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Pay €").click()


@pytest.mark.long(15)
def test_by_link_declined_then_paid_and_staff_see_it_live(open_page, customer):
    desk = open_page("/new-payment")
    payment_intent = create(desk, "Mystique", "link@example.com")
    expect(desk.get_by_alt_text("Code QR du lien de paiement")).to_be_visible()
    # There to be seen before anyone points at it: it is what staff come here for.
    copy = desk.locator(".st-key-payment-link [data-testid=stCode] button")
    expect(copy).to_be_visible()
    link = desk.locator(".st-key-payment-link code").inner_text().strip()

    customer.goto(link)
    expect(customer.get_by_text("€47.00").first).to_be_visible()
    expect(customer.get_by_role("button", name="Pay €47.00")).to_be_enabled()
    assert customer.evaluate("document.documentElement.scrollWidth") <= 390
    # What is incomplete is said where it is, and nowhere else.
    customer.get_by_role("button", name="Pay €47.00").click()
    expect(customer.get_by_text("Your card number is incomplete.")).to_have_count(1)
    pay_with(customer, "4000000000009995")
    expect(customer.get_by_role("alert").filter(has_text="insufficient funds").first).to_be_visible()
    expect(desk.get_by_text("Stripe répond\u00a0: refusé, solde insuffisant.")).to_be_visible()

    customer.reload()
    expect(customer.get_by_text("There is not enough money for this card.")).to_be_visible()
    pay_with(customer, "4242424242424242")
    expect(customer.get_by_role("heading", name="Thank you, it is paid")).to_be_visible()
    assert "secret" not in customer.url
    assert "_secret_" not in customer.content()

    expect(desk.get_by_text("47,00\u00a0€ encaissés. La lecture est ouverte.")).to_be_visible()
    expect(desk.get_by_text("Webhook payment_intent.succeeded\u00a0: reçu et traité.")).to_be_visible()
    order = open_page(f"/order?id={payment_intent}")
    expect(order.get_by_text("Terminée", exact=True)).to_be_visible()
    expect(order.get_by_text("Visa •••• 4242", exact=True)).to_be_visible()


def test_where_the_answer_is_lost_nobody_is_told_that_they_have_not_paid(open_page, served, chromium):
    payment_intent = served.create("mystique", "lost@example.com")
    desk = open_page(f"/order?id={payment_intent}")
    link = desk.locator(".st-key-payment-link code").inner_text().strip()
    page = chromium.new_context(locale="en-GB").new_page()
    page.goto(link)
    expect(page.get_by_role("button", name="Pay €47.00")).to_be_enabled()
    # Nobody has tried to pay where there was no form.
    page.route("**/stripe.js", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The payment form can’t be loaded.")
    page.unroute("**/stripe.js")
    page.reload()
    expect(page.get_by_role("button", name="Pay €47.00")).to_be_enabled()
    page.route("**/confirm", lambda route: (route.fetch(), route.abort()))
    pay_with(page, "4242424242424242")
    told = page.get_by_role("alert").filter(has_text="You are never charged twice.")
    expect(told).to_contain_text("can’t tell yet whether the payment went through")
    page.reload()
    expect(page.get_by_role("heading", name="Thank you, it is paid")).to_be_visible()
    page.context.close()


def test_a_customer_confirms_with_their_bank(open_page, customer):
    desk = open_page("/new-payment")
    create(desk, "Profond", "bank@example.com")
    settle(desk)
    customer.goto(desk.locator(".st-key-payment-link code").inner_text().strip())
    expect(customer.get_by_role("button", name="Pay €67.00")).to_be_enabled()
    pay_with(customer, "4000000000003220")
    customer.frame_locator("iframe[title='3-D Secure']").get_by_role(
        "button", name=re.compile("Complete")
    ).click()
    expect(customer.get_by_role("heading", name="Thank you, it is paid")).to_be_visible()
