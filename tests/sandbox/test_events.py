"""Events, and their deliveries to webhook endpoints."""

import contextlib
import functools
import sqlite3
import ssl
import statistics
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

from lumira.sandbox.deliveries import signature
from tests import web
from tests.sandbox.conftest import client_of, eventually, paid
from tests.sandbox.openapi import check_object

SECRET = "whsec_of_the_test"


@pytest.fixture
def started(serve, endpoint):
    """A sandbox that delivers to the endpoint: (client, address)."""
    address = serve(webhook_url=endpoint.url, webhook_secret=SECRET)
    return client_of(address), address


def switch(address, **wanted):
    answer = web.post(f"{address}/_sandbox/deliveries", json=wanted)
    assert answer.status_code == 200, answer.text


def types_of(client, object_id):
    """The types of an object's events, oldest first."""
    events = client.v1.events.list({"limit": 100}).data
    return [event.type for event in reversed(events) if event.data.object.to_dict()["id"] == object_id]


def test_signatures_are_those_of_stripe():
    payload = '{"id": "evt_é"}'
    ours = signature(payload.encode(), SECRET, 1_700_000_000)
    assert ours == stripe.WebhookSignature.generate_signature_header(payload, SECRET, 1_700_000_000)


def test_a_payment_is_told_signed_and_in_order(started, endpoint):
    client, _ = started
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    endpoint.wait_for("payment_intent.created")
    options = {"idempotency_key": "confirm-1"}
    params = {"payment_method": "pm_card_visa", "return_url": "https://shop.example"}
    confirmed = client.v1.payment_intents.confirm(intent.id, params, options)
    delivery = endpoint.wait_for("payment_intent.succeeded")
    endpoint.wait_for("charge.updated")
    assert endpoint.types == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]
    event = stripe.Webhook.construct_event(delivery.body, delivery.headers["Stripe-Signature"], SECRET)
    assert event.data.object.to_dict()["status"] == "succeeded"
    assert (event.api_version, event.livemode) == ("2026-10-28.endive", False)
    assert event.request.to_dict() == {
        "id": confirmed.last_response.request_id,
        "idempotency_key": "confirm-1",
    }
    assert delivery.headers["User-Agent"].startswith("Stripe/1.0")
    assert delivery.headers["Content-Type"] == "application/json; charset=utf-8"
    for received in endpoint.received:
        check_object(received.event)
        check_object(received.event["data"]["object"])


def test_an_https_endpoint_is_believed_by_an_authority_of_the_machine(serve, tmp_path, monkeypatch):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        # As `update-ca-certificates` does for everybody.
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        client = client_of(
            serve(webhook_url=f"https://localhost:{server.server_port}/hook", webhook_secret=SECRET)
        )
        client.v1.customers.create({})
        eventually(lambda: came, bool)
        server.shutdown()
    assert came == ["/hook"]


@pytest.mark.parametrize(
    ("card", "more", "expected"),
    [
        (
            "pm_card_visa",
            {},
            ["payment_intent.created", "payment_intent.succeeded"],
        ),
        (
            "pm_card_visa_chargeDeclined",
            {},
            ["payment_intent.created", "payment_intent.payment_failed"],
        ),
        (
            "pm_card_threeDSecure2Required",
            {},
            ["payment_intent.created", "payment_intent.requires_action"],
        ),
        (
            "pm_card_visa",
            {"capture_method": "manual"},
            ["payment_intent.created", "payment_intent.amount_capturable_updated"],
        ),
    ],
)
def test_the_events_of_an_attempt(client, card, more, expected):
    try:
        intent_id = paid(client, card, **more).id
    except stripe.CardError as error:
        intent_id = error.error.payment_intent.id
    assert types_of(client, intent_id) == expected


def test_the_events_of_what_follows_a_payment(serve):
    client = client_of(serve())
    intent = paid(client, capture_method="manual")
    client.v1.payment_intents.capture(intent.id)
    refund = client.v1.refunds.create({"charge": intent.latest_charge})
    eventually(lambda: types_of(client, refund.id), lambda types: len(types) == 3)
    assert types_of(client, refund.id) == ["refund.created", "refund.updated", "charge.refund.updated"]
    assert types_of(client, intent.latest_charge) == [
        "charge.succeeded",
        "charge.captured",
        "charge.refunded",
    ]
    refunded = client.v1.events.list({"type": "charge.refunded"}).data[0]
    assert refunded.data.previous_attributes.to_dict() == {"amount_refunded": 0, "refunded": False}
    failing = client.v1.refunds.create({"payment_intent": paid(client, "pm_card_refundFail").id})
    expected = ["refund.created", "refund.failed", "refund.updated", "charge.refund.updated"]
    eventually(lambda: types_of(client, failing.id), lambda types: types == expected)


def test_what_is_due_is_done_though_another_program_keeps_the_file_to_itself(serve, tmp_path, monkeypatch):
    # As `lumira seed` does while it writes the past, for longer than the sandbox waits.
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, timeout=0.2))
    state = tmp_path / "state.sqlite"
    client = client_of(serve(state=state, settlement_delay=0.5))
    paid(client)  # the first exchange reads Stripe's document to be checked by, which takes long
    charge = paid(client).latest_charge
    with contextlib.closing(sqlite3.connect(state, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(1.2)
        other.execute("ROLLBACK")
    eventually(
        lambda: client.v1.charges.retrieve(charge), lambda charge: charge.balance_transaction is not None
    )


def test_the_events_of_a_dispute(serve):
    client = client_of(serve())
    intent = paid(client, "pm_card_createDispute")
    dispute = eventually(lambda: client.v1.disputes.list({"payment_intent": intent.id}).data, bool)[0]
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    expected = ["created", "funds_withdrawn", "updated", "closed", "funds_reinstated"]
    eventually(
        lambda: types_of(client, dispute.id),
        lambda types: types == [f"charge.dispute.{name}" for name in expected],
    )


def test_canceling_and_customers_have_events(client):
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "duplicate"})
    assert types_of(client, intent.id) == ["payment_intent.created", "payment_intent.canceled"]
    customer = client.v1.customers.create({"name": "Ada"})
    client.v1.customers.update(customer.id, {"name": "Ada L.", "metadata": {"a": "1", "b": "2"}})
    client.v1.customers.update(customer.id, {"metadata": {"a": "", "b": "3", "c": "4"}})
    assert types_of(client, customer.id) == ["customer.created", "customer.updated", "customer.updated"]
    # Of what is nested only what changed: https://docs.stripe.com/changelog/2015-01-26
    events = client.v1.events.list({"type": "customer.updated", "limit": 2}).data
    assert [event.data.previous_attributes.to_dict() for event in events] == [
        {"metadata": {"a": "1", "b": "2", "c": None}},
        {"name": "Ada", "metadata": {"a": None, "b": None}},
    ]


def test_events_are_listed_by_type_and_group(serve):
    client = client_of(serve())
    paid(client)
    assert {event.type for event in client.v1.events.list({"type": "charge.*"}).data} <= {
        "charge.succeeded",
        "charge.updated",
    }
    types = ["payment_intent.created", "charge.succeeded"]
    assert len(client.v1.events.list({"types": types}).data) == 2
    event = client.v1.events.list({"type": "payment_intent.created"}).data[0]
    assert client.v1.events.retrieve(event.id).data.object.to_dict()["status"] == "requires_payment_method"


def test_endpoints_get_what_they_enabled_under_their_own_secrets(started, endpoint):
    client, _ = started
    created = client.v1.webhook_endpoints.create(
        {"url": endpoint.url, "enabled_events": ["charge.succeeded"], "description": "second"}
    )
    assert created.secret.startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(created.id).to_dict()
    assert all("secret" not in one.to_dict() for one in client.v1.webhook_endpoints.list().data)
    paid(client)
    endpoint.wait_for(lambda endpoint: endpoint.types.count("charge.succeeded") == 2)
    signed = {SECRET: 0, created.secret: 0}
    for received in endpoint.received:
        for secret in signed:
            try:
                stripe.WebhookSignature.verify_header(
                    received.body, received.headers["Stripe-Signature"], secret
                )
                signed[secret] += 1
            except stripe.SignatureVerificationError:
                pass
    assert signed[created.secret] == 1
    assert sum(signed.values()) == len(endpoint.received)
    disabled = client.v1.webhook_endpoints.update(created.id, {"disabled": True})
    assert disabled.status == "disabled"
    assert client.v1.webhook_endpoints.delete(created.id).deleted
    assert len(client.v1.webhook_endpoints.list().data) == 1


def test_an_endpoint_needs_a_url_with_a_scheme(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.webhook_endpoints.create({"url": "localhost/hook", "enabled_events": ["*"]})
    assert caught.value.code == "url_invalid"


def test_a_failed_delivery_is_tried_again_and_logged(started, endpoint):
    client, address = started
    endpoint.answers = [500, 302, 200]
    client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    endpoint.wait_for(lambda endpoint: len(endpoint.received) == 3)
    assert len({received.event["id"] for received in endpoint.received}) == 1
    read = lambda: web.get(f"{address}/_sandbox/deliveries").json()["deliveries"][0]  # noqa: E731
    delivery = eventually(read, lambda delivery: delivery["state"] == "delivered")
    assert [attempt["status"] for attempt in delivery["log"]] == [500, 302, 200]
    event = client.v1.events.retrieve(endpoint.received[0].event["id"])
    assert event.pending_webhooks == 0
    assert endpoint.received[0].event["pending_webhooks"] == 1


def test_an_endpoint_that_is_down_gets_its_events_when_it_is_back(serve):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    bodies = []
    with HTTPServer(("127.0.0.1", 0), Handler) as reserved:
        port = reserved.server_port
    client = client_of(serve(webhook_url=f"http://127.0.0.1:{port}", back_off=(0.2, 0.2, 0.2, 0.2)))
    client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    time.sleep(0.1)
    with HTTPServer(("127.0.0.1", port), Handler) as back:
        back.timeout = 2
        back.handle_request()
    assert len(bodies) == 1


def test_a_payment_is_told_at_once(started, endpoint):
    client, _ = started

    def seconds() -> float:
        endpoint.received.clear()
        intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
        before = time.time()
        client.v1.payment_intents.confirm(
            intent.id, {"payment_method": "pm_card_visa", "return_url": "https://shop.example"}
        )
        return endpoint.wait_for("payment_intent.succeeded").at - before

    # What waits for a turn of its own is late more often than not; a busy machine is so for a moment.
    assert any(statistics.median(seconds() for _ in range(9)) < 0.2 for _ in range(3))


def test_a_slow_endpoint_never_holds_up_an_answer(started, endpoint):
    client, _ = started
    endpoint.pause = 5.0
    for _ in range(5):
        client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    # The first delivery has not been answered yet.
    assert endpoint.received == []


def test_switches_twice_late_reversed_and_off(started, endpoint):
    client, address = started
    create = lambda: client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})  # noqa: E731
    switch(address, mode="twice")
    create()
    endpoint.wait_for(lambda endpoint: len(endpoint.received) == 2)
    assert endpoint.received[0].body.split(b"pending")[0] == endpoint.received[1].body.split(b"pending")[0]

    endpoint.received.clear()
    switch(address, mode="late", seconds=0.3)
    sent = time.time()
    create()
    assert endpoint.wait_for("payment_intent.created").at - sent >= 0.3

    endpoint.received.clear()
    switch(address, mode="reversed", seconds=0.5)
    time.sleep(0.5 - time.time() % 0.5 + 0.01)
    paid(client)
    endpoint.wait_for("payment_intent.created")
    order = [name for name in endpoint.types if name != "charge.updated"]
    assert order == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]

    switch(address, mode="off")
    time.sleep(0.6)
    endpoint.received.clear()
    create()
    time.sleep(0.1)
    assert endpoint.received == []
    event = client.v1.events.list({"limit": 1}).data[0]
    switch(address, mode="normal")
    again = web.post(f"{address}/_sandbox/events/{event.id}/deliver", json={})
    assert again.status_code == 200
    assert endpoint.wait_for("payment_intent.created").event["id"] == event.id


def test_switches_are_refused_when_wrong_and_absent_unless_asked_for(started, serve):
    _, address = started
    for wrong in ({"mode": "sideways"}, {"mode": "late", "seconds": 0}, {"mode": "late", "seconds": "x"}, []):
        assert web.post(f"{address}/_sandbox/deliveries", json=wrong).status_code == 400
    form = web.post(f"{address}/_sandbox/deliveries", data={"mode": "off"})
    assert form.status_code == 400
    closed = serve(faults=False)
    assert web.post(f"{closed}/_sandbox/deliveries", json={"mode": "off"}).status_code == 405
    for path in ("faults", "clock", "events/evt_1/deliver"):
        assert web.post(f"{closed}/_sandbox/{path}", json={}).status_code == 404
    assert web.get(f"{closed}/_sandbox/health").json() == {"status": "ok"}
