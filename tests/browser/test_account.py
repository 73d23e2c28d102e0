"""One's own account in a browser: the first password, an authenticator, sessions, and their end."""

from __future__ import annotations

import re

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from lumira.access import Role
from tests.browser.conftest import PASSWORD, TESTS, Served, reader, settle

pytestmark = pytest.mark.browser

EMAIL = "claire@example.com"


def sign_in(page: Page, served: Served, password: str) -> None:
    """Fills the form of the sign-in page."""
    page.goto(f"{served.url}/sign-in?next=/account")
    page.get_by_label("Adresse e-mail").fill(EMAIL)
    page.get_by_label("Mot de passe").fill(password)
    page.get_by_role("button", name="Se connecter").click()


@pytest.mark.long(20)
def test_from_a_one_time_password_to_a_session_that_is_ended(chromium: Browser, served: Served):
    behind = served.behind
    _, once = behind.staff.add_with_one_time_password(
        EMAIL, Role.SUPPORT, name="Claire de La Tour du Pin", actor=TESTS
    )
    context = reader(chromium)
    page = context.new_page()
    sign_in(page, served, once)

    # Nothing but a password of one's own, wherever one goes.
    page.goto(f"{served.url}/orders")
    expect(page.get_by_role("heading", name="Choisissez votre mot de passe")).to_be_visible()
    expect(page.get_by_role("heading", name="Commandes")).not_to_be_visible()
    page.get_by_role("button", name="Changer le mot de passe").click()
    expect(page.get_by_text("Ce n’est pas votre mot de passe actuel.")).to_be_visible()
    page.get_by_label("Mot de passe reçu").fill(once)
    page.get_by_label("Nouveau mot de passe", exact=True).fill(PASSWORD)
    page.get_by_label("Nouveau mot de passe, encore une fois").fill(PASSWORD)
    page.get_by_role("button", name="Changer le mot de passe").click()
    expect(page.get_by_role("heading", name="Commandes")).to_be_visible()

    # The menu says who is here, and as what, to the last word.
    person = page.get_by_test_id("stSidebar").get_by_test_id("stPageLink")
    expect(person).to_have_text(re.compile("Claire de La Tour du Pin · Support"))
    assert not person.locator("a, a *").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth).length"
    )

    # The authenticator is on once it has shown a code.
    page.goto(f"{served.url}/account")
    page.get_by_role("button", name="Configurer").click()
    shown = page.locator(".st-key-authenticator code")
    secret = re.sub(r"\s", "", shown.inner_text())
    page.get_by_label("Code affiché par l’application").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Activer").click()
    expect(page.get_by_text("Un code est demandé à chaque connexion.")).to_be_visible()

    # Elsewhere the code is asked for; one that was used is not taken.
    elsewhere = reader(chromium).new_page()
    sign_in(elsewhere, served, PASSWORD)
    elsewhere.get_by_label("Code").fill(pyotp.TOTP(secret).at(0))
    elsewhere.get_by_role("button", name="Se connecter").click()
    expect(elsewhere.get_by_text("n’est pas bon")).to_be_visible()
    there = behind.sessions.sign_in_by_identity(EMAIL, address="192.0.2.9", device="Firefox/1 (iPhone)")

    # The other session is seen here, and ended from here.
    page.reload()
    settle(page)
    expect(page.get_by_text("Firefox sur iPhone", exact=True)).to_be_visible()
    page.get_by_role("button", name="Fermer", exact=True).click()
    expect(page.get_by_text("Firefox sur iPhone", exact=True)).not_to_be_visible()
    assert behind.sessions.find(there.token) is None
    page.get_by_role("button", name="Se déconnecter partout").click()
    expect(page.get_by_role("heading", name="Connexion")).to_be_visible()
    context.close()
    elsewhere.context.close()
