"""What a browser shows before Streamlit runs in it."""

import re
from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lumira.api.charts_later import ChartsLater
from lumira.api.compressed_files import CompressedFiles
from lumira.api.first_paint import FirstPaint
from lumira.api.gate import OPEN
from lumira.api.request_id import is_routine
from lumira.api.security_headers import SecurityHeaders, dashboard_policy, script_hashes
from lumira.api.unknown_pages import UnknownPages
from lumira.dashboard import navigation
from lumira.serving import ADDRESSES, MIDDLEWARE, routes
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
    unknown = Middleware(UnknownPages, pages=ADDRESSES, others=OPEN)
    middleware = [Middleware(SecurityHeaders), unknown, Middleware(FirstPaint)]
    with serving(Starlette(routes=[*routes(), Mount("/", app=rest)], middleware=middleware)) as url:
        yield url


def test_what_draws_a_page_is_asked_for_with_it_and_what_that_needs_too(site, desk):
    def asked_for(path: str) -> list[str]:
        """The names of the programs, without what tells one build of them from another."""
        programs = re.findall(r'modulepreload"[^>]* href="\./(static/js/[^"]+)"', web.get(site + path).text)
        assert all((INDEX.parent / program.removesuffix("?drawn")).is_file() for program in programs)
        return [program.split("/")[-1].split(".")[0] for program in programs]

    orders = asked_for("/orders")
    # The field of the search, and what it is made of.
    assert {"Html", "TextInput", "WidgetLabel", "useTextField"} <= set(orders)
    assert "PlotlyChart" not in orders
    assert "PlotlyChart" in asked_for("/revenue")


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_charts_are_run_once_the_page_has_its_figures(encoding):
    """A browser that runs them draws nothing else, menu and figures neither, for a second or more."""
    [charts] = (INDEX.parent / "static" / "js").glob("PlotlyChart.*.js")
    files = Starlette(
        routes=[Mount("/", app=StaticFiles(directory=INDEX.parent))],
        middleware=[one for one in MIDDLEWARE if one.cls in {ChartsLater, CompressedFiles}],
    )
    address = f"/static/js/{charts.name}"
    with serving(files) as url, web.Client(base_url=url, headers={"Accept-Encoding": encoding}) as browser:
        # The whole program first, for it is asked for with the page.
        whole = browser.get(f"{address}?drawn").text
        stand_in = browser.get(address)
    assert whole == charts.read_text()
    assert f'import("./{charts.name}?drawn")' in stand_in.text
    assert stand_in.headers["content-type"].startswith("text/javascript")
    # What Streamlit takes of the program is all that the stand-in has.
    takes = [file.name for file in charts.parent.glob("*.js") if charts.name in file.read_text()]
    assert [name.split(".")[0] for name in takes] == ["index"]
    assert f"lazy)(()=>H(()=>import(`./{charts.name}`)," in (charts.parent / takes[0]).read_text()


def test_the_houses_styles_are_there_before_anything_is_drawn(site, desk):
    body = web.get(f"{site}/orders").text.partition("<body>")[2]
    [sheet] = re.findall(r'<link rel="stylesheet" href="(/[^"]+)"', body)
    answer = web.get(site + sheet)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert ".lumira-mode" in answer.text
    # A page has several such files: they fill no log.
    assert is_routine({"path": sheet})
    assert not is_routine({"path": "/api/assets/"})


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


def test_a_page_there_is_none_of_leads_to_the_start(site, desk):
    asked = {"headers": {"Accept": "text/html,*/*;q=0.8"}}
    for unknown in ("nothing", "Orders", "orders%20", "new_payment"):
        answer = web.get(f"{site}/{unknown}?x=1", **asked)
        assert (answer.status_code, answer.headers["location"]) == (303, "/?unknown=yes")
    for known in ("", "orders", "orders/", "new-payment?order=pi_1", "static/nothing", "robots.txt"):
        assert web.get(f"{site}/{known}", **asked).status_code == 200
    # A program is not led anywhere.
    assert web.get(f"{site}/nothing").status_code == 200
    assert web.get(f"{site}/api/healthz", **asked).status_code == 200


def test_every_page_has_its_address():
    files = re.findall(r'_page\("([a-z_]+)"', Path(navigation.__file__).read_text())
    assert {file.replace("_", "-") for file in files} == ADDRESSES


def test_only_who_was_let_in_gets_the_page():
    assert MIDDLEWARE[-1].cls is FirstPaint


@pytest.mark.parametrize(
    ("wanted", "language"), [("fr-FR,fr;q=0.9", "fr"), ("en-GB", "en"), ("de", "fr"), ("", "fr")]
)
def test_a_screen_reader_is_told_the_language(site, desk, wanted, language):
    answer = web.get(f"{site}/orders", headers={"Accept-Language": wanted})
    assert f'<html lang="{language}"' in answer.text
    assert "Accept-Language" in answer.headers["vary"]
