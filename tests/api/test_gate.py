"""What the gate answers while it can't tell who asks."""

from dataclasses import replace

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response

from lumira import desk as desks
from lumira.access import Role
from lumira.api.gate import Gate
from lumira.desk import Desk
from lumira.serving import routes
from lumira.session_cookie import set_session
from tests import web
from tests.conftest import NO_STORE, serving
from tests.test_staff import EMAIL, PASSWORD


@pytest.fixture
def away(desk, settings, admin):
    """Asks for a page with the session of a colleague, after the store went away."""
    desk.staff.add(EMAIL, Role.SUPPORT, password=PASSWORD, actor=admin)
    token = desk.sessions.sign_in(EMAIL, PASSWORD, address="127.0.0.1", device="tests").token
    response = Response()
    set_session(response, token, desk.signing_key(), secure=False, seconds=3600)
    cookie = response.headers["set-cookie"].partition(";")[0]
    down = Desk.open(settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)}))
    desks.use(replace(down, is_demo=False))
    with serving(Starlette(routes=routes(), middleware=[Middleware(Gate)])) as url:
        yield lambda **headers: web.get(f"{url}/orders", headers={"Cookie": cookie} | headers)
    down.store.close()


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", "Les commandes sont inaccessibles pour l’instant."), ("en", "The orders can’t be reached.")],
)
def test_while_the_store_is_down_a_person_gets_a_calm_page_that_comes_back(away, language, words):
    page = away(Accept="text/html", **{"Accept-Language": language})
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert words in page.text
    assert '<meta http-equiv="refresh"' in page.text


def test_while_the_store_is_down_a_program_gets_an_error(away):
    assert away(Accept="application/json").json()["code"] == "REFUSED"
