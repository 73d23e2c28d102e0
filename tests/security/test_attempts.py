"""Who has no session, or not the right one, gets in nowhere; the table of attempts is printed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from app import app as entry
from lumira.access import Role
from lumira.api.gate import OPEN
from lumira.storage import indexes
from tests import web
from tests.api.conftest import event, sign
from tests.conftest import API_TOKEN
from tests.security.conftest import ADMIN, PASSWORD, Attempts, Fortress

pytestmark = pytest.mark.whole

PAGES = (
    *("overview", "orders", "order", "new-payment", "revenue", "month-close", "webhooks", "reconciliation"),
    *("payouts", "account", "staff", "audit", "system"),
)
# What Streamlit serves beside pages, and names that other programs would serve.
FILES = (
    *("/index.html", "/static/", "/static/js/index.js", "/favicon.png", "/manifest.json", "/robots.txt"),
    *("/_stcore/health", "/_stcore/script-health-check", "/_stcore/metrics", "/_stcore/host-config"),
    *(
        "/_stcore/allowed-message-origins",
        "/_stcore/upload_file/a/b",
        "/_stcore/stream",
        "/_stcore/agent/run",
    ),
    *("/media/0123.csv", "/component/a/index.html", "/app/static/x", "/_stcore/bidi-components/x"),
    *("/.env", "/.lumira/secret.key", "/auth/login", "/auth/logout", "/docs", "/openapi.json", "/graphql"),
    *("/wp-admin", "/.git/config", "/metrics/x", "/~/+/_stcore/health"),
)
# Ways to write a path so that one reader takes it for another.
DISGUISES = (
    *(
        "//orders",
        "/./orders",
        "/sign-in/../orders",
        "/api/../orders",
        "/checkout/..%2forders",
        "/sign-in/%0a",
    ),
    *(
        "/sign-in%2f..%2forders",
        "/sign-in\\..\\orders",
        "/API",
        "/Sign-In/x",
        "/sign-in;/orders",
        "/%2fapi/orders",
    ),
    *(
        "/oauth2callback/../orders",
        "/sign-out/%0d%0a",
        "/api%00/orders",
        "/sign-inx",
        "/sign-in.html",
        "/checkoutx",
    ),
)
# The first bytes of Streamlit's page: whoever sees them has passed the gate.
INSIDE = ("<title>Streamlit</title>", "You need to enable JavaScript")
TRACES = ("Traceback (most recent call last)", 'File "/', "pymongo.errors", "stripe.error", "site-packages")


def checked(response: httpx.Response) -> str:
    """The answer in a word, once it is certain that it shows nothing of ours."""
    text = response.text
    assert not any(mark in text for mark in (*INSIDE, *TRACES)), (str(response.request.url), text[:400])
    assert response.status_code < 500, (str(response.request.url), response.status_code)
    return str(response.status_code)


def refused(response: httpx.Response) -> str:
    """`checked`, for what has to be refused: not found, forbidden, or led to the sign-in."""
    outcome = checked(response)
    if response.status_code == 303:
        assert response.headers["location"].startswith("/sign-in"), response.headers["location"]
        return "303 to the sign-in"
    assert response.status_code in {400, 401, 403, 404, 405}, (str(response.request.url), outcome)
    return outcome


@pytest.fixture(scope="module")
def stranger(fortress: Fortress):
    """A client without anything."""
    with web.Client(base_url=fortress.url, timeout=30) as client:
        yield client


def routes_of_streamlit() -> list[str]:
    """The paths of every route that Streamlit has on this version, with something in place of parameters."""
    built = entry._build_starlette_app()
    paths = {getattr(route, "path", "") for route in built.routes}
    return sorted(
        path.replace("{path:path}", "x").replace("{", "").replace("}", "").split(":")[0] or "/"
        for path in paths
    )


def test_no_page_no_file_and_no_route_without_a_session(fortress, stranger, attempts: Attempts, stored):
    before = stored()
    paths = {"/", *(f"/{page}" for page in PAGES), *FILES, *DISGUISES, *routes_of_streamlit()}
    opened = {path for path in paths if any(path == door or path.startswith(f"{door}/") for door in OPEN)}
    for path in sorted(paths - opened):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            for accept in ("text/html", "*/*") if method == "GET" else ("*/*",):
                url = httpx.URL(fortress.url).copy_with(raw_path=path.encode())
                outcome = refused(stranger.request(method, url, headers={"Accept": accept}))
            attempts.note("no session", f"{method} {path}", outcome)
    assert stored() == before


def test_what_has_a_door_of_its_own_answers_for_itself(fortress, stranger, attempts: Attempts):
    beneath = [path for path in DISGUISES if path.startswith(tuple(f"{door}/" for door in OPEN))]
    for path in (*(f"{door}/nothing/at/all" for door in OPEN), *beneath):
        url = httpx.URL(fortress.url).copy_with(raw_path=path.encode())
        response = stranger.get(url, headers={"Accept": "text/html"})
        outcome = checked(response)
        # What a line break ends is the sign-in itself.
        assert response.status_code != 200 or 'action="/sign-in"' in response.text, path
        attempts.note("doors", f"GET {path}", outcome)


def forged_cookies(fortress: Fortress) -> dict[str, str]:
    """Cookies that look like a session and are none."""
    sessions = fortress.desk.sessions
    left = sessions.sign_in_by_identity("support@example.com", address="", device="").token
    sessions.sign_out(left)
    token = sessions.sign_in_by_identity("staff@example.com", address="", device="").token
    good = fortress.cookie_of(token)
    name, _, signed = good.partition("=")
    return {
        "empty": f"{name}=",
        "the token unsigned": f"{name}={token}",
        "signed by another key": fortress.cookie_of(token, b"another key"),
        "a signed unknown token": fortress.cookie_of("A" * 43),
        "its signature cut": good[:-2],
        "another token under the signature": f"{name}={'B' * 43}.{signed.rpartition('.')[2]}",
        "signed out": fortress.cookie_of(left),
        "the hash that is stored": fortress.cookie_of(hashlib.sha256(token.encode()).hexdigest()),
        "the API token": fortress.cookie_of(API_TOKEN),
        "an operator": fortress.cookie_of('{"$ne": null}'),
        "Streamlit's own": "_streamlit_user=eyJlbWFpbCI6ImFkbWluQGV4YW1wbGUuY29tIn0=",
        "1 kB of rubbish": f"{name}={'x' * 1000}",
        "not ASCII": f"{name}=\u00e9\u00e9.\u00e9",
        "over https only": f"__Host-{good}",
    }


def test_no_forged_ended_or_foreign_cookie_opens_anything(fortress, attempts: Attempts):
    for what, cookie in forged_cookies(fortress).items():
        headers = {"Cookie": cookie.encode(), "Accept": "text/html"}
        for path in ("/", "/orders", "/_stcore/health"):
            attempts.note(
                "cookies", f"{what}: {path}", refused(web.get(fortress.url + path, headers=headers))
            )
        attempts.note(
            "cookies", f"{what}: websocket", websocket(fortress, Cookie=cookie.encode().decode("latin-1"))
        )


def websocket(fortress: Fortress, *, path: str = "/_stcore/stream", **headers: str) -> str:
    """The status by which a websocket is refused; fails the test where it opens."""
    address = fortress.url.replace("http", "ws", 1) + path
    with pytest.raises(InvalidStatus) as refusal:
        connect(address, subprotocols=["streamlit"], additional_headers=headers).close()
    return str(refusal.value.response.status_code)


def test_no_websocket_without_a_session_or_from_another_site(fortress, attempts: Attempts):
    for path in (
        "/_stcore/stream",
        "/",
        "/api/stream",
        "/sign-in/_stcore/stream",
        "/checkout/_stcore/stream",
    ):
        attempts.note("websockets", path, websocket(fortress, path=path))
    cookie = fortress.cookie("staff@example.com")
    for origin in (
        "https://evil.example",
        "null",
        fortress.url.replace("127.0.0.1", "localhost.evil.example"),
    ):
        attempts.note("websockets", f"from {origin}", websocket(fortress, Cookie=cookie, Origin=origin))
    with connect(
        fortress.url.replace("http", "ws", 1) + "/_stcore/stream",
        subprotocols=["streamlit"],
        additional_headers={"Cookie": cookie, "Origin": fortress.url},
    ):
        attempts.note("websockets", "with a session, from our own page", "opened")


def test_no_other_name_reaches_the_desk(fortress, attempts: Attempts):
    cookie = fortress.cookie("admin@example.com")
    for host in ("evil.example", "127.0.0.1.evil.example", "169.254.169.254", "", "localhost@evil.example"):
        for path in ("/", "/orders", "/sign-in", "/api/products", "/checkout/x", "/_stcore/health"):
            response = web.get(fortress.url + path, headers={"Host": host, "Cookie": cookie})
            assert response.status_code == 400, (host, path)
            attempts.note("hosts", f"{host or 'no host'}: {path}", checked(response))


def test_open_pages_end_with_their_sessions(fortress, attempts: Attempts):
    desk = fortress.desk
    members = {
        ending: f"{ending.replace(' ', '-')}@example.com" for ending in ("disabled", "everywhere", "ended")
    }
    with ExitStack() as stack:
        opened = {}
        for ending, email in members.items():
            desk.staff.add(email, Role.STAFF, actor=ADMIN)
            signed_in = desk.sessions.sign_in_by_identity(email, address="", device="")
            cookie = fortress.cookie_of(signed_in.token)
            page = connect(
                fortress.url.replace("http", "ws", 1) + "/_stcore/stream",
                subprotocols=["streamlit"],
                additional_headers={"Cookie": cookie},
            )
            opened[ending] = stack.enter_context(page), cookie
        began = time.monotonic()
        desk.staff.disable(members["disabled"], actor=ADMIN)
        desk.sessions.sign_out_everywhere(members["everywhere"], actor=ADMIN)
        desk.sessions.end(signed_in.session.id, members["ended"], actor=ADMIN)
        for ending, (page, cookie) in opened.items():
            last = b""
            with contextlib.suppress(ConnectionClosedError):
                while True:
                    last = page.recv(timeout=60)
            assert page.protocol.close_code == 4401
            # The browser is led to the sign-in before the line is cut.
            assert b"/sign-in" in last
            assert web.get(fortress.url, headers={"Cookie": cookie}).status_code == 401
            attempts.note("sessions", f"{ending}: the open page", "led to the sign-in, closed")
        assert time.monotonic() - began < 60


def test_passwords_are_not_guessed_and_accounts_not_found_out(fortress, stranger, attempts: Attempts):
    def answer(email: str, password: str) -> tuple[int, str]:
        response = stranger.post("/sign-in", data={"email": email, "password": password})
        assert "set-cookie" not in response.headers
        return response.status_code, checked(response) and response.text.replace(email, "")

    known, unknown = answer("finance@example.com", "wrong"), answer("nobody@example.com", "wrong")
    assert known == unknown
    attempts.note("sign-in", "wrong password, unknown account", "the same answer")
    for text in (
        '{"$ne": null}',
        "' OR 1=1 --",
        "\u0000",
        "\U0001f319" * 500,
        "<script>alert(1)</script>",
        "a" * 5000,
    ):
        status, body = answer(text, text)
        assert status in {401, 429}
        assert "<script>alert" not in body
        attempts.note("sign-in", f"as {text[:20]!r}", str(status))
    statuses = [answer("finance@example.com", f"guess {number}")[0] for number in range(30)]
    assert set(statuses) == {401, 429}
    assert statuses[-1] == 429
    attempts.note("sign-in", "30 guesses", f"{statuses.count(401)} heard, then 429")


def test_a_form_of_another_site_signs_nobody_in_or_out(fortress, stranger, attempts: Attempts):
    evil = {"Origin": "https://evil.example"}
    given = {"email": "admin@example.com", "password": PASSWORD}
    response = stranger.post("/sign-in", data=given, headers=evil)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers
    attempts.note("other sites", "a posted sign-in", "403")
    cookie = fortress.cookie("admin@example.com")
    response = stranger.post("/sign-out", headers={**evil, "Cookie": cookie})
    assert response.status_code == 403
    assert web.get(fortress.url, headers={"Cookie": cookie}).status_code == 200
    attempts.note("other sites", "a posted sign-out", "403, still signed in")
    linked = stranger.get("/sign-out", headers={"Sec-Fetch-Site": "cross-site", "Cookie": cookie})
    assert linked.status_code == 200
    assert web.get(fortress.url, headers={"Cookie": cookie}).status_code == 200
    attempts.note("other sites", "a link to the sign-out", "asks first")
    for wanted in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
    ):
        client = web.Client(base_url=fortress.url, headers={"Cookie": cookie})
        with client:
            assert client.get("/sign-in", params={"next": wanted}).headers["location"] == "/"
        attempts.note("other sites", f"led on to {wanted!r}", "to our own start page")


def test_no_token_does_what_its_role_may_not(fortress, stranger, attempts: Attempts, stored):
    tokens = {role: fortress.desk.tokens.create(f"of-{role}", role, actor=ADMIN) for role in Role}
    revoked = fortress.desk.tokens.create("revoked", Role.ADMIN, actor=ADMIN)
    fortress.desk.tokens.revoke("revoked", actor=ADMIN)
    cookie = fortress.cookie("admin@example.com")
    bearers = {
        "none": {},
        "revoked": {"Authorization": f"Bearer {revoked}"},
        "unknown": {"Authorization": "Bearer lum_" + "A" * 43},
        "a session as bearer": {"Authorization": f"Bearer {cookie.partition('=')[2]}"},
        "an administrator's cookie": {"Cookie": cookie},
        "basic": {"Authorization": "Basic YWRtaW46YWRtaW4="},
        "an operator": {"Authorization": 'Bearer {"$ne": null}'},
    }
    before = stored()
    for what, headers in bearers.items():
        response = stranger.post(
            "/api/products/create-payment-intent", json={"productId": "mystique"}, headers=headers
        )
        assert response.status_code == 401, what
        attempts.note("tokens", f"{what}: create", checked(response))
    for role in (Role.STAFF, Role.FINANCE):
        headers = {"Authorization": f"Bearer {tokens[role]}"}
        response = stranger.post(
            "/api/products/create-payment-intent", json={"productId": "mystique"}, headers=headers
        )
        assert response.status_code == 403, role
        attempts.note("tokens", f"{role}'s: create", checked(response))
        attempts.note("tokens", f"{role}'s: the dashboard", refused(stranger.get("/orders", headers=headers)))
    assert stored()["productorders"] == before["productorders"]


def deliveries(secret: str) -> dict[str, Callable[[bytes], dict[str, str]]]:
    """Headers of deliveries that Stripe did not make."""
    now = int(time.time())
    return {
        "no signature": lambda body: {},
        "rubbish": lambda body: {"Stripe-Signature": "t=1,v1=00"},
        "wrong secret": lambda body: sign(body, "whsec_wrong"),
        "an hour old": lambda body: sign(body, secret, now - 3600),
        "an hour ahead": lambda body: sign(body, secret, now + 3600),
        "another body's": lambda body: sign(body + b" ", secret),
        "scheme v0": lambda body: {
            "Stripe-Signature": sign(body, secret)["Stripe-Signature"].replace("v1=", "v0=")
        },
        "no time stamp": lambda body: {
            "Stripe-Signature": sign(body, secret)["Stripe-Signature"].partition(",")[2]
        },
    }


def test_no_forged_webhook_is_heard_and_a_replayed_one_only_once(
    fortress, stranger, attempts: Attempts, stored
):
    secret = json.loads((fortress.home / "sandbox.json").read_text())["webhook_secret"]
    intent = {
        "id": "pi_forged",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 6700,
        "currency": "eur",
    }
    before = stored()
    for path in ("/api/products/webhook", "/api/stripe/webhook"):
        for what, headers in deliveries(secret).items():
            body = json.dumps(event("payment_intent.succeeded", intent)).encode()
            response = stranger.post(path, content=body, headers=headers(body))
            assert response.status_code == 400, what
            attempts.note("webhooks", f"{what}: {path}", checked(response))
    # Of all of them one instant is kept, when the last was refused.
    assert stored() == before | {"refused_signatures": 1}
    body = json.dumps(event("payment_intent.succeeded", {**intent, "amount": 1, "metadata": {}})).encode()
    answers = [
        stranger.post("/api/products/webhook", content=body, headers=sign(body, secret)) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert stored()["processed_events"] == before.get("processed_events", 0) + 1
    attempts.note("webhooks", "a good one, replayed twice", "recorded once")


INJECTIONS = (
    *('{"$ne": null}', "$where", "a.b.$c", "'; db.dropDatabase() //", ".*", "\u0000", "\u202egpj.exe"),
    *(
        "<script>alert(1)</script>",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "=HYPERLINK(1)",
        "\U0001f319" * 40,
        "%0d%0aX: y",
    ),
)


def test_no_text_of_a_caller_becomes_more_than_text(fortress, stranger, attempts: Attempts, stored):
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    for text in INJECTIONS:
        for field in ("productId", "customerEmail", "customerName", "customerPhone", "metadata"):
            for value in (text, {"$gt": text}, [text]):
                body: dict[str, Any] = {"productId": "mystique", field: value}
                response = stranger.post("/api/products/create-payment-intent", json=body, headers=headers)
                outcome = checked(response)
                assert response.status_code in {200, 400, 404}, (field, value)
                # A key of metadata may be any text, `$gt` too.
                if field == "productId" or (field != "metadata" and not isinstance(value, str)):
                    assert response.status_code in {400, 404}, (field, value)
            attempts.note("injection", f"{field} {text[:20]!r}", outcome)
        for path in ("/api/products/order/{}", "/api/products/payment-intent/{}", "/checkout/{}?token={}"):
            url = path.replace("{}", str(httpx.QueryParams({"": text}))[1:])
            response = stranger.get(url, headers=headers)
            assert response.status_code in {400, 404, 405}
            attempts.note("injection", f"{path} {text[:20]!r}", checked(response))
    ours = {name for constant, name in vars(indexes).items() if constant.isupper() and isinstance(name, str)}
    assert set(stored()) <= ours


def test_no_body_is_too_large_for_us(fortress, stranger, attempts: Attempts, stored):
    before = stored()
    large = b"x" * 5_000_000
    cookie = fortress.cookie("admin@example.com")
    for path in (
        *("/api/products/create-payment-intent", "/api/products/webhook", "/sign-in", "/sign-out"),
        *("/oauth2callback", "/checkout/x", "/orders", "/_stcore/upload_file/a/b"),
    ):
        for headers in ({}, {"Cookie": cookie}, {"Authorization": f"Bearer {API_TOKEN}"}):
            try:
                response = stranger.post(path, content=large, headers=headers)
            except httpx.TransportError:
                # Cut off while it was still being sent.
                attempts.note("5 MB", f"{path}", "cut off")
                continue
            # A sign-out reads no body.
            assert response.status_code in {400, 401, 403, 404, 405, 413} or path == "/sign-out", path
            attempts.note("5 MB", f"{path}", checked(response))
    after = stored()
    assert after["productorders"] == before["productorders"]
    assert after.get("processed_events") == before.get("processed_events")


def test_the_log_holds_no_traceback_and_no_secret(fortress):
    log = fortress.log.read_text()
    assert "Traceback" not in log
    assert PASSWORD not in log
    assert API_TOKEN not in log
