"""The OpenAPI document describes every route as it answers, and its page needs nothing from the web."""

from __future__ import annotations

import re

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate

from lumira.api import health, products, webhook


@pytest.fixture
def document(client):
    """The document as served."""
    return client.get("/api/openapi.json").json()


def test_the_document_is_valid_and_names_every_route(document):
    validate(document)
    routed = {
        (route.path, method.lower())
        for router in (health.router, products.router, webhook.router)
        for route in router.routes
        if route.include_in_schema
        for method in route.methods
    }
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert described == routed
    assert document["servers"] == [{"url": "/api"}]


def test_every_operation_names_its_request_id_its_errors_and_its_security(document):
    for path, item in document["paths"].items():
        for operation in item.values():
            names = [parameter["name"] for parameter in operation["parameters"]]
            assert names.count("X-Request-Id") == 1, path
            responses = operation["responses"]
            assert "422" not in responses, path
            assert ("429" in responses) == (path not in {"/healthz", "/ready"}), path
            for status, response in responses.items():
                assert "X-Request-Id" in response["headers"]
                assert response["content"]["application/json"]["schema"], (path, status)
            assert ("401" in responses) == ("security" in operation), path
            open_to_all = path in {"/products", "/healthz", "/ready"} or path.endswith("/webhook")
            assert open_to_all == ("401" not in responses), path
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    create = document["paths"]["/products/create-payment-intent"]["post"]
    assert {"idempotency-key"} <= {parameter["name"].lower() for parameter in create["parameters"]}
    required = create["requestBody"]["content"]["application/json"]["schema"]["required"]
    assert required == ["productId"]


def test_answers_are_as_described(client, document):
    def follows(answer: httpx.Response, path: str, method: str) -> None:
        described = document["paths"][path][method]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})

    follows(client.get("/api/products"), "/products", "get")
    follows(client.get("/api/ready"), "/ready", "get")
    create = "/products/create-payment-intent"
    for body in ({"productId": "mystique"}, {"productId": "x"}, {}):
        follows(client.post("/api" + create, json=body), create, "post")
    for product in ("mystique", "initie"):
        order_id = client.post("/api" + create, json={"productId": product}).json()["orderId"]
        follows(client.get(f"/api/products/orders/{order_id}"), "/products/orders/{order_id}", "get")
        edit = "/products/orders/{order_id}/customer"
        body = {"email": "a@b.fr", "firstName": "Al", "lastName": "Bo"}
        follows(client.patch("/api" + edit.format(order_id=order_id), json=body), edit, "patch")
    follows(client.get("/api/products/orders/pi_nothing"), "/products/orders/{order_id}", "get")


def test_the_page_loads_nothing_from_the_web(client, api_server):
    page = client.get("/api/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 3
    for address in loaded:
        assert not address.startswith(("http", "//")), address
        assert client.get(f"/api/{address}").status_code == 200, address
    assert client.get("/api/docs/files/nothing").json()["code"] == "NOT_FOUND"
