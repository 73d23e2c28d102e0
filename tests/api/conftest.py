"""Clients of the API on its real port, and deliveries signed as Stripe signs them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from lumira.desk import Desk
from lumira.storage import Events, RefusedSignatures
from lumira.stripe_gateway import verified_event
from lumira.webhooks import Webhooks
from tests import web
from tests.conftest import API_TOKEN, WEBHOOK_SECRET


@pytest.fixture
def client(api_server: str, desk: Any) -> Iterator[httpx.Client]:
    """A caller with the API token."""
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    with web.Client(base_url=api_server, headers=headers) as client:
        yield client


def sign(body: bytes, secret: str = WEBHOOK_SECRET, at: int | None = None) -> dict[str, str]:
    """The header of a delivery of these bytes, by stripe-python's own generator."""
    header = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, timestamp=int(time.time()) if at is None else at
    )
    return {"Stripe-Signature": header, "Content-Type": "application/json"}


def webhooks_on(events: Events, desk: Desk) -> Webhooks:
    """The webhooks of the desk, on a ledger of the test's own."""
    return Webhooks(
        events,
        desk.orders,
        desk.gateway,
        desk.audit,
        RefusedSignatures(desk.store.database, livemode=desk.gateway.livemode),
        secret=WEBHOOK_SECRET,
        verify=verified_event,
    )


def event(type_: str, obj: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A Stripe event around `obj`, as the pinned API version delivers it."""
    return {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "api_version": stripe.api_version,
        "created": int(time.time()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
        "data": {"object": obj},
        **fields,
    }


@pytest.fixture
def deliver(client: httpx.Client) -> Any:
    """Delivers an event, signed, and answers the response."""

    def deliver(delivered: Any, path: str = "/api/products/webhook", **signing: Any) -> httpx.Response:
        body = delivered if isinstance(delivered, bytes) else json.dumps(delivered).encode()
        return client.post(path, content=body, headers=sign(body, **signing))

    return deliver
