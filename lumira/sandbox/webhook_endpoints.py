"""Webhook endpoints. https://docs.stripe.com/api/webhook_endpoints."""

from __future__ import annotations

import re

from lumira.sandbox import shapes
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject, invalid_request
from lumira.sandbox.parameters import Parameters, merged_metadata


def create(call: Call, params: Parameters) -> StripeObject:
    """Make an endpoint; only this answer shows its secret: POST /v1/webhook_endpoints."""
    endpoint = shapes.webhook_endpoint(call.now, "", [])
    _apply(endpoint, params)
    call.save(endpoint)
    return endpoint


def update(call: Call, identifier: str, params: Parameters) -> StripeObject:
    """Change an endpoint, or stop it with `disabled`: POST /v1/webhook_endpoints/:id."""
    endpoint = call.find("webhook_endpoint", identifier)
    _apply(endpoint, params)
    call.save(endpoint)
    return shapes.without_secret(endpoint)


def delete(call: Call, identifier: str, _: Parameters) -> StripeObject:
    """Remove an endpoint; what it was owed is dropped: DELETE /v1/webhook_endpoints/:id."""
    endpoint = call.find("webhook_endpoint", identifier)
    call.store.delete(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _apply(endpoint: StripeObject, params: Parameters) -> None:
    if "url" in params:
        if not re.match(r"https?://[^/\s]+", params["url"]):
            message = "Invalid URL: An explicit scheme (such as https) must be provided."
            raise invalid_request(message, param="url", code="url_invalid")
        endpoint["url"] = params["url"]
    if "enabled_events" in params:
        for position, name in enumerate(params["enabled_events"]):
            if name != "*" and not re.fullmatch(r"[a-z_0-9]+(\.[a-z_0-9]+)+", name):
                raise invalid_request(f"Invalid event type: {name}", param=f"enabled_events[{position}]")
        endpoint["enabled_events"] = params["enabled_events"]
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    for name in ("api_version", "description"):
        if name in params:
            endpoint[name] = params[name]
    if "metadata" in params:
        endpoint["metadata"] = merged_metadata(endpoint["metadata"], params["metadata"])
