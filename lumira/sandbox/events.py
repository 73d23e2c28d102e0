"""Reading events: the same as any list, with filters of their own. https://docs.stripe.com/api/events/list."""

from __future__ import annotations

from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject
from lumira.sandbox.lists import Conditions, exclusive, list_objects
from lumira.sandbox.parameters import Parameters


def list_all(call: Call, params: Parameters) -> StripeObject:
    """Events by `type` (charge.* is a group), `types` and `delivery_success`: GET /v1/events."""
    exclusive(params, "type", "types")
    conditions: Conditions = []
    if "type" in params:
        conditions.append(("type GLOB ?", [params["type"]]))
    if types := params.get("types"):
        conditions.append((f"type IN ({', '.join('?' * len(types))})", types))
    if "delivery_success" in params:
        comparison = "=" if params["delivery_success"] else ">"
        conditions.append((f"json_extract(body, '$.pending_webhooks') {comparison} 0", []))
    return list_objects(call, "event", "/v1/events", params, extra=conditions)
