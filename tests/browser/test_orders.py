"""The list in a browser: filtered, shared by its address, exported, opened."""

import csv
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import click_first_row, reader, settle
from tests.browser.test_payment import rows

pytestmark = pytest.mark.browser


@pytest.mark.long(15)
def test_a_filtered_list_is_the_same_elsewhere_and_in_a_file(open_page, served, chromium: Browser):
    for product_id, name in (("mystique", "ondine.a"), ("profond", "ondine.b")):
        served.create(product_id, f"{name}@example.com")
    page = open_page("/orders")
    page.get_by_label("Chercher", exact=True).fill("ondine")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=ondine"))
    page.get_by_role("button", name=re.compile("^Filtres")).click()
    page.get_by_test_id("stPopoverBody").get_by_text("Profond", exact=True).click()
    page.wait_for_url(re.compile("level=profond"))
    page.keyboard.press("Escape")
    settle(page)
    expect(rows(page, "ondine.b@example.com")).to_have_count(1)
    expect(rows(page, "ondine.a@example.com")).to_have_count(0)

    elsewhere = served.sign_in(reader(chromium)).new_page()
    elsewhere.goto(page.url)
    settle(elsewhere)
    expect(rows(elsewhere, "ondine.b@example.com")).to_have_count(1)
    expect(rows(elsewhere, "ondine.a@example.com")).to_have_count(0)
    elsewhere.context.close()

    page.get_by_role("button", name="Exporter").click()
    with page.expect_download() as download:
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="CSV").click()
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file, delimiter=";"))
    assert [row["E-mail"] for row in table] == ["ondine.b@example.com"]
    assert table[0]["Montant"] == "67,00"

    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_be_hidden()
    click_first_row(page, 330)
    page.wait_for_url(re.compile(r"/order\?id=pi_"))
    expect(page.get_by_text("ondine.b@example.com").first).to_be_visible()

    # One step back is the list as it was left, and stays the list; so it is after the order was loaded anew.
    as_left = re.compile("/orders[?](?=.*q=ondine)(?=.*level=profond)(?!.*id=)")
    for again in (False, True):
        if again:
            page.reload()
            settle(page)
        page.go_back()
        page.wait_for_url(as_left)
        settle(page)
        expect(rows(page, "ondine.b@example.com")).to_have_count(1)
        expect(rows(page, "ondine.a@example.com")).to_have_count(0)
        page.go_forward()
        page.wait_for_url(re.compile(r"/order\?id=pi_"))
        settle(page)
        expect(page.get_by_text("ondine.b@example.com").first).to_be_visible()
    # And by the order's own link.
    page.get_by_role("link", name="Voir les commandes").click()
    page.wait_for_url(as_left)


def test_a_search_leads_back_to_where_it_began(open_page):
    page = open_page("/revenue?range=year")
    page.get_by_label("Chercher une commande").fill("ondine")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders\?q=ondine"))
    settle(page)
    page.go_back()
    page.wait_for_url(re.compile(r"/revenue\?range=year"))


def test_filters_chosen_one_right_after_the_other_are_all_kept(open_page):
    choose = """async ([first, second, pause]) => {
        const button = name => [...document.querySelectorAll("[data-testid=stPopoverBody] button")]
            .find(one => one.textContent.trim() === name);
        button(first).click();
        if (pause) await new Promise(over => setTimeout(over, pause));
        button(second).click();
    }"""
    page = open_page("/orders")
    page.get_by_role("button", name="Filtres").click()
    for pause in (0, 20, 40, 80, 200):
        expect(page.get_by_test_id("stPopoverBody").get_by_text("Profond", exact=True)).to_be_visible()
        settle(page)
        # Chromium itself is quick enough to use a control before it has heard what the last one changed.
        page.evaluate(choose, ["Profond", "Refusée", pause])
        page.wait_for_url(re.compile("(?=.*level=profond)(?=.*status=failed)"))
        settle(page)
        page.wait_for_timeout(500)
        query = parse_qs(urlsplit(page.url).query)
        assert (query.get("level"), query.get("status")) == (["profond"], ["failed"]), pause
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="Tout effacer").click()
        page.wait_for_url(re.compile(r"/orders$"))


def test_every_filter_is_seen_at_once_on_a_laptop(open_page):
    page = open_page("/orders")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="Filtres").click()
    panel = page.get_by_test_id("stPopoverBody")
    expect(panel.get_by_role("button", name="Tout effacer")).to_be_visible()
    settle(page)
    assert panel.evaluate("panel => panel.scrollHeight <= panel.clientHeight")
    page.set_viewport_size({"width": 1440, "height": 1000})


def test_a_phone_shows_cards_that_open_what_they_tell_of(served, chromium: Browser):
    name = f"Marguerite {'Longuenom' * 20}"[:200]
    payment_intent = served.create("mystique", "poche@example.com", name)
    context = reader(chromium, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    phone = served.sign_in(context).new_page()
    phone.goto(f"{served.url}/orders?q=poche")
    settle(phone)
    expect(phone.get_by_test_id("stDataFrame")).to_be_hidden()
    # What is said of the table's rows, too.
    expect(phone.get_by_text("Cliquez sur une ligne")).to_be_hidden()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # A name as long as they come leaves room for the rest: two lines of a card, three of a title.
    card = phone.get_by_role("link", name=re.compile("Marguerite"))
    assert card.bounding_box()["height"] < 150
    # The badge of the mode leaves the button of the menu free, and the menu tells no key to a finger.
    phone.get_by_test_id("stExpandSidebarButton").click()
    expect(phone.get_by_text("Nouveau paiement").first).to_be_in_viewport()
    expect(phone.locator("kbd")).to_be_hidden()
    phone.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    card.click()
    phone.wait_for_url(re.compile(rf"/order\?id={payment_intent}"))
    title = phone.get_by_role("heading", level=1)
    expect(title).to_contain_text("Commande pour Marguerite")
    settle(phone)
    assert title.bounding_box()["height"] < 160
    expect(phone.get_by_text(name, exact=True).first).to_be_attached()
    # Webhooks likewise: what came of one is read without pushing a table, and a tap opens it.
    served.pay_elsewhere(payment_intent)
    phone.goto(f"{served.url}/webhooks?type=payment_intent.succeeded")
    settle(phone)
    expect(phone.get_by_test_id("stDataFrame")).to_be_hidden()
    expect(phone.get_by_text("Cliquez sur une ligne")).to_be_hidden()
    phone.get_by_role("link", name=re.compile("Paiement réussi.*La commande a changé")).first.click()
    phone.wait_for_url(re.compile(r"/webhooks\?type=payment_intent.succeeded&event=evt_"))
    expect(phone.locator(".st-key-open-event").get_by_text(payment_intent).first).to_be_visible()
    phone.context.close()


def test_what_is_typed_into_a_filter_is_kept_however_it_is_left(open_page):
    page = open_page("/orders")
    panel = page.get_by_test_id("stPopoverBody")
    button = page.get_by_role("button", name="Filtres")
    for label, typed, key, address in (
        ("Du", "01112026", "Escape", "from=2026-11-01$"),
        ("Au", "02112026", "Enter", "to=2026-11-02$"),
        ("Montant minimum", "47", "Escape", "min=4700$"),
    ):
        if not panel.is_visible():
            button.click()
        settle(page)
        field = panel.get_by_label(label, exact=True)
        (field.get_by_role("spinbutton") if typed.startswith("0") else field).first.click()
        page.keyboard.type(typed)
        page.keyboard.press(key)
        page.wait_for_url(re.compile(address))
    expect(panel).to_be_hidden()


def test_the_list_can_be_gone_through_without_a_mouse(open_page, served):
    order_id = served.create("mystique", "keys@example.com")
    page = open_page("/orders?q=keys@example.com")
    way = page.get_by_role("button", name="En cartes, pour le clavier")
    page.get_by_role("button", name="Tout effacer").focus()
    page.keyboard.press("Tab")
    expect(way).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("as=cards"))
    card = page.locator(".lumira-cards a").first
    expect(card).to_be_visible()
    card.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"id={order_id}"))
    page.get_by_role("link", name="Voir les commandes").click()
    page.wait_for_url(re.compile("as=cards"))
