"""Web pages of other origins: only those that the setting names may call, and read what they need."""

import httpx
import pytest

from tests import web
from tests.api.conftest import API_TOKEN
from tests.conftest import opened

SHOP = "https://shop.example.com"


@pytest.fixture
def shop(settings, api_server):
    """The API with one origin allowed."""
    with opened(settings.model_copy(update={"cors_origins": (SHOP,)})):
        yield api_server


def preflight(url: str, origin: str) -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-request-id",
    }
    return web.options(f"{url}/api/products/create-payment-intent", headers=headers)


def test_an_allowed_origin_may_call_and_read_the_request_id(shop):
    allowed = preflight(shop, SHOP)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    headers = {"Origin": SHOP, "Authorization": f"Bearer {API_TOKEN}"}
    for path, status in (("/api/products", 200), ("/api/products/orders/pi_nothing", 404), ("/api/x", 404)):
        answer = web.get(shop + path, headers=headers)
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", ["https://evil.example.com", f"{SHOP}.evil.com", "null"])
def test_any_other_origin_may_not(shop, origin):
    assert preflight(shop, origin).status_code == 400
    answer = web.get(f"{shop}/api/products", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_the_setting_no_origin_may(api_server, desk):
    assert preflight(api_server, SHOP).status_code == 405
    answer = web.get(f"{api_server}/api/products", headers={"Origin": SHOP})
    assert not [name for name in answer.headers if name.startswith("access-control")]
