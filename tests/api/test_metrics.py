"""/metrics: what happened is counted, by few labels and without anybody's data; not everybody may read it."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lumira.access import Role
from tests import web
from tests.api.conftest import event, sign
from tests.conftest import API_TOKEN, wait_until


def samples(text):
    """Every sample, by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def measured(api_server, desk):
    """How much a sample has grown since the test began."""

    def read():
        return samples(web.get(f"{api_server}/metrics").raise_for_status().text)

    before = read()

    def measured(name, **labels):
        key = (name, *sorted(labels.items()))
        return read().get(key, 0) - before.get(key, 0)

    return measured


def test_a_payment_is_counted_on_its_whole_way(api_server, desk, measured):
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    url = f"{api_server}/api/products/create-payment-intent"
    created = web.post(url, json={"productId": "mystique"}, headers=headers).json()
    assert web.post(url, json={"productId": "none"}, headers=headers).status_code == 404
    payment_intent = {"id": created["orderId"], "amount": 4700, "currency": "eur"}
    body = json.dumps(event("payment_intent.succeeded", payment_intent)).encode()
    for _ in range(2):
        web.post(f"{api_server}/api/products/webhook", content=body, headers=sign(body)).raise_for_status()
    assert web.post(f"{api_server}/api/products/webhook", content=body).status_code == 400
    assert measured("lumira_intents_total", result="ok") == 1
    assert measured("lumira_intents_total", result="PRODUCT_NOT_FOUND") == 1
    assert measured("lumira_webhook_seconds_count", outcome="applied") == 1
    assert measured("lumira_webhook_seconds_count", outcome="duplicate") == 1
    assert measured("lumira_webhook_seconds_count", outcome="INVALID_SIGNATURE") == 1
    assert measured("lumira_transitions_total", to="completed") == 1
    assert measured("lumira_api_errors_total", code="PRODUCT_NOT_FOUND") == 1
    stripes = {"method": "POST", "resource": "payment_intents", "status": "200"}
    assert measured("lumira_stripe_seconds_count", **stripes) == 1
    assert measured("lumira_store_seconds_count", command="insert", result="ok") >= 2


def test_what_is_looked_up_and_that_nothing_names_anybody(api_server, desk):
    desk.intents.create(
        {"productId": "mystique", "customerEmail": "zoe@example.com"},
        actor=desk.tokens.authenticate(API_TOKEN),
        source="tests",
    )
    desk.revenue.refresh()
    desk.events.claim({"id": "evt_metrics", "type": "charge.refunded", "data": {"object": {}}})
    desk.events.fail("evt_metrics", "time-out", "SERVICE_TIMEOUT")
    answer = web.get(f"{api_server}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found = samples(answer.text)
    assert found["lumira_store_up",] == 1
    assert found["lumira_failed_events",] == 1
    assert 0 <= found["lumira_revenue_age_seconds",] < 60
    assert not re.search(r"zoe|\bpi_|evt_|sk_test", answer.text)


def test_a_caller_of_elsewhere_needs_a_token_that_may_see_the_system(api_server, desk, admin):
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert web.get(f"{api_server}/metrics", headers=elsewhere).status_code == 401
    for role, status in ((Role.FINANCE, 403), (Role.ADMIN, 200)):
        token = desk.tokens.create(f"of-{role}", role, actor=admin)
        answer = web.get(f"{api_server}/metrics", headers=elsewhere | {"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
    wrong = elsewhere | {"Authorization": "Bearer lum_wrong"}
    assert web.get(f"{api_server}/metrics", headers=wrong).json()["code"] == "UNAUTHORIZED"


def test_what_is_refused_can_be_named_and_what_is_scraped_fills_no_log(api_server, desk, caplog):
    caplog.set_level("INFO", "lumira.api")
    refused = {"X-Forwarded-For": "203.0.113.9", "X-Request-Id": "req-1"}
    for path, headers, status in (("", refused, 401), ("/more", {"X-Request-Id": "req-1"}, 404)):
        answer = web.get(f"{api_server}/metrics{path}", headers=headers)
        assert answer.status_code == status
        assert answer.json()["requestId"] == answer.headers["X-Request-Id"] == "req-1"
    assert web.get(f"{api_server}/metrics").headers["X-Request-Id"]
    # A line is written once its answer is out: by then those of the answers before it are as well.
    web.get(f"{api_server}/api/products")

    def told() -> list[str]:
        return [record.path for record in caplog.records if record.message == "request answered"]

    wait_until(lambda: any(path.endswith("/products") for path in told()))
    assert not any(path.endswith("/metrics/") for path in told())
