"""What the gate answers to whom it does not let in, or can't tell."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

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
    assert refused(away(Accept="application/json")) == (503, "STORE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("is_demo", "answer"),
    [(False, (401, "UNAUTHORIZED")), (True, (403, "FORBIDDEN"))],
)
def test_a_program_is_refused_as_by_the_api(desk, is_demo, answer):
    desks.use(replace(desk, is_demo=is_demo))
    with serving(Starlette(routes=routes(), middleware=[Middleware(Gate)])) as url:
        response = web.get(f"{url}/orders", headers={"X-Forwarded-For": "203.0.113.7", "X-Request-Id": "r-1"})
    assert refused(response) == answer
    assert (response.headers["X-Request-Id"], response.headers["Cache-Control"]) == ("r-1", "no-store")


def refused(response):
    """Status and code of an error in the shape that all have."""
    body = response.json()
    assert set(body) == {"error", "code", "message", "timestamp", "requestId"}
    assert datetime.now(UTC) - datetime.fromisoformat(body["timestamp"]) < timedelta(minutes=1)
    assert body["requestId"] == response.headers["X-Request-Id"] != ""
    assert body["message"] != ""
    return response.status_code, body["code"]
