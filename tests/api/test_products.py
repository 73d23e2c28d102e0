"""Catalog, creation and reads over a real port, as the contract's tables say."""

import functools
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from bson import DBRef, Decimal128, ObjectId
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lumira import desk as desks
from lumira.stripe_gateway import CONNECTIONS
from tests import web
from tests.api.conftest import event
from tests.conftest import API_TOKEN, opened, serving

CREATE = "/api/products/create-payment-intent"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "INVALID_REQUEST_BODY"),
        (b"not json", 400, "INVALID_REQUEST_BODY"),
        (b"[]", 400, "INVALID_REQUEST_BODY"),
        (b"{}", 400, "INVALID_REQUEST_BODY"),
        (b'"x"', 400, "INVALID_REQUEST_BODY"),
        (b"\xff\xfe", 400, "INVALID_REQUEST_BODY"),
        (b"[" * 10000, 400, "INVALID_REQUEST_BODY"),
        (b'{"productId": "mystique", "customerName": "\\ud800"}', 400, "INVALID_REQUEST_BODY"),
        (b'{"productId": "mystique", "x": Infinity}', 400, "INVALID_REQUEST_BODY"),
        (b'{"productId": NaN}', 400, "INVALID_REQUEST_BODY"),
        ('{"productId": "mystique"}'.encode("utf-16"), 400, "INVALID_REQUEST_BODY"),
        (b'{"customerEmail": "a@b.fr"}', 400, "MISSING_PRODUCT_ID"),
        (b'{"productId": "x"}', 404, "PRODUCT_NOT_FOUND"),
        (b'\xef\xbb\xbf{"productId": "x"}', 404, "PRODUCT_NOT_FOUND"),
        (b'{"productId": "integrale"}', 409, "PRODUCT_NOT_AVAILABLE"),
        (b'{"productId": "mystique", "customerEmail": "x"}', 400, "INVALID_EMAIL"),
        (b'{"productId": "mystique", "metadata": {"a": 1}}', 400, "INVALID_METADATA"),
        (b'{"productId": "' + b"x" * 200_000 + b'"}', 413, "REQUEST_TOO_LARGE"),
    ],
)
def test_every_error_has_the_contracts_body(client, documents, content, status, code):
    response = client.post(CREATE, content=content, headers={"X-Request-Id": "req-42"})
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert {"error", "code", "message", "timestamp", "requestId"} <= body.keys()
    assert body["requestId"] == response.headers["X-Request-Id"] == "req-42"
    assert documents.productorders.count_documents({}) == 0


@pytest.mark.parametrize("path", [CREATE, "/api/products/webhook", "/sign-in/"])
def test_a_request_that_its_sender_gives_up_is_no_error_of_ours(api_server, client, documents, caplog, path):
    """A telephone that loses its network, or a delivery that Stripe breaks off."""
    host, port = api_server.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {API_TOKEN}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as sender:
        sender.sendall(head.encode() + b'{"productId": ')
        # So much time has the server to begin with it.
        time.sleep(0.2)
    time.sleep(0.2)
    assert client.get("/api/products").is_success
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert documents.productorders.count_documents({}) == 0


@pytest.mark.parametrize("path", [CREATE, "/api/products/webhook"])
def test_a_body_that_is_announced_too_long_is_not_waited_for(api_server, desk, path):
    host, port = api_server.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {API_TOKEN}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as sender:
        sender.sendall(head.encode())
        assert sender.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_errors_about_products_name_the_valid_ones(client):
    missing = client.post(CREATE, json={"customerEmail": "a@b.fr"}).json()
    assert missing["error"] == "Product ID is required"
    assert missing["validProductIds"] == ["initie", "mystique", "profond", "integrale"]
    unknown = client.post(CREATE, json={"productId": "x"}).json()
    assert unknown["message"] == "Product 'x' does not exist"
    assert unknown["validProductIds"] == missing["validProductIds"]


def test_a_payment_intent_is_created(client, documents):
    response = client.post(CREATE, json={"productId": "mystique", "customerEmail": "A@b.fr"})
    assert response.status_code == 200
    body = response.json()
    assert body.keys() == {"clientSecret", "orderId", "amount", "currency", "productName"}
    assert (body["amount"], body["currency"], body["productName"]) == (4700, "eur", "Niveau Mystique")
    assert body["clientSecret"].startswith(body["orderId"] + "_secret_")
    document = documents.productorders.find_one({"paymentIntentId": body["orderId"]})
    assert document["metadata"]["requestId"] == response.headers["X-Request-Id"]
    assert document["source"] == "api"


def test_a_repeat_with_an_idempotency_key_answers_the_same(client, documents):
    import secrets

    headers = {"Idempotency-Key": secrets.token_hex(8)}
    body = {"productId": "mystique", "customerEmail": "a@b.fr"}
    first = client.post(CREATE, json=body, headers=headers)
    assert client.post(CREATE, json=body, headers=headers).json() == first.json()
    assert documents.productorders.count_documents({}) == 1
    other = client.post(CREATE, json={"productId": "profond"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


def test_the_free_path(client):
    body = client.post(CREATE, json={"productId": "initie"}).json()
    assert (body["clientSecret"], body["amount"]) == ("", 0)
    assert body["orderId"].startswith("free_")
    read = client.get(f"/api/products/orders/{body['orderId']}").json()
    assert read["accessGranted"] is True
    assert read["sanctuaryUrl"] == "/sanctuaire"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "token-of-the-tests"},
        {"Authorization": "Bearer é"},
    ],
)
def test_without_a_token_nothing_but_catalog_and_webhook(api_server, desk, headers):
    encoded = {name: value.encode() for name, value in headers.items()}
    for method, path in (
        ("POST", CREATE),
        ("GET", "/api/products/orders/x"),
        ("GET", "/api/products/order/x"),
    ):
        response = web.request(method, api_server + path, headers=encoded, content=b"not json")
        assert (response.status_code, response.json()["code"]) == (401, "UNAUTHORIZED")
    assert web.get(f"{api_server}/api/products").status_code == 200


def test_the_catalog(api_server, desk):
    products = web.get(f"{api_server}/api/products").json()["products"]
    assert [(p["id"], p["amountCents"], p["level"]) for p in products] == [
        ("initie", 0, "initie"),
        ("mystique", 4700, "mystique"),
        ("profond", 6700, "profond"),
        ("integrale", 9700, "integrale"),
    ]
    assert products[0].keys() == {
        *("id", "name", "description", "amountCents", "currency", "level", "features", "metadata")
    }
    assert products[1]["features"] == ["pdf", "audio", "audio-meditation"]
    held = [(product["metadata"]["access"], product["metadata"]["bonus"]) for product in products]
    assert held == [
        (["pdf"], ["welcome-guide"]),
        (["pdf", "audio"], ["audio-meditation"]),
        (["pdf", "audio", "mandala"], ["mandala-guide"]),
        (["pdf", "audio", "mandala", "rituals"], ["ritual-kit", "lunar-calendar", "personal-support"]),
    ]


def test_an_order_is_read_with_stripes_live_status(client, desk):
    created = client.post(CREATE, json={"productId": "mystique", "customerEmail": "a@b.fr"}).json()
    path = f"/api/products/order/{created['orderId']}"
    waiting = client.get(path).json()
    assert (waiting["order"]["status"], waiting["accessGranted"]) == ("pending", False)
    assert "sanctuaryUrl" not in waiting
    assert waiting["product"] == {"id": "mystique", "name": "Niveau Mystique", "level": "mystique"}
    desk.gateway.confirm_payment_intent(
        created["orderId"], "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/"
    )
    paid = client.get(path).json()
    assert (paid["order"]["status"], paid["accessGranted"]) == ("completed", True)
    assert paid["order"].keys() == {
        *("id", "productId", "customerEmail", "amount", "currency", "status", "paymentIntentId"),
        *("createdAt", "updatedAt", "completedAt", "metadata"),
    }


def test_an_order_is_read_from_the_store_when_stripe_is_away(settings, api_server, client):
    created = client.post(CREATE, json={"productId": "mystique"}).json()
    away = settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})
    with opened(away):
        response = client.get(f"/api/products/orders/{created['orderId']}")
        assert response.json()["order"]["status"] == "pending"


def test_an_unknown_order_has_the_contracts_body(client):
    response = client.get("/api/products/orders/pi_nothing")
    assert response.status_code == 404
    assert response.json().keys() == {"error", "orderId", "timestamp"}
    assert response.json()["error"] == "Order not found"
    assert response.json()["orderId"] == "pi_nothing"


def test_any_other_path_is_json(client):
    beyond_a_line_break = ("/api/%0A", "/api/a%0Ab")
    for path in (
        "/api",
        "/api/",
        "/api/nothing",
        "/api/products/",
        "/api/products/a/b/c",
        *beyond_a_line_break,
    ):
        response = client.get(path)
        assert response.status_code == 404, path
        assert response.json()["code"] == "NOT_FOUND"
    assert client.get(CREATE).status_code == 405


def test_stripe_errors_have_the_contracts_codes(settings, client):
    body = {"productId": "mystique"}
    without_key = {"stripe_secret_key": None}
    refused_key = {"stripe_secret_key": SecretStr("sk_test_wrong")}
    away = {"stripe_api_base": "http://127.0.0.1:9"}
    expected = [
        (without_key, "STRIPE_CONFIG_ERROR", "Payment service configuration error"),
        (refused_key, "STRIPE_CONFIG_ERROR", "Payment service configuration error"),
        (away, "STRIPE_SERVICE_ERROR", "Payment service error"),
    ]
    for change, code, error in expected:
        with opened(settings.model_copy(update=change)):
            response = client.post(CREATE, json=body)
            assert response.status_code == 502
            assert (response.json()["code"], response.json()["error"]) == (code, error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((200, body) for body in (b"{}", b"[1]", b"null", b"", b'{"id": "\xe9"}', b"<html>Sign in</html>")),
        (400, b'{"error": "no healthy upstream"}'),
        (503, b'{"error": null}'),
    ],
)
def test_what_answers_in_place_of_stripe_is_a_stripe_out_of_reach(settings, client, desk, status, body):
    """A proxy in between answers in its own words, which say nothing of what became of the request."""
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    request = {"productId": "mystique"}

    async def answer(_request: Request) -> Response:
        return Response(body, status)

    route = Route("/{path:path}", answer, methods=["GET", "POST"])
    with (
        serving(Starlette(routes=[route])) as proxy,
        opened(settings.model_copy(update={"stripe_api_base": proxy})),
    ):
        refused = client.post(CREATE, json=request, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (502, "STRIPE_SERVICE_ERROR")
    desks.use(desk)
    assert client.post(CREATE, json=request, headers=headers).status_code == 200
    [order] = desk.store.database.productorders.find()
    assert (order["status"], "failureCode" in order) == ("pending", False)


def test_what_stripe_told_before_it_failed_is_answered(
    settings, client, faulty_sandbox_url, fault, documents
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})):
        created = client.post(CREATE, json={"productId": "mystique"}).json()["orderId"]
        stripe = web.Client(
            base_url=faulty_sandbox_url, auth=(settings.stripe_secret_key.get_secret_value(), "")
        )
        with stripe:
            payment = {"payment_method": "pm_card_visa", "return_url": "https://example.com"}
            stripe.post(f"/v1/payment_intents/{created}/confirm", data=payment).raise_for_status()
            refund = {"payment_intent": created, "amount": 100}
            stripe.post("/v1/refunds", data=refund).raise_for_status()
        fault(answer=500, path="/v1/refunds", share=1)
        read = client.get(f"/api/products/orders/{created}").json()
    assert documents.productorders.find_one()["status"] == "completed"
    assert (read["order"]["status"], read["accessGranted"]) == ("completed", True)


def test_a_read_has_the_stored_order_before_a_slow_stripe_has_answered(
    settings, client, faulty_sandbox_url, fault
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:
        created = client.post(CREATE, json={"productId": "mystique"}).json()["orderId"]
        desk.gateway.confirm_payment_intent(
            created, "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/"
        )
        # Longer than a reader waits, and not as long as whoever asks Stripe for something waits.
        fault(answer="slow", seconds=6, path="/v1/payment_intents/")
        read = [client.get(f"/api/products/orders/{created}").json()["order"]["status"] for _ in range(2)]
    assert read == ["pending", "completed"]


@pytest.mark.long(10)
def test_reads_that_wait_for_stripe_keep_nobody_else_waiting(
    settings, client, faulty_sandbox_url, fault, deliver
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})):
        created = client.post(CREATE, json={"productId": "mystique"}).json()["orderId"]
        # Of one PaymentIntent: whoever asks whether Stripe answers gets its list of them.
        fault(answer="hang", seconds=5, share=1, path="/v1/payment_intents/")
        # More than there are threads for them.
        with ThreadPoolExecutor(45) as pool:
            read = functools.partial(client.get, timeout=60)
            reads = [pool.submit(read, f"/api/products/orders/{created}") for _ in range(45)]
            time.sleep(1)
            for answer in (
                client.get("/api/healthz", timeout=3),
                client.head("/api/healthz", timeout=3),
                client.get("/api/ready", timeout=3),
                client.get("/metrics", timeout=3),
                client.get("/api/products", timeout=3),
                deliver(event("customer.created", {"id": "cus_1"})),
            ):
                assert answer.status_code == 200
            # Only who found no connection to Stripe has an answer.
            assert sum(read.done() for read in reads) <= 45 - CONNECTIONS
        assert all(read.result().json()["order"]["status"] == "pending" for read in reads)


@pytest.mark.long(10)
def test_payments_that_wait_for_stripe_leave_room_for_what_needs_no_stripe(
    settings, client, faulty_sandbox_url, fault
):
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})):
        fault(answer="slow", seconds=6, share=1, method="POST")
        # More than there are threads for them.
        with ThreadPoolExecutor(45) as pool:
            create = functools.partial(client.post, CREATE, json={"productId": "mystique"}, timeout=60)
            waiting = [pool.submit(create) for _ in range(45)]
            time.sleep(2)
            free = client.post(CREATE, json={"productId": "initie"}, timeout=3)
            assert (free.status_code, free.json()["amount"]) == (200, 0)
            assert any(not payment.done() for payment in waiting)
        answers = [payment.result() for payment in waiting]
        assert {answer.json().get("code") for answer in answers} == {None, "SERVICE_TIMEOUT"}
        assert sum(answer.status_code == 200 for answer in answers) == CONNECTIONS


def test_a_store_that_is_down_is_503_and_the_process_stays_alive(settings, client):
    from lumira.desk import Desk

    down = settings.model_copy(update={"mongodb_uri": SecretStr("mongodb://127.0.0.1:9/")})
    desk = Desk.open(down)
    desks.use(desk)
    response = client.post(CREATE, json={"productId": "mystique"}, timeout=10)
    assert (response.status_code, response.json()["code"]) == (503, "STORE_UNAVAILABLE")
    assert response.elapsed.total_seconds() < 5
    assert client.get("/api/healthz").status_code == 200
    ready = client.get("/api/ready", timeout=10)
    assert ready.status_code == 503
    assert ready.headers["Cache-Control"] == "no-store"
    states = ready.json()["dependencies"]
    assert (states["store"]["status"], states["stripe"]["status"]) == ("down", "ok")
    desk.store.close()


def test_ready_when_both_answer(client):
    response = client.get("/api/ready")
    assert response.status_code == 200
    assert response.json()["dependencies"] == {"store": {"status": "ok"}, "stripe": {"status": "ok"}}


def former_order(documents, **fields):
    """An order as the other program wrote it: no field of ours."""
    now = datetime.now(UTC)
    order = {
        "_id": ObjectId(),
        "productId": "mystique",
        "amount": 4700,
        "currency": "eur",
        "status": "completed",
        "paymentIntentId": "pi_former",
        "createdAt": now,
        "updatedAt": now,
        **fields,
    }
    documents.productorders.insert_one(order)
    return order


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        (datetime(2026, 5, 1, 12, tzinfo=UTC), "2026-05-01T12:00:00.000Z"),
        (ObjectId("65f0c0ffee65f0c0ffee65f0"), "65f0c0ffee65f0c0ffee65f0"),
        (Decimal128("1.50"), "1.50"),
        (float("nan"), None),
        ({"deep": [float("inf"), 1.5, True]}, {"deep": [None, 1.5, True]}),
        (DBRef("levels", 3), {"$ref": "levels", "$id": 3}),
    ],
)
def test_whatever_the_other_program_keeps_in_metadata_is_answered(client, documents, odd, shown):
    former_order(documents, metadata={"productName": "Profond", "odd": odd})
    read = client.get("/api/products/orders/pi_former")
    assert (read.status_code, read.json()["order"]["metadata"]["odd"]) == (200, shown)
    edit = {"email": "a@b.fr", "firstName": "Anaïs", "lastName": "Garçon"}
    edited = client.patch("/api/products/orders/pi_former/customer", json=edit)
    assert (edited.status_code, edited.json()["order"]["metadata"]["odd"]) == (200, shown)


def test_metadata_that_reads_as_a_reference_of_the_database_stays_whole(client, documents):
    former_order(documents, metadata={"$ref": "levels", "$id": 3, "note": "x"})
    read = client.get("/api/products/orders/pi_former").json()
    assert read["order"]["metadata"] == {"$ref": "levels", "$id": 3, "note": "x"}
    for metadata in ({"$ref": "a", "$id": "b"}, {"$ref": "a"}, {"$id": "b", "note": "$x"}):
        body, key = {"productId": "mystique", "metadata": metadata}, {"Idempotency-Key": "".join(metadata)}
        created = client.post(CREATE, json=body, headers=key).json()
        assert client.post(CREATE, json=body, headers=key).json() == created
        path = f"/api/products/orders/{created['orderId']}"
        assert metadata.items() <= client.get(path).json()["order"]["metadata"].items()
        edit = {"email": "a@b.fr", "firstName": "Anaïs", "lastName": "Garçon"}
        edited = client.patch(f"{path}/customer", json=edit).json()["order"]["metadata"]
        assert metadata.items() | {("customerName", "Anaïs Garçon")} <= edited.items()


def test_a_repeat_answers_the_same_after_the_customer_was_edited(client):
    body = {"productId": "mystique", "customerEmail": "a@b.fr"}
    key = {"Idempotency-Key": "cart-1"}
    created = client.post(CREATE, json=body, headers=key).json()
    edit = {"email": "c@d.fr", "firstName": "Anaïs", "lastName": "Garçon", "phone": "+33612345678"}
    assert client.patch(f"/api/products/orders/{created['orderId']}/customer", json=edit).is_success
    assert client.post(CREATE, json=body, headers=key).json() == created
    other = client.post(CREATE, json=body | {"customerEmail": "c@d.fr"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize("key", [b"\xa0abc", b"caf\xe9", b"tab\there"])
def test_an_idempotency_key_that_stripe_would_not_take_is_refused(api_server, desk, documents, key):
    headers = [(b"Authorization", b"Bearer " + API_TOKEN.encode()), (b"Idempotency-Key", key)]
    answer = web.post(f"{api_server}{CREATE}", json={"productId": "mystique"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_IDEMPOTENCY_KEY")
    assert documents.productorders.count_documents({}) == 0


def test_a_key_of_the_other_mode_is_another_request(settings, client, desk, documents):
    key = {"Idempotency-Key": "cart-2"}
    created = client.post(CREATE, json={"productId": "mystique"}, headers=key).json()
    documents.productorders.update_one({"paymentIntentId": created["orderId"]}, {"$set": {"livemode": True}})
    answer = client.post(CREATE, json={"productId": "mystique"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize("path", ["", "/order/{}", "/orders/{}", "/orders/pi_nothing"])
def test_head_is_get_without_its_body(client, path):
    order = client.post("/api/products/create-payment-intent", json={"productId": "initie"}).json()["orderId"]
    address = "/api/products" + path.format(order)
    asked, headed = client.get(address), client.head(address)
    assert (headed.status_code, headed.content) == (asked.status_code, b"")
    for name in ("Content-Type", "Content-Length"):
        assert headed.headers[name] == asked.headers[name]
    assert client.delete(address).headers["Allow"] == "GET, HEAD"


def test_head_asks_for_the_token_too(client):
    assert client.head("/api/products/orders/pi_1", headers={"Authorization": "Bearer x"}).status_code == 401
