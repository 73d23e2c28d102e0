"""Sign-in by OpenID Connect, against a real provider process of its own on loopback."""

from __future__ import annotations

import httpx
import pytest

from lumira.access import Role
from tests import web
from tests.security.conftest import ADMIN, Fortress


@pytest.fixture
def browser(fortress: Fortress):
    """A browser that keeps cookies and follows nothing by itself."""
    with web.Client(base_url=fortress.url, timeout=30) as client:
        yield client


@pytest.fixture
def colleague(fortress: Fortress):
    """Makes the provider know a person, and the desk an account where a role is given."""

    def colleague(email: str, role: Role | None = None, **claims: object) -> str:
        known = {"email": email, "email_verified": True, **claims}
        assert web.put(f"{fortress.provider}/users/{email}", json=known).status_code == 204
        if role:
            fortress.desk.staff.add(email, role, actor=ADMIN)
        return email

    return colleague


def at_the_provider(browser: httpx.Client, email: str, wanted: str = "/orders") -> str:
    """Begins here, signs in there; the address the provider sends back to."""
    begun = browser.get("/sign-in/with/openid", params={"next": wanted})
    assert begun.status_code in {302, 303, 307}, begun.text
    assert "code_challenge=" in begun.headers["location"]
    answered = web.post(begun.headers["location"], data={"sub": email})
    return answered.headers["location"]


def test_a_colleague_signs_in_and_the_role_is_that_of_the_account(browser, fortress, colleague):
    assert "/sign-in/with/openid" in browser.get("/sign-in").text
    email = colleague("Odile@Example.com", Role.FINANCE)
    response = browser.get(at_the_provider(browser, email))
    assert (response.status_code, response.headers["location"]) == (303, "/orders")
    assert browser.get("/orders", headers={"Accept": "text/html"}).status_code == 200
    [session] = fortress.desk.sessions.of("odile@example.com", actor=ADMIN)
    assert session.address == "127.0.0.1"
    assert "lumira_openid" not in browser.cookies


@pytest.mark.parametrize(
    ("email", "role", "claims"),
    [
        ("stranger@example.com", None, {}),
        ("claimed@example.com", Role.ADMIN, {"email_verified": False}),
        ("silent@example.com", Role.ADMIN, {"email_verified": None}),
    ],
)
def test_who_has_no_account_or_no_verified_address_is_refused(browser, colleague, email, role, claims):
    response = browser.get(at_the_provider(browser, colleague(email, role, **claims)))
    assert response.status_code == 401
    assert "lumira_session" not in browser.cookies


def test_a_disabled_account_is_refused_whatever_the_provider_says(browser, fortress, colleague):
    email = colleague("gone@example.com", Role.ADMIN)
    fortress.desk.staff.disable(email, actor=ADMIN)
    assert browser.get(at_the_provider(browser, email)).status_code == 401


def test_an_answer_that_was_not_asked_for_here_is_refused(browser, fortress, colleague):
    email = colleague("victim@example.com", Role.ADMIN)
    back = at_the_provider(browser, email)
    with web.Client(base_url=fortress.url, timeout=30) as another:
        # Somebody else's browser, which would then work in the attacker's name.
        assert another.get(back).status_code == 401
    tampered = back.replace("state=", "state=x")
    assert browser.get(tampered).status_code == 401
    assert browser.get("/oauth2callback").status_code == 401
    assert browser.get("/oauth2callback?error=access_denied&state=x").status_code == 401
    # The wrong answers have used up what was begun: the provider's true one comes too late.
    assert "lumira_session" not in browser.cookies


def test_an_unknown_provider_is_said_calmly(browser):
    response = browser.get("/sign-in/with/nobody")
    assert response.status_code == 503
    assert "Réessayez" in response.text
