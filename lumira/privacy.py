"""The personal data of one customer: handed to them, and erased.

Orders, amounts, states and timelines stay: French law keeps accounts for ten years (Code de commerce, art.
L123-22). The person goes: from their orders and what those are found by, from notes, audit entries, payloads
of webhooks and saved views. Whoever orders again afterwards is a new customer.

Erasing can be killed anywhere and repeated: orders are marked first and cleared last, so that until all else
is done the address still leads to them. A webhook of a marked order is kept without the person, so nobody
comes back with an event that arrives later. What Stripe holds is Stripe's to erase
(https://docs.stripe.com/privacy/deletion-requests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.documents import as_json, mappings_in
from lumira.orders import TimelineEntry
from lumira.person import (
    Person,
    audit_entry_without,
    concerns,
    order_without,
    payment_intents_of,
    person_of,
    without,
    without_person,
)
from lumira.redaction import without_secrets
from lumira.validation import check_email

if TYPE_CHECKING:
    from lumira.storage import AuditLog, PersonalData


@dataclass
class Erased:
    """What was done: orders cleared, notes and views removed, audit entries and events changed.

    `payment_intents` are those that still hold the person at Stripe.
    """

    orders: int = 0
    notes: int = 0
    audit_entries: int = 0
    events: int = 0
    views: int = 0
    payment_intents: list[str] = field(default_factory=list)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was held."""
        return not (self.orders or self.notes or self.audit_entries or self.events or self.views)


class Privacy:
    """Exports and erases. Every method raises Forbidden, InvalidEmail and StoreUnavailable.

    `list_orders` lists what other programs wrote: an address in capitals is found by it alone.
    """

    def __init__(
        self,
        data: PersonalData,
        audit: AuditLog,
        *,
        list_orders: Callable[[], None],
    ) -> None:
        self._data = data
        self._audit = audit
        self._list_orders = list_orders

    def export(self, email: str, *, actor: Actor) -> dict[str, Any]:
        """Everything held about the customer of this address, as JSON: made to be given to them.

        `customer`, `made_at` (UTC), `orders`, `notes`, `audit_entries`, `webhooks`, `saved_views`, each as it
        is stored, without secrets; `at_stripe` names the PaymentIntents of which Stripe has its own copies.
        """
        require(actor, Permission.MANAGE_PERSONAL_DATA)
        email = check_email(email)
        self._list_orders()
        orders = self._data.orders_of(email)
        person, order_ids = person_of(email, orders), _ids(orders)
        made_at = datetime.now(UTC)
        payments = payment_intents_of(orders)
        exported = {
            "customer": email,
            "made_at": made_at,
            "orders": [without(order, "listing") for order in orders],
            "notes": self._data.notes_of(order_ids),
            "audit_entries": [
                entry
                for entry in self._data.audit_entries(order_ids)
                if entry["order_id"] is not None or person.is_in(_texts(entry))
            ],
            "webhooks": [
                event for event in self._data.events() if concerns(event, person, payments, order_ids)
            ],
            "saved_views": [view for view in self._data.views() if person.is_in(view)],
            "at_stripe": payments,
        }
        self._record(actor, Action.EXPORT_CUSTOMER, made_at, {"order_ids": order_ids})
        readable: dict[str, Any] = without_secrets(as_json(exported))
        return readable

    def erase(self, email: str, *, actor: Actor, progress: Callable[[str], None] | None = None) -> Erased:
        """Erases the customer of this address; once more does nothing, and finishes what was cut short.

        `progress` is told what is being looked through: orders, notes, audit_entries, events, views.
        """
        require(actor, Permission.MANAGE_PERSONAL_DATA)
        email = check_email(email)
        tell = progress or (lambda _: None)
        tell("orders")
        self._list_orders()
        orders = self._data.orders_of(email)
        person, order_ids, at = person_of(email, orders), _ids(orders), datetime.now(UTC)
        erased = Erased()
        for order in orders:
            # What is tied to it from now on is cleared by whoever ties it.
            marked = self._data.mark_erased(order, at)
            erased.payment_intents += payment_intents_of([marked])
            # Before anything is gone, and however often this is repeated, once.
            self._record(actor, Action.ERASE_CUSTOMER, at, {}, str(order["_id"]))
            self._data.record_events_in_hand(order)
        tell("notes")
        erased.notes = self._data.delete_notes(order_ids)
        tell("audit_entries")
        erased.audit_entries = self._clear_audit(person, order_ids)
        tell("events")
        erased.events = self._clear_events(person, erased.payment_intents, order_ids)
        tell("views")
        for view in self._data.views():
            if person.is_in(view):
                self._data.delete_view(view)
                erased.views += 1
        tell("orders")
        for order in orders:
            self._clear_order(order, person, actor, at)
            erased.orders += 1
        if not orders and not erased.is_nothing:
            self._record(actor, Action.ERASE_CUSTOMER, at, {"events": erased.events, "views": erased.views})
        return erased

    def _clear_audit(self, person: Person, order_ids: list[str]) -> int:
        changed = 0
        for entry in self._data.audit_entries(order_ids):
            cleared = audit_entry_without(entry, person)
            if cleared != entry:
                self._data.replace_audit_entry(cleared)
                changed += 1
        return changed

    def _clear_events(self, person: Person, payments: list[str], order_ids: list[str]) -> int:
        changed = 0
        for event in self._data.events():
            if not concerns(event, person, payments, order_ids):
                continue
            fields = {name: event[name] for name in ("data", "error") if name in event}
            cleared = without_person(fields, person)
            if cleared != fields:
                self._data.replace_event(event, cleared)
                changed += 1
        return changed

    def _clear_order(self, order: dict[str, Any], person: Person, actor: Actor, at: datetime) -> None:
        # The store keeps milliseconds, and is asked for the very same entry.
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        written = TimelineEntry(at=at, kind="customer.erased", by=actor.name).model_dump(
            by_alias=True, exclude_none=True
        )
        current: dict[str, Any] | None = order
        while current is not None:
            if written in mappings_in(current.get("timeline")):
                # Done, and its answer was lost.
                return
            kept, gone = order_without(current, person)
            kept["timeline"].append(written)
            if self._data.clear_order(current, {**kept, "updatedAt": at}, gone):
                return
            current = self._data.find_order(order)

    def _record(
        self, actor: Actor, action: Action, at: datetime, after: dict[str, Any], order_id: str | None = None
    ) -> None:
        self._audit.record(
            AuditEntry.by(
                actor, action, at, order_id=order_id, after=after, attempt_id="once" if order_id else None
            )
        )


def _texts(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in ("note", "before", "after")}


def _ids(orders: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(order["_id"]) for order in orders]
