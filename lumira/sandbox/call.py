"""One request, or one thing that falls due: what it knows and what it may do to the state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lumira.sandbox import shapes
from lumira.sandbox.errors import StripeObject, refusal
from lumira.sandbox.store import Store

API_VERSION = "2026-10-28.endive"

# What Stripe calls an object in "No such …", and the parameter it names for the id in a URL.
NOUNS = {
    "payment_intent": ("payment_intent", "intent"),
    "payment_method": ("PaymentMethod", "payment_method"),
    "webhook_endpoint": ("webhook endpoint", "id"),
    "balance_transaction": ("balance transaction", "id"),
}


@dataclass
class Call:
    """The state, seen from one request. Whoever makes a Call begins the transaction and ends it."""

    store: Store
    clock: float
    """UTC seconds, by the sandbox's clock."""
    base_url: str = ""
    """Where the sandbox is reached, for the links it gives out."""
    request_id: str | None = None
    idempotency_key: str | None = None
    former_version: bool = False
    """The request asks for an API version before endive, or for none."""
    publishable: bool = False
    """The request comes from a browser, with a publishable key."""
    settlement_delay: float = 1.0
    """Seconds until what settles later does."""
    country: str = "FR"
    """The account's."""

    @property
    def now(self) -> int:
        """The clock in whole seconds, as Stripe's times are."""
        return int(self.clock)

    def find(self, kind: str, identifier: str, *, param: str | None = None) -> StripeObject:
        """The object of this kind with this id.

        Raises StripeError resource_missing: 404 when the id stands in the URL, 400 when in the parameter
        `param`.
        """
        body = self.store.get(identifier)
        if body is None or body["object"] != kind:
            noun, default = NOUNS.get(kind, (kind, "id"))
            status = 400 if param else 404
            raise refusal("missing", status=status, param=param or default, noun=noun, id=identifier)
        return body

    def save(self, *bodies: StripeObject) -> None:
        """Keep objects, new or changed."""
        for body in bodies:
            self.store.save(body)

    def change(self, body: StripeObject, changes: StripeObject, *events: str) -> StripeObject:
        """Apply changes to an object; if any is one, keep it and emit the events with the former values."""
        previous: dict[str, Any] = {
            name: _former(body.get(name), value) for name, value in changes.items() if body.get(name) != value
        }
        if previous:
            body.update(changes)
            self.save(body)
            for event in events:
                self.emit(event, body, previous)
        return body

    def emit(self, kind: str, body: StripeObject, previous: StripeObject | None = None) -> None:
        """Record an event and a delivery of it to each webhook endpoint that wants it.

        `previous` are the former values of what changed, for `*.updated` events.
        """
        endpoints = self.endpoints_for(kind)
        event = self.record(kind, body, previous, pending_webhooks=len(endpoints))
        for endpoint in endpoints:
            self.store.owe(event["id"], endpoint, self.clock)

    def record(
        self,
        kind: str,
        body: StripeObject,
        previous: StripeObject | None = None,
        *,
        pending_webhooks: int = 0,
    ) -> StripeObject:
        """Record an event of which so many deliveries are to be made."""
        data = {"object": shapes.shown(body)}
        event = shapes.new(
            "event",
            self.now,
            api_version=API_VERSION,
            data=data if previous is None else {**data, "previous_attributes": previous},
            pending_webhooks=pending_webhooks,
            request={"id": self.request_id, "idempotency_key": self.idempotency_key},
            type=kind,
        )
        self.save(event)
        return event

    def endpoints_for(self, kind: str) -> list[str]:
        """The ids of the webhook endpoints that want this type of event."""
        return [
            endpoint["id"]
            for endpoint in self.store.each("webhook_endpoint")
            if endpoint["status"] == "enabled" and {kind, "*"} & set(endpoint["enabled_events"])
        ]

    def later(self, kind: str, identifier: str, *, at: float | None = None) -> None:
        """Let a task of `resources.TASKS` happen at a time (UTC seconds), else after the settlement delay."""
        self.store.add_task(self.clock + self.settlement_delay if at is None else at, kind, identifier)


def _former(old: Any, new: Any) -> Any:
    """The former value; of what is nested only what changed, null for what was not there.

    https://docs.stripe.com/changelog/2015-01-26/events-previous-attributes-render-differences
    """
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return old
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: _former(old.get(name), new.get(name)) for name in names}
