"""The Team page: accounts and tokens made, changed and ended there; secrets shown once."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from lumira import desk as desks
from lumira.access import Role
from lumira.desk import Desk
from lumira.errors import SignInRefused, Unauthorized
from tests.conftest import NO_STORE
from tests.dashboard.conftest import shown

PASSWORD = "tournesol vélo plombier"
EMAIL = "claire@example.com"


@pytest.fixture
def team(desk, admin):
    """Two colleagues."""
    desk.staff.add("ada@example.com", Role.ADMIN, name="Ada", password=PASSWORD, actor=admin)
    desk.staff.add(EMAIL, Role.SUPPORT, name="Claire <b>Martin</b>", password=PASSWORD, actor=admin)


def entered(desk, password, email=EMAIL):
    """A sign-in."""
    return desk.sessions.sign_in(email, password, address="192.0.2.1", device="Firefox")


def field(app, name):
    """A field of a form, which is empty again under a new key once its form has served."""
    [found] = [one for one in app.text_input if one.key.startswith(name)]
    assert found.value == "" or "nowhere" in found.value
    return found


def secret_of(app) -> str:
    """The password or token that the page shows."""
    [shown_once] = [code.value for code in app.code if len(code.value) > 15]
    return shown_once


def test_among_many_accounts_one_is_searched_for(desk, open_page, team, admin):
    app = open_page("staff")
    assert "find-account" not in {field.key for field in app.text_input}
    for number in range(7):
        desk.staff.add(f"z{number}@example.com", Role.STAFF, name=f"Bob {number}", actor=admin)
    app = open_page("staff")
    app.text_input(key="find-account").set_value("support CLAIRE").run()
    assert "Claire" in shown(app)
    assert "Bob" not in shown(app)
    desk.staff.add("lou@example.com", Role.STAFF, name="Éloïse", actor=admin)
    app.text_input(key="find-account").set_value("eloise").run()
    assert "Éloïse" in shown(app)
    assert "Claire" not in shown(app)
    app.text_input(key="find-account").set_value("nobody").run()
    assert "Personne ne correspond" in shown(app)


def test_an_account_is_made_with_a_password_that_is_shown_once(desk, open_page, admin):
    app = open_page("staff")
    assert "Personne n’a encore de compte" in shown(app)
    field(app, "account-email").set_value("nowhere")
    app.button(key="add-account-submit").click().run()
    assert desk.staff.is_empty()
    assert "Il faut un nom, un @ et un domaine, comme prenom.nom@\u2060exemple.fr" in shown(app)
    app = open_page("staff")
    field(app, "account-email").set_value("claire🌙@example.com")
    app.button(key="add-account-submit").click().run()
    assert "un signe qu’aucune adresse n’a" in shown(app)
    assert desk.staff.is_empty()
    app = open_page("staff")
    field(app, "account-email").set_value(EMAIL)
    app.selectbox(key="account-role").set_value(Role.FINANCE)
    app.button(key="add-account-submit").click().run()
    [claire] = desk.staff.all(actor=admin)
    assert (claire.email, claire.role) == (EMAIL, Role.FINANCE)
    password = secret_of(app)
    assert entered(desk, password).session.must_change_password
    app.button(key="noted").click().run()
    assert password not in shown(app)
    field(app, "account-email").set_value(EMAIL)
    app.button(key="add-account-submit").click().run()
    assert "Cette adresse a déjà un compte." in shown(app)


@pytest.mark.parametrize(("form", "submit"), [("account", "add-account"), ("token", "create-token")])
def test_the_role_chosen_is_not_another_once_the_store_is_back(desk, open_page, settings, form, submit):
    """The browser puts the name back (typed.js): beside it the usual role would pass for the chosen one."""
    app = open_page("staff")
    usual = app.selectbox(key=f"{form}-role").value
    app.selectbox(key=f"{form}-role").set_value(Role.FINANCE)
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    away = Desk.open(down, demo=True)
    with closing(away.store):
        desks.use(away)
        app.button(key=f"{submit}-submit").click().run()
    assert app.warning
    desks.use(desk)
    app.button(key="try-again").click().run()
    assert app.selectbox(key=f"{form}-role").value is Role.FINANCE
    # Once: who comes to the page later finds it as usual.
    assert open_page("staff").selectbox(key=f"{form}-role").value is usual


def test_a_role_is_changed_and_an_account_shut_and_opened(desk, open_page, team, admin):
    app = open_page("staff")
    assert "Claire &lt;b&gt;Martin&lt;/b&gt;" in shown(app)
    app.selectbox(key=f"role-{EMAIL}-support").set_value(Role.FINANCE).run()
    app.button(key=f"set-role-{EMAIL}").click().run()
    signed_in = entered(desk, PASSWORD)
    assert signed_in.session.role is Role.FINANCE
    app.button(key=f"disable-{EMAIL}").click().run()
    assert "Désactivé" in shown(app)
    assert desk.sessions.find(signed_in.token) is None
    app.button(key=f"enable-{EMAIL}").click().run()
    assert entered(desk, PASSWORD)


def test_a_role_that_a_colleague_changed_is_not_offered_to_be_changed_back(desk, open_page, team, admin):
    app = open_page("staff")
    desk.staff.set_role(EMAIL, Role.FINANCE, actor=admin)
    app.run()
    assert app.selectbox(key=f"role-{EMAIL}-finance").value is Role.FINANCE
    assert app.button(key=f"set-role-{EMAIL}").disabled


def test_a_reset_shows_the_new_password(desk, open_page, team):
    app = open_page("staff")
    app.button(key=f"reset-{EMAIL}").click().run()
    with pytest.raises(SignInRefused):
        entered(desk, PASSWORD)
    assert entered(desk, secret_of(app)).session.must_change_password


def test_the_last_administrator_can_not_be_shut_out(desk, open_page, team, admin):
    app = open_page("staff")
    app.button(key="disable-ada@example.com").click().run()
    assert "C’est le dernier compte d’administration." in shown(app)
    assert entered(desk, PASSWORD, "ada@example.com")


def test_a_token_is_shown_once_and_refused_once_revoked(desk, open_page, admin):
    app = open_page("staff")
    field(app, "token-name").set_value("checkout")
    app.button(key="create-token-submit").click().run()
    token = secret_of(app)
    assert desk.tokens.authenticate(token).role is Role.SUPPORT
    app.button(key="noted").click().run()
    assert token not in shown(app)
    app.button(key="revoke-confirm-checkout").click().run()
    with pytest.raises(Unauthorized):
        desk.tokens.authenticate(token)
    field(app, "token-name").set_value("checkout")
    app.button(key="create-token-submit").click().run()
    assert "Ce nom est déjà pris." in shown(app)


def test_a_token_that_is_revoked_is_no_longer_shown_to_be_copied(open_page):
    app = open_page("staff")
    field(app, "token-name").set_value("checkout")
    app.button(key="create-token-submit").click().run()
    token = secret_of(app)
    app.button(key="revoke-confirm-checkout").click().run()
    assert token not in shown(app)


def password_form(signed_in):
    from lumira.dashboard import account

    account._password_form(signed_in, given=False)


def test_whoever_changes_their_password_as_the_store_goes_is_told_that_it_may_have_changed(settings):
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    away = Desk.open(down, demo=True)
    with closing(away.store):
        desks.use(away)
        app = AppTest.from_function(password_form, args=(SimpleNamespace(id="session"),)).run()
        app.text_input(key="old-password").set_value(PASSWORD)
        app.text_input(key="new-password").set_value("sept lampes au jardin")
        app.text_input(key="new-password-again").set_value("sept lampes au jardin")
        app.button(key="change-password").click().run()
    assert "compte peut-être déjà" in shown(app)


def test_a_demo_has_no_account_to_change(open_page):
    page = shown(open_page("account", locale="en-GB"))
    assert "No account in the demo" in page
