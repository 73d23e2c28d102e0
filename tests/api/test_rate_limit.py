"""How often one address may ask, and whose address it is."""

import threading
import time

import limits
import pytest
import uvicorn
from limits.strategies import MovingWindowRateLimiter
from starlette.applications import Starlette

from lumira.api.addresses import caller_address
from lumira.errors import SettingsError
from lumira.rate_limits import RecentCalls, limited_network
from lumira.serving import routes
from lumira.settings import load_settings
from tests import web
from tests.conftest import API_TOKEN, opened, wait_until


@pytest.fixture
def limited(settings):
    """Serves the API with a low rate and these settings; nobody rewrites the peer's address before us."""
    servers = []

    def serve(**update) -> str:
        desks.append(opened(settings.model_copy(update={"rate_limit": "3/minute", **update})))
        desks[-1].__enter__()
        app = Starlette(routes=routes())
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, log_level="error", lifespan="off", proxy_headers=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        servers.append((server, thread))
        wait_until(lambda: server.started)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/api"

    desks: list = []
    yield serve
    for server, thread in servers:
        server.should_exit = True
        thread.join(timeout=10)
    for desk in desks:
        desk.__exit__(None, None, None)


def ask(url: str, *forwarded: str) -> int:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    return web.get(f"{url}/products", headers=headers).status_code


def test_one_address_may_ask_so_often_and_is_told_when_to_come_back(limited):
    url = limited()
    assert [ask(url) for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = web.get(f"{url}/products", headers={"X-Request-Id": "req-7"})
    body = refused.json()
    assert (refused.status_code, body["code"], body["requestId"]) == (429, "RATE_LIMITED", "req-7")
    assert {"error", "code", "message", "timestamp", "requestId"} == body.keys()
    assert refused.headers["X-Request-Id"] == "req-7"
    assert 50 <= int(refused.headers["Retry-After"]) <= 60
    # Refused before anything is looked at: tokens can't be guessed any faster.
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    assert web.get(f"{url}/products/orders/x", headers=headers).status_code == 429


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("fr", "Un instant, s’il vous plaît"), ("en-GB,en;q=0.9", "One moment, please")],
)
def test_a_customer_who_asks_too_often_reads_calm_words_on_a_page_with_its_looks(limited, wanted, words):
    site = limited().removesuffix("/api")
    headers = {"Accept-Language": wanted}
    for _ in range(3):
        assert web.get(f"{site}/checkout/x?token=y", headers=headers).status_code == 404
    refused = web.get(f"{site}/checkout/x?token=y", headers=headers)
    assert (refused.status_code, refused.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert words in refused.text
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert f'content="{refused.headers["Retry-After"]}"' in refused.text
    assert refused.headers["Cache-Control"] == "no-store"
    for name in ("house.css", "checkout.css", "icon.png"):
        assert web.get(f"{site}/checkout/assets/{name}").status_code == 200


def test_at_the_door_too_it_is_a_page(limited):
    site = limited().removesuffix("/api")
    headers = {"Accept-Language": "en"}
    answers = [web.get(f"{site}/sign-in?left=1", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers][2:] == [303, 429]
    assert "Wait a minute" in answers[-1].text
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert web.get(f"{site}/sign-in/assets/house.css").status_code == 200


def test_after_that_time_it_may_again(limited):
    url = limited(rate_limit="1 per 4 second")
    assert ask(url) == 200
    refused = web.get(f"{url}/products")
    assert refused.status_code == 429
    time.sleep(int(refused.headers["Retry-After"]))
    assert ask(url) == 200


def test_health_is_exempt_and_the_webhook_has_a_rate_of_its_own(limited):
    url = limited(webhook_rate_limit="5/minute")
    assert [ask(url) for _ in range(4)][-1] == 429
    assert {web.get(f"{url}/healthz").status_code for _ in range(10)} == {200}
    deliveries = [web.post(f"{url}/products/webhook").status_code for _ in range(3)]
    deliveries += [web.post(f"{url}/stripe/webhook").status_code for _ in range(3)]
    assert deliveries == [400] * 5 + [429]


def test_a_forwarded_address_of_anyone_else_changes_nothing(limited):
    url = limited()
    assert [ask(url, f"203.0.113.{n}") for n in range(4)] == [200, 200, 200, 429]


def test_behind_a_trusted_proxy_each_caller_counts_for_itself(limited):
    url = limited(trusted_proxies=load_settings(trusted_proxies="127.0.0.1").trusted_proxies)
    assert [ask(url, "203.0.113.1") for _ in range(4)] == [200, 200, 200, 429]
    assert ask(url, "203.0.113.2") == 200
    # The caller invents what stands on the left; the proxy wrote what stands on the right.
    assert ask(url, "198.51.100.9, 203.0.113.1") == 429
    assert ask(url, "198.51.100.9", "203.0.113.1") == 429


TRUSTED = load_settings(trusted_proxies="10.0.0.0/8, 192.0.2.7,2001:db8::/32").trusted_proxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 192.0.2.7, 10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2a00::1]:443", "2a00::1"),
        ("10.0.0.1", "2a00::1", "2a00::1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8::1", "::ffff:198.51.100.1", "198.51.100.1"),
    ],
)
def test_the_callers_address(peer, forwarded, expected):
    scope = {
        "type": "http",
        "client": (peer, 1),
        "headers": [(b"x-forwarded-for", forwarded.encode())] if forwarded else [],
    }
    assert str(caller_address(scope, TRUSTED)) == expected


def test_a_peer_without_an_address_and_the_networks_that_count_as_one():
    scope = {"type": "http", "client": None, "headers": []}
    assert caller_address(scope, TRUSTED) is None
    for text, network in (("203.0.113.9", "203.0.113.9/32"), ("2a00:1:2:3:4:5:6:7", "2a00:1:2:3::/64")):
        address = caller_address({"type": "http", "client": (text, 1), "headers": []}, ())
        assert str(limited_network(address)) == network


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LUMIRA_RATE_LIMIT", "many"),
        ("LUMIRA_WEBHOOK_RATE_LIMIT", "3000"),
        ("LUMIRA_TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
        ("LUMIRA_CORS_ORIGINS", "shop.example.com"),
        ("LUMIRA_CORS_ORIGINS", "https://shop.example.com/"),
        ("LUMIRA_CORS_ORIGINS", "*"),
    ],
)
def test_a_setting_that_can_not_be_meant_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_settings_of_several_values(monkeypatch):
    monkeypatch.setenv("LUMIRA_CORS_ORIGINS", "https://a.example, http://localhost:3000")
    monkeypatch.setenv("LUMIRA_TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.7")
    settings = load_settings()
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.0.2.7/32"]


def test_counting_a_call_starts_no_thread_and_callers_are_forgotten():
    class Tidy(RecentCalls):
        seconds_between = 0.0

    storage = Tidy()
    limiter = MovingWindowRateLimiter(storage)
    # The library's starts one as it is made.
    wait_until(lambda: not storage.timer.is_alive())
    second = limits.parse("2/second")
    for number in range(100):
        assert limiter.hit(second, f"203.0.113.{number}")
        assert not storage.timer.is_alive()
    assert [limiter.hit(second, "198.51.100.1") for _ in range(3)] == [True, True, False]
    assert len(storage.events) == 101
    time.sleep(1.1)
    assert limiter.hit(second, "198.51.100.1")
    assert list(storage.events) == ["LIMITER/198.51.100.1/2/1/second"]
    assert list(storage.locks) == ["LIMITER/198.51.100.1/2/1/second"]
