"""How staff read the desk: their language and their light, kept over a reload."""

import json
import os
import re
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import follow, settle

pytestmark = pytest.mark.browser

MOTION = """() => {
    const style = getComputedStyle(document.body);
    return [style.animationDuration, style.animationIterationCount, style.transitionDuration];
}"""
NIGHT, PAPER = "rgb(15, 11, 25)", "rgb(251, 247, 239)"


def test_language_and_light_are_changed_and_stay(open_page, served):
    page = open_page("/overview")
    expect(page.get_by_role("heading", name="Aujourd’hui")).to_be_visible()
    page.get_by_text("English").click()
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    # Screen readers read it in the voice of what the document says.
    expect(page.locator("html")).to_have_attribute("lang", "en")
    for choice, background in (("Dark", NIGHT), ("Light", PAPER)):
        page.get_by_test_id("stMainMenu").click()
        page.get_by_role("menuitemradio", name=choice).click()
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", background)
        page.keyboard.press("Escape")
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", PAPER)
    # The language is the account's: a new tab, whose address says nothing of it, is read in it too.
    another = open_page("/orders")
    expect(another.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
    expect(another.get_by_test_id("stSidebarNav").get_by_text("Revenue")).to_be_visible()
    expect(another.locator("html")).to_have_attribute("lang", "en")
    another.get_by_text("Français").click()
    expect(another.get_by_role("heading", name="Commandes", exact=True)).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", name="Aujourd’hui")).to_be_visible()
    # An address that names one has the last word.
    page.goto(f"{served.url}/overview?language=English")
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNav").get_by_text("Revenue")).to_be_visible()


def test_nothing_moves_for_who_asks_for_that(open_page):
    page = open_page("/account")
    page.evaluate("document.body.style.cssText = 'animation: pulse 5s infinite; transition: color 5s'")
    for media, moving in (("reduce", ["0.001s", "1", "0s"]), ("no-preference", ["5s", "infinite", "5s"])):
        page.emulate_media(reduced_motion=media)
        assert page.evaluate(MOTION) == moving
    page.emulate_media(reduced_motion="reduce")


def test_a_key_begins_a_payment(open_page):
    page = open_page("/webhooks")
    expect(page.get_by_role("button", name="Nouveau paiement Shortcut N")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Nouveau paiement")).to_be_visible()
    page.goto(page.url.replace("new-payment", "webhooks"), wait_until="domcontentloaded")
    # Its button comes later.
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Nouveau paiement")).to_be_visible()


def test_the_table_of_revenue_shows_all_its_columns_on_a_laptop(open_page, served):
    for level in ("mystique", "profond"):
        served.pay_elsewhere(served.create(level, "marius@example.com"))
    page = open_page("/revenue")
    page.get_by_text("Les mêmes chiffres, en tableau").click()
    scroller = page.get_by_test_id("stDataFrame").locator(".dvn-scroller")
    expect(scroller).to_be_visible()
    settle(page)
    assert scroller.evaluate("element => element.scrollWidth <= element.clientWidth")


@pytest.mark.parametrize("way", ["search", "button"])
def test_on_a_phone_the_menu_gives_way_to_where_it_led(open_page, way):
    page = open_page("/overview")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    settle(page)
    page.get_by_test_id("stExpandSidebarButton").click()
    menu = page.get_by_test_id("stSidebar")
    expect(menu).to_have_attribute("data-collapsed", "false")
    # Nor does one that was left open lie over the next page that is loaded.
    page.reload()
    expect(menu).to_have_attribute("data-collapsed", "true")
    settle(page)
    page.get_by_test_id("stExpandSidebarButton").click()
    expect(menu).to_have_attribute("data-collapsed", "false")
    if way == "search":
        menu.get_by_label("Chercher une commande").fill("nobody at all")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("q=nobody"))
    else:
        menu.get_by_role("button", name="Nouveau paiement").click()
        page.wait_for_url(re.compile("new-payment"))
    expect(menu).to_have_attribute("data-collapsed", "true")


def test_what_streamlit_says_to_screen_readers_is_in_the_readers_language(open_page):
    page = open_page("/webhooks")
    page.get_by_text("Relier un vrai compte Stripe").click()
    copy = page.get_by_test_id("stCode").first.get_by_role("button")
    expect(copy).to_have_accessible_name("Copier")
    menu = page.get_by_test_id("stSidebar")
    expect(menu.get_by_role("button", name="Aller à l’accueil")).to_be_visible()
    expect(page.get_by_test_id("stSkipToContent")).to_have_accessible_name("Aller au contenu")
    page.get_by_role("button", name="Menu principal").click()
    lights = page.get_by_test_id("stMainMenuPopover").get_by_role("menuitemradio")
    expect(lights).to_have_text([re.compile(f"{light}$") for light in ("Système", "Clair", "Sombre")])
    expect(page.get_by_role("menuitem", name="Imprimer")).to_be_visible()
    page.keyboard.press("Escape")
    menu.get_by_text("English").click()
    settle(page)
    expect(page.get_by_test_id("stSkipToContent")).to_have_accessible_name("Skip to main content")
    page.get_by_text("Connect a real Stripe account").click()
    expect(copy).to_have_accessible_name("Copy to clipboard")
    expect(menu.get_by_role("button", name="Navigate to home page")).to_be_visible()
    follow(page, "Orders")
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("button", name="Choose date").first).to_be_visible()
    menu.get_by_text("Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.get_by_role("button", name="Filtres").click()
    days = page.get_by_test_id("stPopoverBody").get_by_label("Du", exact=True)
    expect(page.get_by_role("button", name="Choisir une date").first).to_be_visible()
    expect(days.get_by_role("spinbutton", name="jour, Du")).to_be_visible()
    # Of days from one to another Streamlit offers its own, in English, beside the periods of the page.
    page = open_page("/revenue?range=custom")
    page.get_by_role("button", name="Choisir une période").click()
    expect(page.get_by_role("spinbutton", name="jour, Jours : début")).to_be_visible()
    expect(page.get_by_test_id("stDateInputQuickSelect")).to_be_hidden()


def test_while_the_store_is_silent_a_file_is_told_of_in_french_and_what_is_typed_is_kept(open_page, served):
    order_id = served.create("mystique", "fichier@example.com")
    page, order = open_page("/orders"), open_page(f"/order?id={order_id}")
    views = open_page("/orders?status=failed")
    save = views.get_by_role("button", name="Enregistrer la vue")
    name = views.get_by_label("Nom de la vue")
    save.click()
    name.fill("Refus du matin")
    note = order.get_by_label("Nouvelle note")
    note.fill("Rappeler Zoé")
    page.get_by_role("button", name="Exporter").click()
    file = page.get_by_role("button", name="CSV")
    expect(file).to_be_visible()
    [store, *_] = json.loads((served.home / "store.pid").read_text())
    os.kill(store, signal.SIGSTOP)
    try:
        file.click()
        order.get_by_role("button", name="Ajouter la note").click()
        save.last.click()
        told = page.get_by_test_id("stDownloadButtonError")
        expect(told).to_have_css("font-size", "0px")
        said = told.evaluate("told => getComputedStyle(told, '::after').content")
        again = order.get_by_role("button", name="Réessayer")
        expect(again).to_be_visible()
        expect(note).to_have_count(0)
        expect(name).to_have_count(0)
    finally:
        os.kill(store, signal.SIGCONT)
    assert "Le fichier n’a pas pu être préparé" in said
    again.click()
    expect(note).to_have_value("Rappeler Zoé")
    # By itself, meanwhile.
    expect(views.get_by_role("button", name="Réessayer")).to_have_count(0)
    save.click()
    expect(name).to_have_value("Refus du matin")


def test_a_desk_that_is_away_is_told_in_the_house_s_own_words(chromium, served):
    context = served.sign_in(chromium.new_context(locale="fr-FR"))
    page = context.new_page()
    page.route("**/_stcore/**", lambda route: route.abort())
    page.goto(f"{served.url}/overview")
    expect(page.get_by_role("dialog")).to_contain_text("Le bureau ne répond pas")
    expect(page.get_by_role("dialog")).not_to_contain_text("Streamlit")
    context.close()


def test_an_address_is_copied_as_it_reads(open_page, served):
    order_id = served.create("mystique", "copiee@example.com")
    page = open_page(f"/order?id={order_id}")
    page.get_by_role("heading", level=1).click(click_count=3)
    page.keyboard.press("Control+c")
    search = page.get_by_test_id("stSidebar").get_by_role("textbox")
    search.click()
    page.keyboard.press("Control+v")
    expect(search).to_have_value("Commande pour copiee@example.com")
