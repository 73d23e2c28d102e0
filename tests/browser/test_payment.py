"""The main job in a browser: a payment is created, paid, told by webhook, listed, and stands in the chart."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.conftest import TESTS, follow, settle
from tests.conftest import wait_until

pytestmark = pytest.mark.browser


def create(
    page: Page, level: str, email: str, *, clicks: int = 1, last: tuple[str, str] | None = None
) -> str:
    """Fills the form for the product of that level, `last` a field at once before the button is pressed, and
    returns the PaymentIntent's id.
    """
    # Anywhere on the card, not the button alone; which is drawn after the card.
    card = page.locator(f".st-key-product-{level.lower()}")
    expect(page.get_by_role("button", name=f"Choisir {level}")).to_be_enabled()
    card.click(position={"x": 30, "y": 30})
    expect(page.get_by_role("button", name=f"{level} choisi")).to_be_visible()
    page.get_by_label("Adresse e-mail").fill(email)
    page.get_by_label("Adresse e-mail").blur()
    settle(page)
    if last:
        page.get_by_label(last[0]).fill(last[1])
    page.get_by_role("button", name="Créer le paiement").click(click_count=clicks, delay=20)
    page.wait_for_url(re.compile(r"order=pi_"))
    expect(page.get_by_role("heading", name="Paiement créé")).to_be_visible()
    settle(page)
    return page.url.split("order=")[1]


def choose_card(page: Page, name: str) -> None:
    def choose() -> bool:
        page.get_by_role("combobox", name="Carte").click()
        try:
            page.get_by_role("option", name=name).click(timeout=5_000)
        except PlaywrightTimeout:
            # A webhook that arrives just then draws the page anew and closes the list.
            return False
        return True

    wait_until(choose)
    settle(page)


def pay(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Payer|Payer \\d")).click()


def rows(page: Page, content: str) -> Locator:
    """The rows of the list that hold this text, as a screen reader finds them behind the drawing."""
    return page.locator("[data-testid=stDataFrame] canvas tr", has_text=content)


def gross_of(page: Page, level: str) -> float:
    """What the chart shows in the last bar of a level, in euros."""
    return page.evaluate(
        """level => {
            const plot = document.querySelector('.st-key-chart-chart .js-plotly-plot');
            const trace = plot && plot.data.find(trace => trace.name === level);
            return trace ? Array.from(trace.y).at(-1) ?? 0 : 0;
        }""",
        level,
    )


def revenue_of(page: Page, level: str) -> float:
    """What the Revenue page that is open shows in the last bar of a level, once it is drawn."""
    # The page's other charts may be drawn before this one.
    page.locator(".st-key-chart-chart .bars, .st-key-empty").first.wait_for(state="attached")
    return gross_of(page, level)


@pytest.mark.long(15)
def test_from_a_new_payment_to_its_bar_in_the_chart(open_page, served):
    page = open_page("/revenue")
    before = revenue_of(page, "Profond")
    page.get_by_role("button", name="Nouveau paiement").click()
    expect(page.get_by_role("heading", name="Nouveau paiement")).to_be_visible()
    settle(page)
    expect(page.get_by_role("status").filter(has_text="Mode test")).to_be_visible()
    payment_intent = create(page, "Profond", "anais@example.com")
    expect(page.locator("code", has_text=f"{payment_intent}_secret_")).to_be_visible()

    pay(page)
    expect(page.get_by_text("67,00\u00a0€ encaissés. La lecture est ouverte.")).to_be_visible()
    wait_until(lambda: served.processed("payment_intent.succeeded", payment_intent))

    page.get_by_role("link", name="Voir la commande").click()
    page.wait_for_url(re.compile(r"/order\?id="))
    opened = page.get_by_test_id("stMain")
    expect(opened.get_by_text("anais@example.com").first).to_be_visible()
    expect(opened.get_by_text("Terminée", exact=True).first).to_be_visible()
    follow(page, "Commandes")
    # The table tells a screen reader the number itself, in major units.
    expect(rows(page, "anais@example.com")).to_contain_text("67Terminée")

    follow(page, "Revenus")
    assert revenue_of(page, "Profond") == before + 67


def test_a_declined_card_may_be_followed_by_another(open_page):
    page = open_page("/new-payment")
    create(page, "Mystique", "camille@example.com")
    choose_card(page, "Visa, refusée\u00a0: solde insuffisant")
    pay(page)
    expect(page.get_by_text("Refusé\u00a0: solde insuffisant", exact=True)).to_be_visible()
    expect(page.get_by_text("Refusée", exact=True)).to_be_visible()
    settle(page)
    choose_card(page, "Visa\u00a0: paiement accepté")
    pay(page)
    expect(page.get_by_text("47,00\u00a0€ encaissés. La lecture est ouverte.")).to_be_visible()


def test_a_double_click_creates_one_payment(open_page):
    page = open_page("/new-payment")
    create(page, "Mystique", "double@example.com", clicks=2)
    follow(page, "Commandes")
    expect(rows(page, "double@example.com")).to_have_count(1)


def test_a_reload_in_the_middle_loses_nothing(open_page):
    page = open_page("/new-payment")
    payment_intent = create(page, "Mystique", "reload@example.com")
    page.reload()
    settle(page)
    expect(page.locator("code", has_text=f"{payment_intent}_secret_")).to_be_visible()
    pay(page)
    expect(page.get_by_text("encaissés. La lecture est ouverte.")).to_be_visible()


def test_a_webhook_moves_the_open_page_by_itself(open_page, served):
    page = open_page("/new-payment")
    payment_intent = create(page, "Mystique", "webhook@example.com")
    leads_to = re.compile(rf"^http://127\.0\.0\.1:\d+/payment_intents/{payment_intent}$")
    expect(page.get_by_role("link", name="Stripe local")).to_have_attribute("href", leads_to)
    served.pay_elsewhere(payment_intent)
    expect(page.get_by_text("encaissés. La lecture est ouverte.")).to_be_visible()
    expect(page.get_by_text("Webhook payment_intent.succeeded\u00a0: reçu et traité.")).to_be_visible()


def test_metadata_stays_through_another_language_another_page_and_a_reload(open_page, served):
    page = open_page("/new-payment")
    page.get_by_text("Métadonnées").click()
    page.get_by_label("Clé 1").fill("campagne")
    page.get_by_label("Valeur 1").fill("noël")
    menu = page.get_by_test_id("stSidebar")
    # At once: whoever types and clicks has not waited for anything either.
    menu.get_by_text("English").click()
    expect(page.get_by_role("heading", name="New payment")).to_be_visible()
    expect(page.get_by_label("Value 1")).to_have_value("noël")
    follow(page, "Orders")
    page.go_back()
    expect(page.get_by_role("heading", name="New payment")).to_be_visible()
    menu.get_by_text("Français").click()
    expect(page.get_by_role("heading", name="Nouveau paiement")).to_be_visible()
    expect(page.get_by_label("Valeur 1")).to_have_value("noël")
    page.get_by_label("Clé 2").fill("dossier")
    page.reload()
    expect(page.get_by_label("Clé 1")).to_have_value("campagne")
    expect(page.get_by_label("Clé 2")).to_have_value("dossier")
    settle(page)
    page.get_by_label("Clé 2").fill("")
    created = create(page, "Mystique", "campagne@example.com", last=("Valeur 1", "noël 🎄"))
    assert served.behind.intents.find(created, actor=TESTS).metadata["campagne"] == "noël 🎄"
    page.get_by_role("button", name="Autre paiement").click()
    expect(page.get_by_text("Métadonnées")).to_be_visible()
    expect(page.get_by_label("Clé 1")).to_have_value("")
