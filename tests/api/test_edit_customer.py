"""The customer's edit on the wire."""

import pytest

BODY = {
    "email": "Camille@Example.com",
    "firstName": " Camille ",
    "lastName": "Durand",
    "phone": "+33612345678",
}


@pytest.fixture
def order_id(client):
    """An order of somebody else."""
    body = {"productId": "mystique", "customerEmail": "old@example.com", "customerPhone": "+33100000000"}
    return client.post("/api/products/create-payment-intent", json=body).json()["orderId"]


def test_an_edit_answers_what_it_changed(client, order_id, documents):
    answer = client.patch(f"/api/products/orders/{order_id}/customer", json=BODY)
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"success", "requestId", "order"}
    assert (body["success"], body["requestId"]) == (True, answer.headers["X-Request-Id"])
    assert body["order"].keys() == {"paymentIntentId", "customerEmail", "metadata", "updatedAt"}
    assert (body["order"]["paymentIntentId"], body["order"]["customerEmail"]) == (
        *(order_id, "camille@example.com"),
    )
    metadata = {
        "customerEmail": "camille@example.com",
        "customerFirstName": "Camille",
        "customerLastName": "Durand",
        "customerName": "Camille Durand",
        "customerPhone": "+33612345678",
    }
    assert metadata.items() <= body["order"]["metadata"].items()
    assert documents.productorders.find_one()["customerEmail"] == "camille@example.com"


def test_without_a_phone_the_phone_stays(client, order_id):
    body = {name: value for name, value in BODY.items() if name != "phone"}
    answer = client.patch(f"/api/products/orders/{order_id}/customer", json=body).json()
    assert answer["order"]["metadata"]["customerPhone"] == "+33100000000"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "x"}, "INVALID_EMAIL"),
        ({"email": None}, "INVALID_EMAIL"),
        ({"email": 7, "firstName": ""}, "INVALID_EMAIL"),
        ({"firstName": " C "}, "INVALID_FIRST_NAME"),
        ({"firstName": None, "lastName": None}, "INVALID_FIRST_NAME"),
        ({"lastName": ""}, "INVALID_LAST_NAME"),
        ({"lastName": ["Durand"]}, "INVALID_LAST_NAME"),
    ],
)
def test_what_is_wrong_with_an_edit_is_named(client, order_id, change, code):
    answer = client.patch(f"/api/products/orders/{order_id}/customer", json=BODY | change)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, code)
    assert {"error", "code", "message", "timestamp", "requestId"} <= body.keys()


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b"{}"])
def test_a_body_that_is_none(client, order_id, content):
    answer = client.patch(f"/api/products/orders/{order_id}/customer", content=content)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST_BODY")


def test_an_unknown_order_and_an_unknown_caller(client):
    path = "/api/products/orders/pi_nothing/customer"
    unknown = client.patch(path, json=BODY)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ORDER_NOT_FOUND")
    stranger = client.patch(path, json=BODY, headers={"Authorization": "Bearer wrong"})
    assert (stranger.status_code, stranger.json()["code"]) == (401, "UNAUTHORIZED")
