"""Sign-in by OpenID Connect, against a real provider process of its own on loopback."""

from __future__ import annotations

import httpx
import pytest
from joserfc.jwk import RSAKey
from starlette.responses import JSONResponse, PlainTextResponse

from lumira import openid_providers
from lumira.access import Role
from lumira.errors import SignInRefused, SignInUnavailable
from tests import web
from tests.security.conftest import ADMIN, Fortress
from tests.security.openid_provider import Provider, served_provider

pytestmark = pytest.mark.whole


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
    # Nothing was typed here that could be wrong.
    assert "le fournisseur ne garantit aucune adresse" in response.text
    assert "lumira_session" not in browser.cookies


def test_who_cancels_at_the_provider_reads_so_and_the_log_says_why(browser, fortress):
    begun = browser.get("/sign-in/with/openid", params={"next": "/orders"})
    answered = web.post(begun.headers["location"], data={"action": "deny"})
    response = browser.get(answered.headers["location"])
    assert response.status_code == 401
    assert "annulé" in response.text
    # The next try leads to the page that was asked for.
    assert 'name="next" value="/orders"' in response.text
    log = fortress.log.read_text()
    [refused] = [line for line in log.splitlines() if "sign-in refused" in line and "access_denied" in line]
    assert "The OpenID provider's answer" in refused


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
    response = browser.get("/sign-in/with/nobody", params={"next": "/orders"})
    assert response.status_code == 503
    assert 'name="next" value="/orders"' in response.text
    assert "Réessayez" in response.text


@pytest.fixture
def provider(desk, monkeypatch):
    """A provider that answers what the test says, and that `[auth]` names."""
    with served_provider() as provider:
        monkeypatch.setattr(openid_providers, "auth_settings", lambda: provider.settings)
        yield provider


ODILE = {"email": "odile@example.com", "email_verified": True}


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        (ODILE, None),
        ({}, ODILE),
        # The address in the token, and only elsewhere that it is verified.
        ({"email": "odile@example.com"}, ODILE),
    ],
)
def test_the_address_is_taken_from_where_the_provider_tells_it(provider: Provider, claims, told):
    provider.claims |= claims
    provider.told = {"sub": "1", **told} if told else None
    assert provider.sign_in() == "odile@example.com"


def test_what_the_provider_tells_of_somebody_else_is_not_taken(provider: Provider):
    provider.told = {"sub": "2", **ODILE}
    with pytest.raises(SignInRefused, match="somebody else"):
        provider.sign_in()


def test_without_a_signed_token_nobody_is_proved(provider: Provider):
    provider.id_token, provider.told = False, {"sub": "1", **ODILE}
    with pytest.raises(SignInRefused, match="no ID token"):
        provider.sign_in()


def test_a_provider_that_names_no_address_anywhere_is_not_called_away(provider: Provider):
    with pytest.raises(SignInRefused, match="no verified e-mail address"):
        provider.sign_in()


def test_a_token_that_another_signed_is_refused(provider: Provider):
    provider.claims |= ODILE
    provider.signed_with = RSAKey.generate_key(2048)
    with pytest.raises(SignInRefused, match="not valid"):
        provider.sign_in()


@pytest.mark.parametrize(
    "claim", [{"aud": "another"}, {"iss": "https://another"}, {"nonce": "x"}, {"exp": 1}]
)
def test_a_token_for_another_desk_or_time_is_refused(provider: Provider, claim):
    provider.claims |= ODILE | claim
    with pytest.raises(SignInRefused, match="not valid"):
        provider.sign_in()


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"error": "invalid_client"}, 401),
        JSONResponse({"error": "server_error"}, 400),
        PlainTextResponse("Bad Gateway", 502),
        PlainTextResponse("<html>maintenance</html>"),
    ],
)
def test_what_is_wrong_between_us_and_the_provider_is_not_laid_on_the_visitor(provider: Provider, answer):
    provider.answer = answer
    with pytest.raises(SignInUnavailable):
        provider.sign_in()


def test_options_for_the_client_are_no_provider_of_that_name(desk, monkeypatch):
    with served_provider() as provider:
        options = {"client_kwargs": {"token_endpoint_auth_method": "client_secret_post", "prompt": "login"}}
        monkeypatch.setattr(openid_providers, "auth_settings", lambda: provider.settings | options)
        assert list(openid_providers.providers()) == [""]
        assert openid_providers.providers()[""]["client_kwargs"] == options["client_kwargs"]
        provider.claims |= ODILE
        assert provider.sign_in() == "odile@example.com"
