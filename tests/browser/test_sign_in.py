"""Signing in and out as a person does it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import ADMINISTRATOR, PASSWORD, SIZE, reader, settle

pytestmark = pytest.mark.browser


def test_who_asks_for_a_page_signs_in_and_is_led_to_it_and_out_again(chromium: Browser, served):
    context = reader(chromium, viewport=SIZE)
    page = context.new_page()
    page.goto(f"{served.url}/orders?status=failed")
    expect(page.get_by_role("heading", name="Connexion")).to_be_visible()

    page.get_by_label("Adresse e-mail").fill(ADMINISTRATOR.upper())
    page.get_by_label("Mot de passe").fill("pas le bon")
    page.get_by_role("button", name="Se connecter").click()
    expect(page.get_by_role("alert")).to_contain_text("n’est pas bon")
    expect(page.get_by_label("Adresse e-mail")).to_have_value(ADMINISTRATOR.upper())

    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()
    page.wait_for_url(re.compile(r"/orders\?status=failed"))
    settle(page)
    expect(page.get_by_role("heading", name="Commandes")).to_be_visible()
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == "lumira_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")

    elsewhere = context.new_page()
    elsewhere.goto(f"{served.url}/new-payment")
    elsewhere.get_by_role("button", name="Choisir Mystique").click()
    expect(elsewhere.get_by_role("button", name="Mystique choisi")).to_be_visible()
    elsewhere.wait_for_url(re.compile("product=mystique"))
    elsewhere.get_by_label("Adresse e-mail").fill("zoe@example.com")
    elsewhere.get_by_label("Nom").fill("Zoé")
    settle(elsewhere)
    page.get_by_role("link", name="Se déconnecter").click()
    expect(page.get_by_role("status")).to_contain_text("session est fermée")
    # The other page of the same session is led out too, by itself.
    expect(elsewhere.get_by_role("heading", name="Connexion")).to_be_visible()
    expect(elsewhere.get_by_role("status")).to_contain_text("terminée")
    assert "example.com" not in elsewhere.locator("input[name=next]").get_attribute("value")
    # Who signs in again goes on with what was typed, and it is put back once.
    elsewhere.get_by_label("Adresse e-mail").fill(ADMINISTRATOR)
    elsewhere.get_by_label("Mot de passe").fill(PASSWORD)
    elsewhere.get_by_role("button", name="Se connecter").click()
    expect(elsewhere.get_by_role("button", name="Mystique choisi")).to_be_visible()
    expect(elsewhere.get_by_label("Nom")).to_have_value("Zoé")
    expect(elsewhere.get_by_label("Adresse e-mail")).to_have_value("zoe@example.com")
    elsewhere.get_by_role("link", name="Se déconnecter").click()
    expect(elsewhere.get_by_role("status")).to_contain_text("session est fermée")
    assert elsewhere.evaluate("sessionStorage.length") == 0
    page.goto(f"{served.url}/orders")
    expect(page.get_by_role("heading", name="Connexion")).to_be_visible()
    context.close()
