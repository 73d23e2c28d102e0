"""What a browser shows before Streamlit runs in it."""

from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Mount, Route

from lumira.api.first_paint import FirstPaint
from lumira.api.security_headers import SecurityHeaders, dashboard_policy, script_hashes
from lumira.serving import MIDDLEWARE, routes
from tests import web
from tests.conftest import serving

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"


@pytest.fixture(scope="module")
def site():
    """Our routes beside Streamlit's page, as it is answered everywhere else: compressed where one may."""
    rest = Starlette(
        routes=[
            Route("/robots.txt", lambda _: PlainTextResponse("x" * 2_000)),
            Route("/{path:path}", lambda _: FileResponse(INDEX)),
        ],
        middleware=[Middleware(GZipMiddleware)],
    )
    middleware = [Middleware(SecurityHeaders), Middleware(FirstPaint)]
    with serving(Starlette(routes=[*routes(), Mount("/", app=rest)], middleware=middleware)) as url:
        yield url


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_page_has_the_houses_background_and_name_from_the_first_moment(site, desk, encoding):
    answer = web.get(f"{site}/orders?status=failed", headers={"Accept-Encoding": encoding})
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert "light-dark(#FBF7EF, #0F0B19)" in answer.text
    assert "<title>Oracle Lumira</title>" in answer.text
    assert 'href="./static/media/SourceSerif' in answer.text
    assert web.get(f"{site}/sign-in/assets/fields.js").headers["content-type"].startswith("text/javascript")
    assert 'src="/sign-in/assets/fields.js"' in answer.text
    assert "etag" not in answer.headers
    # Scripts are Streamlit's own, by the same policy.
    assert script_hashes(answer.text) == script_hashes(INDEX.read_text())
    assert answer.headers["content-security-policy"] == dashboard_policy()


@pytest.mark.parametrize("path", ["/robots.txt", "/checkout/x", "/api/docs", "/api/products"])
def test_everything_else_stays_as_it_is(site, desk, path):
    answer = web.get(f"{site}{path}")
    assert answer.content
    assert "stApp" not in answer.text


def test_only_who_was_let_in_gets_the_page():
    assert MIDDLEWARE[-1].cls is FirstPaint


@pytest.mark.parametrize(
    ("wanted", "language"), [("fr-FR,fr;q=0.9", "fr"), ("en-GB", "en"), ("de", "fr"), ("", "fr")]
)
def test_a_screen_reader_is_told_the_language(site, desk, wanted, language):
    answer = web.get(f"{site}/orders", headers={"Accept-Language": wanted})
    assert f'<html lang="{language}"' in answer.text
    assert "Accept-Language" in answer.headers["vary"]
