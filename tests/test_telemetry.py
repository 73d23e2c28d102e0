"""Traces and error reports of a running `lumira api`, as a collector on this machine receives them."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from lumira import traces
from lumira.desk import Desk
from lumira.errors import SettingsError
from lumira.settings import load_settings
from lumira.storage.indexes import TOKENS
from lumira.tokens import PREFIX
from tests import web
from tests.api.conftest import event, sign
from tests.conftest import API_TOKEN, WEBHOOK_SECRET
from tests.running import Running, running

TRACE = "0af7651916cd43dd8448eb211c80319c"
COLLECTOR_KEY = "the-key-of-the-collector"
EMAIL, CARD = "marie.durand@example.com", "4242 4242 4242 4242"


class Collector(ThreadingHTTPServer):
    """Takes whatever is sent and keeps it: path, headers, body unpacked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.received: list[tuple[str, dict[str, str], bytes]] = []

    def spans(self) -> list[Span]:
        """Every span received so far."""
        requests = (ExportTraceServiceRequest.FromString(body) for _, _, body in self.at("/v1/traces"))
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def reports(self) -> list[dict[str, Any]]:
        """Every error report received so far."""
        return [json.loads(body.splitlines()[2]) for _, _, body in self.at("/api/7/envelope/")]

    def at(self, path: str) -> list[tuple[str, dict[str, str], bytes]]:
        return [request for request in self.received if request[0] == path]


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def observed(desk: Desk, collector: Collector) -> Iterator[Running]:
    """`lumira api` that reports to the collector."""
    told = desk.settings
    environment = {
        "MONGODB_URI": told.mongodb_uri.get_secret_value(),
        "MONGODB_DB": told.mongodb_db,
        "STRIPE_SECRET_KEY": told.stripe_secret_key.get_secret_value(),
        "STRIPE_API_BASE": told.stripe_api_base,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}/",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-collector-key={COLLECTOR_KEY}",
        "SENTRY_DSN": f"http://public@127.0.0.1:{collector.server_port}/7",
    }
    with running(told.home, "-m lumira api", answering="/api/healthz", environment=environment) as server:
        yield server


@pytest.fixture
def client(observed: Running) -> Iterator[httpx.Client]:
    """A caller of that API."""
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    with web.Client(base_url=f"{observed.url}/api", headers=headers, timeout=30) as client:
        yield client


def test_a_request_is_traced_to_stripe_and_the_store_and_its_failure_reported(
    observed: Running, client: httpx.Client, collector: Collector, documents: Any
) -> None:
    created = client.post(
        "/products/create-payment-intent",
        json={"productId": "mystique", "customerEmail": EMAIL},
        headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
    )
    assert created.status_code == 200
    # What another program wrote, and is no token of ours: nobody foresaw it.
    token = f"{PREFIX}odd"
    odd = {"hash": sha256(token.encode()).hexdigest(), "role": f"{EMAIL} paid with {CARD}, {API_TOKEN}"}
    documents[TOKENS].insert_one(odd, bypass_document_validation=True)
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "r-odd"}
    failed = client.get("/products/order/pi_odd", headers=headers)
    assert failed.status_code == 500
    for body, status in ((json.dumps(event("plan.created", {"id": "plan_1"})).encode(), 200), (b"[]", 400)):
        headers = sign(body) | {"X-Request-Id": f"r-webhook-{status}"}
        assert client.post("/products/webhook", content=body, headers=headers).status_code == status
    log = observed.stop()

    spans = collector.spans()
    (server,) = [span for span in spans if span.trace_id.hex() == TRACE and span.kind == 2]
    assert server.name == "POST /products/create-payment-intent"
    assert server.parent_span_id.hex() == "b7ad6b7169203331"
    asked = [span for span in spans if span.parent_span_id == server.span_id]
    assert {span.trace_id.hex() for span in asked} == {TRACE}
    assert {"Stripe POST payment_intents", "insert productorders"} <= {span.name for span in asked}
    assert not any("healthz" in span.name for span in spans)
    for span in asked:
        assert server.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= server.end_time_unix_nano
    (broken,) = [span for span in spans if span.name == "GET /products/order/{order_id}"]
    assert broken.status.code == 2
    webhooks = {span.attributes[0].value.string_value: span for span in spans if span.name == "webhook"}
    assert webhooks["r-webhook-400"].status.code == 2
    assert webhooks["r-webhook-200"].status.code == 0
    received = [span.name for span in spans if span.parent_span_id == webhooks["r-webhook-200"].span_id]
    assert "insert processed_events" in received
    assert collector.at("/v1/traces")[0][1]["x-collector-key"] == COLLECTOR_KEY
    # From a line of the log to its trace, and back by the request's id.
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (answered,) = [line for line in lines if line.get("trace_id") == TRACE and "milliseconds" in line]
    attributes = {each.key: each.value.string_value for each in server.attributes}
    assert attributes["lumira.request_id"] == answered["request_id"]

    (report,) = collector.reports()
    assert report["tags"]["request_id"] == "r-odd"
    assert (report["level"], report["environment"]) == ("error", "test")
    assert report["exception"]["values"][-1]["stacktrace"]["frames"]
    for sent in (report, [str(span) for span in spans]):
        for secret in (EMAIL, CARD, API_TOKEN, COLLECTOR_KEY):
            assert secret not in json.dumps(sent)


def test_without_a_collector_nothing_is_traced() -> None:
    with traces.work("page orders"):
        assert not traces.is_traced()
        assert traces.trace_id() is None


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("otlp_endpoint", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT must be an address"),
        ("otlp_headers", "only-a-key", "OTEL_EXPORTER_OTLP_HEADERS must be headers"),
        ("sentry_dsn", "https://errors.example.com/1", "SENTRY_DSN must be a project's DSN"),
    ],
)
def test_a_place_that_is_none_is_said_at_the_start(setting: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        load_settings(**{setting: value})
    assert value not in raised.value.message
