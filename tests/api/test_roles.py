"""Every route of the API with a token of every role."""

from __future__ import annotations

import pytest

from lumira.access import Actor, Permission, Role, may
from tests import web

P = Permission
EDIT = {"email": "zoe@example.com", "firstName": "Zoe", "lastName": "Marin"}
# Method, path and permission; None for what is open to everybody, and a body where one is needed.
ROUTES = {
    ("GET", "/api/products"): (None, None),
    ("POST", "/api/products/create-payment-intent"): (P.CREATE_INTENT, {"productId": "initie"}),
    ("GET", "/api/products/order/{order_id}"): (P.BROWSE, None),
    ("GET", "/api/products/orders/{order_id}"): (P.BROWSE, None),
    ("PATCH", "/api/products/orders/{order_id}/customer"): (P.EDIT_CUSTOMER, EDIT),
}
# These know their caller otherwise: by a signature, or not at all.
OPEN = {"/api/products/webhook", "/api/stripe/webhook", "/api/healthz", "/api/ready"}


def test_every_route_stands_in_the_table(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    there = {(method.upper(), f"/api{path}") for path, methods in paths.items() for method in methods}
    assert {route for route in there if route[1] not in OPEN} == ROUTES.keys()


@pytest.mark.parametrize("role", Role)
def test_a_token_does_what_its_role_may(desk, api_server, admin, support, documents, role):
    token = desk.tokens.create("caller", role, actor=admin)
    free = desk.intents.create({"productId": "initie"}, actor=support, source="tests")
    headers = {"Authorization": f"Bearer {token}"}
    for (method, path), (permission, body) in ROUTES.items():
        before = [*documents.productorders.find(), *documents.audit_entries.find()]
        url = api_server + path.replace("{order_id}", free.order_id)
        answer = web.request(method, url, json=body, headers=headers)
        if permission is None or may(Actor("caller", role), permission):
            assert answer.status_code == 200, (path, answer.text)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), path
            assert [*documents.productorders.find(), *documents.audit_entries.find()] == before
