"""The doctor: each part is really broken, found, mended by what the finding names, and found well again."""

from __future__ import annotations

import errno
import json
import secrets
import shlex
import ssl
import threading
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pyotp
import pytest
import streamlit as st
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from streamlit.config import get_option, set_option
from typer.testing import CliRunner

from lumira import desk as desks
from lumira import doctor as doctors
from lumira import https, openid_providers
from lumira.access import Actor, Role
from lumira.child_process import free_port, kept_running
from lumira.cli import app
from lumira.desk import Desk, doctor_without_store
from lumira.doctor import NAMES, Doctor, StoredData, webhook_address
from lumira.embedded import embedded_store
from lumira.errors import DuplicateValues, Forbidden, InvalidAddress, InvalidSignature
from lumira.events import ACTED_ON
from lumira.findings import (
    DISK_FAILURE,
    DISK_WARNING,
    Status,
    judge_disk,
    judge_home,
    judge_replica_set,
    judge_write,
    worst,
)
from lumira.setting_sources import Source, masked, settings_in_force
from lumira.storage import Rollups, Store
from lumira.storage.server import Server
from lumira.stripe_gateway import StripeGateway, signature
from lumira.texts import LANGUAGES, is_known
from tests import web
from tests.conftest import STRIPE_KEY, WEBHOOK_SECRET, serving
from tests.running import running
from tests.security.openid_provider import served_provider
from tests.store_gate import Fate, fated, refusing

# Its checks are of what the database is made of.
pytestmark = pytest.mark.reshapes

# Settings that can be read, and accounts where everybody is let in, are no findings.
ABSENT = {"settings.valid", "staff.administrator", "staff.authenticators", "staff.openid"}
LOCAL = "http://127.0.0.1:9/api/products/webhook"


@pytest.fixture
def settings(settings, faulty_sandbox_url):
    """Those of a desk whose Stripe can be broken, and whose customers can pay by a link."""
    return settings.model_copy(
        update={"stripe_api_base": faulty_sandbox_url, "stripe_publishable_key": "pk_test_of_the_tests"}
    )


@pytest.fixture
def stripe(faulty_sandbox_url):
    """The sandbox, asked directly; its endpoints are gone and its clock goes right when the test ends."""
    with web.Client(base_url=faulty_sandbox_url, auth=(STRIPE_KEY, "")) as client:
        yield client
        for endpoint in client.get("/v1/webhook_endpoints").json()["data"]:
            client.delete(f"/v1/webhook_endpoints/{endpoint['id']}")
        offset = client.get("/_sandbox/clock").json()["offset"]
        client.post("/_sandbox/clock", json={"advance": -offset})


@pytest.fixture
def desk_with(settings):
    """Opens another desk on the same store, with some settings changed."""
    with ExitStack() as opened:

        def desk_with(**changes):
            changed = Desk.open(settings.model_copy(update=changes))
            opened.callback(changed.store.close)
            return changed

        yield desk_with


@pytest.fixture
def find(desk, admin):
    """The finding of a name, as the desk's doctor sees it now."""

    def find(name, of=None, address=None):
        findings = (of or desk).doctor.examine(actor=admin, address=address)
        for finding in findings:
            for language in LANGUAGES:
                assert finding.title(language)
                assert finding.sentence(language)
        return {finding.name: finding for finding in findings}.get(name)

    return find


@pytest.fixture
def mend(desk, monkeypatch):
    """Runs the command that a finding names, on the desk of the test."""

    def mend(finding, answers=None):
        program, *arguments = shlex.split(finding.mend)
        assert program == "lumira"
        done = CliRunner().invoke(app, arguments, env=variables(desk.settings), input=answers)
        assert done.exit_code == 0, done.output
        return done.output

    return mend


def variables(settings):
    """What makes a command work on the database of the test."""
    return {
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DB": settings.mongodb_db,
        "STRIPE_SECRET_KEY": settings.stripe_secret_key.get_secret_value(),
        "STRIPE_PUBLISHABLE_KEY": settings.stripe_publishable_key,
        "STRIPE_API_BASE": settings.stripe_api_base,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "LUMIRA_HOME": str(settings.home),
        "LUMIRA_PORT": "0",
    }


@pytest.fixture
def paid(desk, support):
    """A PaymentIntent paid at Stripe, of which we have not heard."""
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    desk.gateway.confirm_payment_intent(
        created.order_id, "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/"
    )
    return desk.gateway.retrieve_payment_intent(created.order_id)


def test_a_desk_in_order(desk, admin, api_server, stripe):
    desk.revenue.refresh()
    desk.doctor.create_webhook(api_server, actor=admin)
    findings = desk.doctor.examine(actor=admin, address=api_server)
    assert [(finding.name, finding.status) for finding in findings if finding.status is not Status.OK] == []
    assert [finding.name for finding in findings] == [name for name in NAMES if name not in ABSENT]
    assert worst(findings) is Status.OK


def test_every_check_has_its_words():
    for name in NAMES:
        assert is_known(f"doctor.{name}")
        assert is_known(f"system.part.{name.partition('.')[0]}")


def test_nobody_else_may_look_or_mend(desk):
    for role in (Role.STAFF, Role.SUPPORT, Role.FINANCE):
        somebody = Actor("somebody", role)
        with pytest.raises(Forbidden):
            desk.doctor.examine(actor=somebody)
        with pytest.raises(Forbidden):
            desk.doctor.create_indexes(actor=somebody)
        with pytest.raises(Forbidden):
            desk.doctor.create_webhook("https://a.example", actor=somebody)


def test_a_missing_and_a_different_index_are_made_as_they_should_be(find, mend, documents):
    documents.productorders.drop_index("customer_orders")
    documents.productorders.drop_index("attemptId_unique")
    documents.productorders.create_index("attemptId")
    # Beside ours: one order alone could wait for its PaymentIntent.
    documents.productorders.create_index("paymentIntentId", unique=True)
    finding = find("store.indexes")
    assert finding.status is Status.FAILURE
    names = ("customer_orders", "paymentIntentId_unique", "attemptId_unique")
    assert finding.values["names"] == ", ".join(f"productorders.{name}" for name in names)
    mend(finding)
    assert find("store.indexes").status is Status.OK


def test_what_documents_share_is_named_by_who_would_make_it_unique(desk, admin, find, documents):
    documents.productorders.drop_index("paymentIntentId_unique")
    documents.productorders.drop_index("customer_orders")
    twice = {"paymentIntentId": "pi_twice", "productId": "mystique", "amount": 4700, "currency": "eur"}
    twice |= {"status": "completed", "createdAt": datetime.now(UTC), "updatedAt": datetime.now(UTC)}
    documents.productorders.insert_many([dict(twice), dict(twice)])
    with pytest.raises(DuplicateValues) as caught:
        desk.doctor.create_indexes(actor=admin)
    assert "productorders.paymentIntentId_unique" in caught.value.message
    assert "pi_twice" in caught.value.message
    # The other is made all the same.
    assert find("store.indexes").values["names"] == "productorders.paymentIntentId_unique"
    documents.productorders.delete_one({"paymentIntentId": "pi_twice"})
    desk.doctor.create_indexes(actor=admin)
    assert find("store.indexes").status is Status.OK


def test_an_index_of_our_name_over_other_fields_gives_way(find, mend, documents):
    documents.productorders.drop_index("completedAt")
    documents.productorders.create_index("somethingElse", name="completedAt")
    finding = find("store.indexes")
    assert finding.reason == "different"
    mend(finding)
    assert find("store.indexes").status is Status.OK


def test_a_unique_index_of_another_program_is_named(desk, find, documents):
    documents.productorders.create_index("legacyId")
    assert find("store.indexes").reason == "others"
    documents.productorders.create_index("sessionId", unique=True, sparse=True)
    finding = find("store.indexes")
    assert finding.status is Status.WARNING
    assert finding.mend.startswith(f"mongosh {desk.settings.mongodb_uri.get_secret_value()} --eval ")
    assert f'db.getSiblingDB("{documents.name}").productorders.dropIndex("sessionId_1")' in finding.mend
    documents.productorders.drop_index("sessionId_1")
    assert find("store.indexes").status is Status.OK


def test_a_missing_and_a_different_validator_are_made_as_they_should_be(find, mend, documents):
    for name, validator in (("productorders", {}), ("processed_events", {"eventId": {"$exists": True}})):
        documents.command("collMod", name, validator=validator)
        finding = find("store.validators")
        assert finding.status is Status.FAILURE
        assert finding.values["names"] == name
        mend(finding)
        assert find("store.validators").status is Status.OK


def test_a_store_that_takes_no_write(find, documents):
    # An examination of a test before it may have left one.
    documents.drop_collection("doctor")
    documents.create_collection("doctor", validator={"allowed": True})
    finding = find("store.writable")
    assert finding.status is Status.FAILURE
    assert (finding.reason, finding.values["code"]) == ("failed", "Document failed validation")
    documents.command("collMod", "doctor", validator={})
    assert find("store.writable").status is Status.OK
    assert documents.doctor.find_one() is None


def test_a_store_whose_user_may_not_write_is_told_from_one_that_can_not(store_uri):
    with refusing(urlsplit(store_uri).port, "insert") as uri, closing(Store(uri)) as store:
        finding = judge_write(store.refused_write(), "mongosh --eval")
    assert finding.reason == "refused"
    assert "readWrite" in finding.mend


def test_a_stopped_store_is_one_failure_and_takes_nothing_else_down(desk_with, admin, tmp_path, monkeypatch):
    monkeypatch.delenv("MONGODB_URI", raising=False)
    child, uri = embedded_store(tmp_path)
    desk = desk_with(mongodb_uri=SecretStr(uri))
    findings = {finding.name: finding for finding in desk.doctor.examine(actor=admin)}
    assert findings["store.reachable"].status is Status.FAILURE
    assert findings["store.reachable"].mend == "lumira run"
    assert findings["stripe.key"].status is Status.OK
    # One that MONGODB_URI names is not ours to start.
    monkeypatch.setenv("MONGODB_URI", uri)
    findings = {finding.name: finding for finding in desk.doctor.examine(actor=admin)}
    assert findings["store.reachable"].mend == "sudo systemctl start mongod"
    assert "store.indexes" not in findings
    with kept_running(child):
        findings = {finding.name: finding for finding in desk.doctor.examine(actor=admin)}
        assert findings["store.reachable"].status is Status.OK
        desk.store.close()


def test_a_store_that_knows_no_such_user(desk_with, find, store_uri):
    fates = {"find": Fate.UNKNOWN}
    with fated(urlsplit(store_uri).port, fates) as uri:
        desk = desk_with(mongodb_uri=SecretStr(uri))
        finding = find("store.reachable", desk)
        assert (finding.status, finding.reason) == (Status.FAILURE, "refused")
        assert finding.mend.startswith("export MONGODB_URI=")
        fates.clear()
        assert find("store.reachable", desk).status is Status.OK


def test_what_a_replica_set_is_worth():
    def judged(replica_set, members):
        return judge_replica_set(Server("MongoDB", "8.0", replica_set, members), "mongosh").status

    assert judged(None, 1) is Status.WARNING
    assert judged("rs0", 1) is Status.WARNING
    assert judged("rs0", 3) is Status.OK


def test_a_key_that_stripe_refuses_and_none_at_all(desk_with, find):
    for key, reason in ((SecretStr("sk_test_another"), "refused"), (None, "missing")):
        desk = desk_with(stripe_secret_key=key)
        assert find("stripe.clock", desk) is None
        finding = find("stripe.key", desk)
        assert (finding.status, finding.reason) == (Status.FAILURE, reason)
        assert finding.mend.startswith("export STRIPE_SECRET_KEY=")
    assert find("stripe.key").status is Status.OK


def test_a_stripe_that_cannot_be_reached(desk_with, find):
    finding = find("stripe.key", desk_with(stripe_api_base=f"http://127.0.0.1:{free_port()}"))
    assert (finding.status, finding.reason) == (Status.FAILURE, "down")


def kept_of(desk):
    """What the doctor reads of the desk, without its accounts."""
    rollups = Rollups(desk.store.database, desk.settings.business_timezone.key, livemode=False)
    return StoredData(desk.store, desk.orders, desk.events, rollups, desk.audit)


def test_a_stripe_that_says_nothing_keeps_nobody_waiting(desk, admin, fault):
    gateway = StripeGateway(STRIPE_KEY, api_base=desk.settings.stripe_api_base, timeout=0.5, tries=1)
    doctor = Doctor(desk.settings, gateway, kept_of(desk), sign=signature)
    fault(answer="hang", seconds=120)
    began = time.monotonic()
    findings = {finding.name: finding for finding in doctor.examine(actor=admin)}
    assert time.monotonic() - began < 5
    assert findings["stripe.key"].values["code"] == "SERVICE_TIMEOUT"
    assert findings["store.indexes"].status is Status.OK


def test_a_check_that_hangs_keeps_nobody_waiting(desk, admin, monkeypatch):
    # As a folder of a network drive that is away: nothing gives that up.
    ends, ended = threading.Event(), threading.Event()

    def hangs(_folder):
        ends.wait(20)
        ended.set()

    monkeypatch.setattr(doctors, "CHECK_SECONDS", 1)
    monkeypatch.setattr(doctors.shutil, "disk_usage", hangs)
    findings = {finding.name: finding for finding in desk.doctor.examine(actor=admin)}
    assert not ended.is_set()
    ends.set()
    assert findings["machine.disk"].reason == "unchecked"
    assert findings["store.reachable"].status is Status.OK
    assert ended.wait(5)


def test_a_publishable_key_of_another_mode_or_none(desk_with, find):
    for key, status in (("pk_live_1", Status.FAILURE), (None, Status.WARNING)):
        desk = desk_with(stripe_publishable_key=key)
        assert find("stripe.publishable_key", desk).status is status
    assert find("stripe.publishable_key").status is Status.OK


def test_a_clock_that_differs_from_stripes(find, stripe):
    for seconds, status in ((30, Status.WARNING), (600, Status.FAILURE)):
        stripe.post("/_sandbox/clock", json={"advance": seconds})
        finding = find("stripe.clock")
        assert finding.status is status
        assert abs(finding.values["seconds"] - seconds) <= 2
        stripe.post("/_sandbox/clock", json={"advance": -seconds})
    assert find("stripe.clock").status is Status.OK


def test_an_endpoint_that_is_missing_stopped_or_incomplete_is_mended(find, mend, stripe):
    finding = find("webhook.endpoint")
    assert (finding.status, finding.reason) == (Status.FAILURE, "missing")
    assert "export STRIPE_WEBHOOK_SECRET='whsec_" in mend(finding)
    assert find("webhook.endpoint").status is Status.OK
    [endpoint] = stripe.get("/v1/webhook_endpoints").json()["data"]
    assert endpoint["enabled_events"] == list(ACTED_ON)
    breaks = {"disabled": {"disabled": "true"}, "events": {"enabled_events[0]": "payment_intent.succeeded"}}
    for reason, change in breaks.items():
        stripe.post(f"/v1/webhook_endpoints/{endpoint['id']}", data=change)
        finding = find("webhook.endpoint")
        assert (finding.status, finding.reason) == (Status.FAILURE, reason)
        assert "its signing secret stays the same" in mend(finding)
        assert find("webhook.endpoint").status is Status.OK
    assert len(stripe.get("/v1/webhook_endpoints").json()["data"]) == 1


def test_an_endpoint_of_another_api_version_is_replaced(find, mend, stripe, documents):
    made = {"url": LOCAL, "enabled_events[0]": "*", "api_version": "2024-06-20"}
    old = stripe.post("/v1/webhook_endpoints", data=made).json()["id"]
    finding = find("webhook.endpoint")
    assert (finding.status, finding.reason) == (Status.FAILURE, "other_version")
    mend(finding)
    assert find("webhook.endpoint").status is Status.OK
    assert stripe.get(f"/v1/webhook_endpoints/{old}").json()["status"] == "disabled"
    assert documents.audit_entries.find_one({"action": "create_webhook"})["note"] == LOCAL


@pytest.mark.parametrize(
    "text",
    ["", "pay.example.com", "ftp://a.example", "http://a.example", "https://a.example/other", "https://[a"],
)
def test_what_is_no_address_for_a_webhook(text):
    with pytest.raises(InvalidAddress):
        webhook_address(text)


def test_an_address_without_a_path_gets_ours():
    assert webhook_address(" https://a.example/ ") == "https://a.example/api/products/webhook"
    assert webhook_address("http://a.example", insecure=True) == "http://a.example/api/products/webhook"


def test_a_missing_signing_secret(desk_with, find):
    desk = desk_with(stripe_webhook_secret=None)
    finding = find("webhook.secret", desk)
    assert finding.status is Status.FAILURE
    assert finding.mend.startswith("export STRIPE_WEBHOOK_SECRET=")
    assert find("webhook.delivery", desk) is None
    assert find("webhook.secret").status is Status.OK


def test_the_variable_to_set_is_the_one_that_counts(desk_with, find, mend, stripe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    desk = desk_with(stripe_webhook_secret=None)
    # The account-wide secret would be without effect beside it.
    (tmp_path / ".env").write_text("STRIPE_PRODUCT_WEBHOOK_SECRET=whsec_former\n")
    assert find("webhook.secret", desk).mend.startswith("export STRIPE_PRODUCT_WEBHOOK_SECRET=")
    assert "export STRIPE_PRODUCT_WEBHOOK_SECRET='whsec_" in mend(find("webhook.endpoint"))


def test_what_a_shell_exports_is_no_setting_of_a_service(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {**variables(settings), "STRIPE_SECRET_KEY": "", "STRIPE_WEBHOOK_SECRET": ""}
    alone = CliRunner().invoke(app, ["doctor"], env=environment)
    assert "→ export STRIPE_SECRET_KEY=" in alone.output
    assert ".env, then start it again" not in alone.output
    (tmp_path / ".env").write_text("LUMIRA_TIMEZONE=Europe/Paris\n")
    service = CliRunner().invoke(app, ["doctor"], env=environment)
    assert f"change the line in {tmp_path / '.env'}, then start it again" in service.output


def test_a_test_delivery_is_refused_for_another_secret_and_leaves_no_trace(
    desk_with, find, api_server, documents
):
    told_otherwise = desk_with(stripe_webhook_secret=SecretStr("whsec_another"))
    finding = find("webhook.delivery", told_otherwise, api_server)
    assert (finding.status, finding.values["code"]) == (Status.FAILURE, "INVALID_SIGNATURE")
    assert find("webhook.delivery", address=api_server).status is Status.OK
    assert documents.processed_events.find_one() is None
    assert documents.productorders.find_one() is None
    nobody = find("webhook.delivery", address=f"http://127.0.0.1:{free_port()}")
    assert (nobody.status, nobody.mend) == (Status.WARNING, "lumira run")


def test_a_test_delivery_over_https_says_what_is_wrong_with_the_proxy(find, api_server, monkeypatch):
    # It speaks http alone, as a proxy does whose certificate is still to come.
    finding = find("webhook.delivery", address=api_server.replace("http:", "https:"))
    assert (finding.status, finding.reason) == (Status.FAILURE, "no_https")
    assert finding.values["code"]
    assert finding.mend == f"curl -sSI {api_server.replace('http:', 'https:')}"

    address, headers = "https://pay.example.com", {"Strict-Transport-Security": "max-age=1"}
    monkeypatch.setattr(httpx.Client, "post", lambda *_, **__: httpx.Response(200, headers=headers))
    assert find("webhook.delivery", address=address).status is Status.OK
    # A desk that believes its proxy says it over https, and over https alone.
    headers.clear()
    finding = find("webhook.delivery", address=address)
    assert (finding.status, finding.reason) == (Status.WARNING, "proxy_not_trusted")
    assert finding.mend.startswith("export LUMIRA_TRUSTED_PROXIES=")
    assert find("webhook.delivery", address="http://127.0.0.1:8501").status is Status.OK


def test_a_proxy_that_passes_no_websocket_on_is_found(find, api_server):
    """Deliveries and the sign-in come through it, and every page stays blank without a word."""
    assert find("machine.websocket", address=api_server).reason == "ok"
    assert find("machine.websocket", address=f"http://127.0.0.1:{free_port()}").reason == "untried"

    def gate(_request):
        # What the gate answers to a plain request without a session.
        return Response(status_code=401)

    with serving(Starlette(routes=[Route("/_stcore/stream", gate)]), ws="none") as address:
        finding = find("machine.websocket", address=address)
    assert (finding.status, finding.reason, finding.values["status"]) == (Status.FAILURE, "lost", 401)


def certificate_for(host: str, lives: timedelta) -> bytes:
    """A certificate that vouches for itself, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    begins = datetime.now(UTC) - timedelta(days=2)
    signed = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), begins, begins + lives
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signed.public_bytes(Encoding.PEM) + private


@pytest.mark.parametrize(
    ("host", "days", "trusted", "said"),
    [
        ("localhost", 4, True, None),
        ("localhost", 1, True, "certificate has expired"),
        ("pay.example.com", 4, True, "Hostname mismatch"),
        ("localhost", 4, False, "self-signed certificate"),
    ],
)
def test_a_test_delivery_says_what_is_wrong_with_the_certificate(
    find, tmp_path, monkeypatch, host, days, trusted, said
):
    class Believed(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Strict-Transport-Security", "max-age=1")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    pem = tmp_path / "desk.pem"
    pem.write_bytes(certificate_for(host, timedelta(days=days)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    https.authorities.cache_clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Believed) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        finding = find("webhook.delivery", address=f"https://localhost:{server.server_port}")
        server.shutdown()
    https.authorities.cache_clear()
    if said is None:
        assert finding.status is Status.OK
    else:
        assert (finding.status, finding.reason) == (Status.FAILURE, "no_https")
        assert said in finding.values["code"]


def test_events_that_the_secret_of_another_endpoint_keeps_away(desk, admin, api_server, stripe, support):
    # A time of its own, which no other test's events are of.
    later = timedelta(days=10)
    stripe.post("/_sandbox/clock", json={"advance": later.total_seconds()})

    def arriving():
        doctor = Doctor(
            desk.settings,
            desk.gateway,
            kept_of(desk),
            sign=signature,
            clock=lambda: datetime.now(UTC) + later + timedelta(minutes=2),
        )
        findings = doctor.examine(actor=admin, address=api_server)
        return next(finding for finding in findings if finding.name == "webhook.arriving")

    # Its secret is not that of the desk: Stripe makes one of its own.
    desk.doctor.create_webhook(api_server, actor=admin)
    assert (arriving().status, arriving().reason) == (Status.OK, "none")
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    [event] = stripe.get("/v1/events", params={"type": "payment_intent.succeeded", "limit": 1}).json()["data"]
    finding = arriving()
    assert (finding.status, finding.reason) == (Status.FAILURE, "missing.one")
    assert finding.values["event"] == event["id"]
    assert finding.mend.startswith("export STRIPE_WEBHOOK_SECRET=")
    body = json.dumps(event)
    header = {"Stripe-Signature": signature(body, WEBHOOK_SECRET)}
    assert web.post(f"{api_server}/api/products/webhook", content=body, headers=header).status_code == 200
    assert (arriving().status, arriving().reason) == (Status.OK, "ok")


def test_a_delivery_that_the_desk_refused_is_told_before_stripe_is_asked_for_it(desk, find):
    assert find("webhook.arriving").status is Status.OK
    body = json.dumps({"id": "evt_1", "type": "payout.paid", "data": {"object": {"id": "po_1"}}})
    with pytest.raises(InvalidSignature):
        desk.webhooks.receive(body.encode(), signature(body, "whsec_of_another"))
    finding = find("webhook.arriving")
    assert (finding.status, finding.reason) == (Status.WARNING, "refused")
    assert finding.mend.startswith("export STRIPE_WEBHOOK_SECRET=")
    desk.webhooks.receive(body.encode(), signature(body, WEBHOOK_SECRET))
    assert find("webhook.arriving").status is Status.OK


def test_a_failed_event_is_found_and_handled_again(desk, find, mend, paid):
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": paid}}
    desk.events.claim(event)
    desk.events.fail("evt_1", "time-out", "SERVICE_TIMEOUT")
    finding = find("events.failed")
    assert (finding.status, finding.values["count"]) == (Status.FAILURE, 1)
    mend(finding)
    assert find("events.failed").status is Status.OK
    assert desk.orders.find_by_payment_intent(paid["id"]).status == "completed"


def test_an_event_whose_worker_died_is_found_and_handled_again(desk, find, mend, paid, documents):
    desk.events.claim({"id": "evt_2", "type": "payment_intent.succeeded", "data": {"object": paid}})
    assert find("events.stuck").status is Status.OK
    past = datetime.now(UTC) - timedelta(minutes=5)
    documents.processed_events.update_one({"eventId": "evt_2"}, {"$set": {"leaseUntil": past}})
    finding = find("events.stuck")
    assert (finding.status, finding.mend) == (Status.WARNING, "lumira webhooks retry evt_2")
    mend(finding)
    assert find("events.stuck").status is Status.OK


def test_events_of_another_api_version_are_noticed_until_one_of_ours_comes(desk, find, mend, paid, admin):
    def deliver(event_id, **more):
        event = {"id": event_id, "type": "payment_intent.succeeded", "data": {"object": paid}, **more}
        desk.events.claim(event)
        desk.events.fail(event_id, "kept for the test", "SERVICE_TIMEOUT")
        desk.webhooks.retry(event_id, actor=admin)

    deliver("evt_3", api_version="2019-01-01")
    finding = find("events.applied")
    assert (finding.status, finding.values["versions"]) == (Status.WARNING, "2019-01-01")
    assert desk.orders.find_by_payment_intent(paid["id"]).status == "pending"
    mend(finding)
    assert desk.orders.find_by_payment_intent(paid["id"]).status == "completed"
    deliver("evt_4")
    assert find("events.applied").status is Status.OK


def test_an_order_that_stripe_has_settled_long_ago(find, mend, paid, documents):
    assert find("orders.overdue").status is Status.OK
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    documents.productorders.update_one({"paymentIntentId": paid["id"]}, {"$set": {"createdAt": an_hour_ago}})
    finding = find("orders.overdue")
    assert (finding.status, finding.values["count"]) == (Status.FAILURE, 1)
    mend(finding)
    assert find("orders.overdue").status is Status.OK


def test_an_order_that_waits_for_its_customer_is_not_overdue(desk, find, support, documents):
    asked = {"actor": support, "source": "tests"}
    untied, moved, _ = (desk.intents.create({"productId": "mystique"}, **asked).order_id for _ in range(3))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    documents.productorders.update_many({}, {"$set": {"createdAt": an_hour_ago}})
    assert find("orders.overdue").status is Status.OK
    documents.productorders.update_one({"paymentIntentId": untied}, {"$unset": {"paymentIntentId": ""}})
    # What Stripe said before, and nobody made a move of.
    documents.productorders.update_one({"paymentIntentId": moved}, {"$set": {"stripeStatus": "canceled"}})
    finding = find("orders.overdue")
    assert (finding.status, finding.values["count"]) == (Status.FAILURE, 2)


def test_an_order_whose_payment_stripe_refused_to_make_is_not_overdue(desk, find, support, documents):
    # Nothing mends it, so nothing is to be mended; how many there are is said of what callers send.
    refused = desk.intents.create({"productId": "mystique"}, actor=support, source="tests").order_id
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    changed = {"createdAt": an_hour_ago, "status": "failed", "stripeStatus": "refused"}
    documents.productorders.update_one(
        {"paymentIntentId": refused}, {"$set": changed, "$unset": {"paymentIntentId": ""}}
    )
    assert find("orders.overdue").status is Status.OK
    assert find("orders.callers").reason == "refused"


def test_what_callers_get_wrong_is_counted(find, documents):
    assert find("orders.callers").reason == "none"
    now = datetime.now(UTC)
    wrong = {"productId": "alchimiste", "amount": 100, "currency": "eur", "status": "pending"}
    wrong |= {
        "customerEmail": "no address",
        "paymentIntentId": "pi_wrong",
        "createdAt": now,
        "updatedAt": now,
    }
    documents.productorders.insert_one(wrong)
    finding = find("orders.callers")
    assert (finding.status, finding.reason) == (Status.WARNING, "wrong")
    assert [finding.values[name] for name in ("unknown", "metadata", "address")] == [1, 1, 1]
    right = {"productId": "mystique", "customerEmail": "a@b.example", "metadata": {"productId": "mystique"}}
    documents.productorders.update_one({}, {"$set": right})
    assert find("orders.callers").status is Status.OK
    documents.productorders.update_one({}, {"$set": {"stripeStatus": "refused"}})
    assert find("orders.callers").reason == "refused"


def test_revenue_that_was_never_worked_out_or_is_stale(find, mend, documents):
    finding = find("revenue.fresh")
    assert (finding.status, finding.reason) == (Status.WARNING, "never")
    mend(finding)
    assert find("revenue.fresh").status is Status.OK
    for age, status in ((timedelta(minutes=20), Status.WARNING), (timedelta(hours=2), Status.FAILURE)):
        documents.revenue_state.update_many({}, {"$set": {"watermark": datetime.now(UTC) - age}})
        finding = find("revenue.fresh")
        assert finding.status is status
        mend(finding)
        assert find("revenue.fresh").status is Status.OK


def test_a_desk_without_an_administrator(desk_with, find, mend):
    desk = desk_with()
    finding = find("staff.administrator", desk)
    assert (finding.status, finding.reason) == (Status.WARNING, "none")
    mend(finding, "moonlit-harbour-42-velvet\nmoonlit-harbour-42-velvet\n")
    assert find("staff.administrator", desk).values == {"count": 1, "members": 1}


def test_authenticators_after_another_signing_key(desk_with, find, mend, admin, documents):
    desk = desk_with()
    assert find("staff.authenticators", desk).reason == "none"
    claire, password = Actor("claire@example.com", Role.SUPPORT), "moonlit-harbour-42-velvet"
    desk.staff.add(claire.name, claire.role, password=password, actor=admin)
    enrolment = desk.staff.begin_authenticator(actor=claire)
    desk.staff.confirm_authenticator(enrolment, pyotp.TOTP(enrolment.secret).now(), actor=claire)
    assert find("staff.authenticators", desk).values == {"count": 1}
    rekeyed = desk_with(secret_key=SecretStr("another signing key, as long as they have to be"))
    finding = find("staff.authenticators", rekeyed)
    assert (finding.status, finding.reason) == (Status.WARNING, "unreadable")
    assert finding.values == {"emails": claire.name}
    mend(finding)
    assert find("staff.authenticators", rekeyed).status is Status.OK


def test_openid_is_looked_at_from_the_settings_to_what_the_provider_says(desk_with, find, monkeypatch):
    desk = desk_with()
    with served_provider() as provider:
        auth = {}
        monkeypatch.setattr(openid_providers, "auth_settings", lambda: auth)
        assert (find("staff.openid", desk).status, find("staff.openid", desk).reason) == (Status.OK, "none")

        auth = {"redirect_uri": provider.settings["redirect_uri"], "google": {"client_id": "lumira"}}
        finding = find("staff.openid", desk)
        assert (finding.status, finding.reason) == (Status.FAILURE, "incomplete")
        assert finding.values == {"table": "[auth.google]", "keys": "client_secret, server_metadata_url"}

        auth = provider.settings | {"redirect_uri": "https://pay.example.com/sign-in"}
        finding = find("staff.openid", desk)
        assert (finding.status, finding.reason) == (Status.FAILURE, "redirect")
        assert finding.values["address"] == "https://pay.example.com/sign-in"
        auth = provider.settings | {"redirect_uri": "https://[pay.example.com/oauth2callback"}
        assert find("staff.openid", desk).reason == "redirect"

        auth = provider.settings | {"server_metadata_url": f"{provider.url}/.well-known/misspelt"}
        finding = find("staff.openid", desk)
        assert (finding.status, finding.reason, finding.values["problem"]) == (
            Status.FAILURE,
            "down",
            "HTTP 404",
        )
        assert shlex.split(finding.mend)[-1] == auth["server_metadata_url"]

        # Something answers, but no provider.
        auth = provider.settings | {"server_metadata_url": f"{provider.url}/keys"}
        finding = find("staff.openid", desk)
        assert (finding.status, finding.reason) == (Status.FAILURE, "no_provider")
        assert finding.values["keys"] == "authorization_endpoint, token_endpoint, jwks_uri"

        auth = provider.settings
        finding = find("staff.openid", desk)
        assert (finding.status, finding.reason, finding.values) == (Status.OK, "ok", {"count": 1})
    finding = find("staff.openid", desk)
    assert (finding.reason, finding.values["problem"]) == ("down", "ConnectError")


@pytest.fixture
def secrets_file(tmp_path):
    """The one file that Streamlit reads secrets from until the test ends."""
    path, usual = tmp_path / "secrets.toml", get_option("secrets.files")
    set_option("secrets.files", [str(path)])
    st.secrets._reset()
    yield path
    set_option("secrets.files", usual)
    st.secrets._reset()


def test_openid_settings_that_cannot_be_read_are_said_and_passwords_still_work(
    desk_with, find, api_server, secrets_file
):
    desk = desk_with()
    assert find("staff.openid", desk).reason == "none"
    secrets_file.write_text('[auth]\nclient_id = "lumira\n')
    finding = find("staff.openid", desk)
    assert (finding.status, finding.reason) == (Status.FAILURE, "unreadable")
    assert "line 2" in finding.values["problem"]
    desks.use(desk)
    page = web.get(f"{api_server}/sign-in")
    assert page.status_code == 200
    assert 'name="password"' in page.text


def test_a_home_that_cannot_be_written(desk_with, find, tmp_path):
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        finding = find("machine.home", desk_with(home=home))
        assert finding.status is Status.FAILURE
        assert finding.mend.startswith("export LUMIRA_HOME=")
    assert find("machine.home").status is Status.OK


def test_a_home_of_another_user_is_given_to_ours(tmp_path):
    finding = judge_home(tmp_path, PermissionError(errno.EACCES, "Permission denied"), "lumira")
    assert finding.mend == f"sudo chown -R lumira {tmp_path}"


def test_what_room_is_enough(tmp_path):
    assert judge_disk(DISK_FAILURE - 1, tmp_path).status is Status.FAILURE
    assert judge_disk(DISK_WARNING - 1, tmp_path).status is Status.WARNING
    assert judge_disk(DISK_WARNING, tmp_path).status is Status.OK
    # Pruning the ledger, which happens daily, makes no room.
    assert judge_disk(0, tmp_path).mend == f"du -ahx {tmp_path} | sort -h | tail"


def test_a_misspelt_variable_and_a_line_of_dotenv_without_effect(find, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUMIRA_PROT", "9000")
    finding = find("settings.variables")
    assert (finding.status, finding.mend) == (Status.WARNING, "unset LUMIRA_PROT")
    monkeypatch.delenv("LUMIRA_PROT")
    (tmp_path / ".env").write_text("LUMIRA_TIMEZONE=Europe/Berlin\nLUMIRA_HSOT=x\n")
    assert find("settings.variables").values["names"] == "LUMIRA_HSOT"
    (tmp_path / ".env").write_text("LUMIRA_TIMEZONE=Europe/Berlin\n")
    assert find("settings.variables").status is Status.OK
    monkeypatch.setenv("LUMIRA_TIMEZONE", "Europe/Paris")
    assert find("settings.variables").reason == "overridden"


def test_settings_say_where_they_come_from_and_keep_their_secrets(settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "LUMIRA_TIMEZONE=Europe/Paris\nSTRIPE_WEBHOOK_SECRET=whsec_0123456789abcdef\n"
    )
    monkeypatch.setenv("LUMIRA_RATE_LIMIT", settings.rate_limit)
    secret = SecretStr("whsec_0123456789abcdef")
    shown = {
        setting.variable: setting
        for setting in settings_in_force(settings.model_copy(update={"stripe_webhook_secret": secret}))
    }
    assert shown["LUMIRA_TIMEZONE"].source is Source.DOTENV
    assert shown["LUMIRA_RATE_LIMIT"].source is Source.ENVIRONMENT
    assert shown["LUMIRA_HOST"].source is Source.DEFAULT
    assert shown["LUMIRA_HOME"].source is Source.LUMIRA
    assert (shown["STRIPE_WEBHOOK_SECRET"].value, shown["STRIPE_WEBHOOK_SECRET"].source) == (
        "whsec_…cdef",
        Source.DOTENV,
    )
    assert shown["LUMIRA_API_TOKEN"].value == "••••••••"


def test_what_is_masked():
    uri = SecretStr(
        # pragma: allowlist nextline secret
        "mongodb+srv://us%40er:pass%3Aword@a.example,b.example:1/orders?tlsCertificateKeyFilePassword=p"
    )
    assert masked(uri) == "mongodb+srv://a.example,b.example:1/orders"
    assert masked(SecretStr("sk_test_0123456789abcdef")) == "sk_test_…cdef"
    assert masked("pk_live_0123456789abcdef") == "pk_live_…cdef"
    assert masked(SecretStr("sk_test_short")) == "••••••••"
    assert masked(SecretStr("a password")) == "••••••••"
    assert masked("Europe/Paris") == "Europe/Paris"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        # The driver takes the first two; with the others it fails, and people come here to see why.
        ("mongodb://ada:sec#ret@a.example/orders", "mongodb://a.example/orders"),
        ("mongodb://ada:sec[ret@a.example/orders", "mongodb://a.example/orders"),
        ("mongodb://ada:sec/ret@a.example/orders", "mongodb://a.example/orders"),
        ("mongodb://ada:sec?ret@a.example/orders", "mongodb://••••••••"),
        ("mongodb://a.example/?tlsCertificateKeyFilePassword=sec@ret", "mongodb://••••••••"),
        ("mongodb://[::1]:27017/orders", "mongodb://[::1]:27017/orders"),
    ],
)
def test_no_part_of_a_password_is_shown_whatever_stands_in_it(uri, shown):
    assert masked(SecretStr(uri)) == shown


def test_the_command_answers_json_without_a_secret_and_fails_on_a_failure(desk, documents):
    documents.productorders.drop_index("customer_orders")
    done = CliRunner().invoke(app, ["doctor", "--json"], env=variables(desk.settings))
    assert done.exit_code == 1, done.output
    report = json.loads(done.output)
    assert report["status"] == "failure"
    [index] = [finding for finding in report["findings"] if finding["name"] == "store.indexes"]
    assert index["mend"] == "lumira doctor --create-indexes"
    assert {"lumira", "stripe", "pymongo", "streamlit", "python"} == set(report["versions"])
    for secret in (STRIPE_KEY, WEBHOOK_SECRET):
        assert secret not in done.output


def test_settings_that_can_not_be_read_are_a_finding_too(tmp_path):
    environment = {"LUMIRA_HOME": str(tmp_path), "LUMIRA_TIMEZONE": "Mars/Olympus"}
    done = CliRunner().invoke(app, ["doctor"], env=environment)
    assert done.exit_code == 1
    assert "LUMIRA_TIMEZONE must be an IANA name" in done.output


@pytest.mark.long(10)
def test_with_nothing_running_it_says_so_starts_nothing_and_beside_a_desk_all_is_well(tmp_path):
    home = tmp_path / "home"
    alone = CliRunner().invoke(app, ["doctor"], env={"LUMIRA_HOME": str(home)})
    assert alone.exit_code == 0, alone.output
    assert "lumira run" in alone.output
    assert not home.exists()
    with running(home, environment={"LUMIRA_HOST": "localhost"}) as server:
        beside = CliRunner().invoke(app, ["doctor", "--json"], env={"LUMIRA_HOME": str(home)})
        assert beside.exit_code == 0, beside.output
        wrong = [one for one in json.loads(beside.output)["findings"] if one["status"] != "ok"]
        assert {one["name"] for one in wrong} <= {"revenue.fresh", "staff.administrator"}
        assert server.url.rsplit(":", 1)[1] in beside.output
    (home / "store.uri").write_text("mongodb://127.0.0.1:1/")
    dead = CliRunner().invoke(app, ["doctor"], env={"LUMIRA_HOME": str(home)})
    assert dead.exit_code == 1
    assert "mongodb://127.0.0.1:1/ does not answer" in " ".join(dead.output.split())


def test_a_desk_without_a_store_has_a_doctor(settings, admin):
    doctor = doctor_without_store(settings.model_copy(update={"mongodb_uri": None}))
    findings = {finding.name: finding for finding in doctor.examine(actor=admin)}
    assert findings["store.reachable"].reason == "not_running"
    assert findings["stripe.key"].status is Status.OK
    assert "events.failed" not in findings


def test_a_store_named_by_its_uri_alone_is_examined(store_uri):
    store = Store(store_uri, "doctor_alone")
    try:
        assert store.server().is_embedded
        assert store.index_deviations().missing
        assert store.validator_deviations().missing == ["productorders", "processed_events"]
    finally:
        store.close()


def test_the_command_tells_of_keys_of_two_modes(tmp_path):
    environment = {
        "LUMIRA_HOME": str(tmp_path),
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_PUBLISHABLE_KEY": "pk_live_1",
    }
    done = CliRunner().invoke(app, ["doctor", "--json"], env=environment)
    assert done.exit_code == 1
    (finding,) = json.loads(done.output)["findings"]
    assert finding["name"] == "settings.valid"
    assert "STRIPE_PUBLISHABLE_KEY is a live key" in json.dumps(finding)
