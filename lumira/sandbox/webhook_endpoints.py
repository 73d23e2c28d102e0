"""Webhook endpoints. https://docs.stripe.com/api/webhook_endpoints."""

from __future__ import annotations

import re

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject, refusal
from lumira.sandbox.parameters import Parameters, changes_of


def create(call: Call, params: Parameters) -> StripeObject:
    """Make an endpoint; only this answer shows its secret: POST /v1/webhook_endpoints."""
    endpoint = shapes.new("webhook_endpoint", call.now, secret=shapes.new_id("whsec", 32))
    _apply(call, endpoint, params)
    return endpoint


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Change an endpoint, or stop it with `disabled`: POST /v1/webhook_endpoints/:id."""
    endpoint = call.find("webhook_endpoint", identifier)
    _apply(call, endpoint, params)
    return shapes.shown(endpoint)


def delete(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """Remove an endpoint; what it was owed is dropped: DELETE /v1/webhook_endpoints/:id."""
    endpoint = call.find("webhook_endpoint", identifier)
    call.store.delete(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _apply(call: Call, endpoint: StripeObject, params: Parameters) -> None:
    if not re.match(r"https?://[^/\s]+", {**endpoint, **params}["url"]):
        raise refusal("url_without_scheme", param="url")
    for position, name in enumerate(params.get("enabled_events", ())):
        if name != "*" and not re.fullmatch(r"[a-z_0-9]+(\.[a-z_0-9]+)+", name):
            raise refusal("invalid_event_type", param=f"enabled_events[{position}]", name=name)
    endpoint |= changes_of(endpoint, params, ("url", "enabled_events", "api_version", "description"))
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    call.save(endpoint)
