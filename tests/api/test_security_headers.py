"""Headers on every answer, the names we answer under, and what can't be sent to us."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from lumira.api.allowed_hosts import AllowedHosts, is_allowed
from lumira.api.gate import OPEN
from lumira.api.no_uploads import NoUploads
from lumira.api.security_headers import SecurityHeaders, dashboard_policy, script_hashes
from lumira.desk import Desk
from lumira.errors import SettingsError
from lumira.serving import routes
from lumira.settings import Settings, load_settings
from tests import web
from tests.conftest import API_TOKEN, opened, serving

# A busy machine may take its time.
get = functools.partial(web.get, timeout=60)


async def page(_request: Request) -> Response:
    return HTMLResponse("<p>A page", headers={"Server": "none"})


async def file(_request: Request) -> Response:
    return PlainTextResponse("order,amount", headers={"Cache-Control": "public"})


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """What `lumira run` puts around everything, with a page and a download where Streamlit's would be."""
    rest = [
        Mount("/media", app=file_application()),
        Route("/{path:path}", page, methods=["GET", "POST", "PUT"]),
    ]
    middleware = [Middleware(SecurityHeaders), Middleware(AllowedHosts), Middleware(NoUploads, others=OPEN)]
    with serving(Starlette(routes=[*routes(), *rest], middleware=middleware)) as url:
        yield url


def file_application() -> Starlette:
    return Starlette(routes=[Route("/{name}", file)])


@pytest.mark.parametrize(
    "path",
    [
        "/orders",
        "/media/orders.csv",
        "/api/products",
        "/api/nothing",
        "/api/docs",
        "/checkout/1?token=x",
        "/sign-in",
    ],
)
def test_every_answer_has_the_headers(guarded: str, desk: Desk, path: str) -> None:
    headers = get(guarded + path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    scripts = re.search(r"script-src [^;]*", policy)
    assert scripts is None or "'unsafe-" not in scripts[0]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] in {"same-origin", "no-referrer"}
    assert headers["cross-origin-opener-policy"].startswith("same-origin")
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers
    assert headers["cache-control"] in {"no-store", "no-cache"}


def test_a_download_is_not_kept_by_the_browser(guarded: str, desk: Desk) -> None:
    assert get(f"{guarded}/media/orders.csv").headers["cache-control"] == "no-store"


def test_a_card_may_be_paid_with_on_the_customers_page_alone(guarded: str, desk: Desk) -> None:
    assert "payment=()" in get(f"{guarded}/orders").headers["permissions-policy"]
    assert "payment=()" not in get(f"{guarded}/checkout/1").headers["permissions-policy"]
    assert "stripe" not in get(f"{guarded}/orders").headers["content-security-policy"]


def test_https_is_kept_to_once_a_trusted_proxy_has_spoken_it(guarded: str, settings: Settings) -> None:
    https = {"X-Forwarded-Proto": "https"}
    with opened(settings):
        assert "strict-transport-security" not in get(f"{guarded}/orders", headers=https).headers
    with opened(settings.model_copy(update={"trusted_proxies": trusted("127.0.0.1/32")})):
        answer = get(f"{guarded}/orders", headers=https)
        assert answer.headers["strict-transport-security"].startswith("max-age=")


def trusted(network: str) -> tuple:
    return load_settings(trusted_proxies=network).trusted_proxies


def test_the_policy_knows_the_scripts_that_streamlit_ships() -> None:
    assert re.search(r"script-src 'self' 'wasm-unsafe-eval' 'sha256-[\w+/]{43}='", dashboard_policy())
    # The example of the specification: https://www.w3.org/TR/CSP3/#external-hash
    assert script_hashes("<script>alert('Hello, world.');</script>") == [
        "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    ]
    assert script_hashes('<script type="module" src="./x.js"></script>') == []


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "[::2]", "x@localhost"]
)
def test_a_name_that_is_not_ours_is_refused(guarded: str, desk: Desk, host: str) -> None:
    for path in ("/orders", "/api/products", "/checkout/1"):
        answer = get(guarded + path, headers={"Host": host, "Authorization": f"Bearer {API_TOKEN}"})
        assert answer.status_code == 400
        assert "LUMIRA_ALLOWED_HOSTS" in answer.text
        if path.startswith("/api/"):
            body = answer.json()
            assert {"error", "code", "message", "timestamp", "requestId"} == body.keys()
            assert body["requestId"] == answer.headers["X-Request-Id"] != ""
    # Asked by address, as whoever watches us does.
    assert get(f"{guarded}/api/healthz", headers={"Host": host}).json() == {"status": "ok"}


def test_names_are_those_of_this_machine_of_its_address_and_of_the_setting() -> None:
    settings = load_settings(host="192.0.2.7", allowed_hosts="desk.example.com, *.Lumira.example")
    names = "localhost:8501 127.0.0.1 [::1]:8501 192.0.2.7:80 DESK.example.com:443 a.lumira.example"
    assert all(is_allowed(name, settings) for name in names.split())
    others = ": example.com lumira.example xlumira.example desk.example.com.evil 192.0.2.8 desk.example.com:x"
    assert not any(is_allowed(name, settings) for name in others.split(" "))
    assert is_allowed("[2001:db8::1]:8501", load_settings(host="2001:db8::1"))


@pytest.mark.parametrize(
    "hosts", ["https://desk.example.com", "desk.example.com:443", "*", "a b", "*.*.example"]
)
def test_a_setting_that_names_no_host_is_refused_at_start(hosts: str) -> None:
    with pytest.raises(SettingsError, match="LUMIRA_ALLOWED_HOSTS"):
        load_settings(allowed_hosts=hosts)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_sent_to_the_dashboard(guarded: str, desk: Desk, method: str) -> None:
    for path in ("/", "/_stcore/upload_file/a/b", "/_stcore/agent/interact", "/apix"):
        answer = web.request(method, guarded + path, content=b"x" * 5_000_000, timeout=60)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_live_key_is_refused_unless_it_is_meant() -> None:
    key = SecretStr("rk_live_" + "x" * 24)
    with pytest.raises(SettingsError, match="LUMIRA_ALLOW_LIVE"):
        load_settings(stripe_secret_key=key)
    assert load_settings(stripe_secret_key=key, allow_live=True).livemode
