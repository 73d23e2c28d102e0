"""A customer in what is stored: recognised in it, and taken out of it. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lumira.documents import mapping_or_empty, mappings_in
from lumira.events import order_named_by, payment_intent_of
from lumira.order_filter import fold
from lumira.orders import FREE_PREFIX

# What an order keeps of its fields: amounts, states, times and ids. Whatever another program added goes.
_KEPT_FIELDS: Final = frozenset(
    {
        *("_id", "__v", "productId", "amount", "currency", "status", "paymentIntentId"),
        *("createdAt", "updatedAt", "completedAt", "metadata", "stripeStatus", "stripeSyncedAt", "livemode"),
        *("amountRefunded", "refunds", "lastRefundAt", "disputes", "revision", "fee", "feeCurrency"),
        *("failureCode", "failureMessage", "latestCharge", "attemptId", "source", "createdBy"),
        *("paymentLinkAt", "timeline", "erasedAt"),
    }
)
# Which metadata stays: ours, where it says nothing about the person. A caller's own may say anything.
KEPT_METADATA: Final = frozenset(
    {
        *("productId", "productName", "level", "source", "timestamp", "requestId", "orderId"),
        *("freeProduct", "attemptId", "requestedBy"),
    }
)
# Where Stripe's objects hold the person or their card: https://docs.stripe.com/api
_PERSONAL: Final = frozenset(
    {
        *("billing_details", "customer_details", "shipping", "evidence", "individual", "owner"),
        *("email", "name", "phone", "address", "receipt_email", "receipt_url", "receipt_number"),
        *("customer", "customer_email", "customer_name", "customer_phone", "customer_address"),
        *("customer_shipping", "customer_account", "payment_method_details", "payment_method_options"),
        *("ip", "ip_address", "client_ip", "description", "fraud_details", "source"),
        "client_secret",
    }
)
# Why Stripe says a refund was made; any other words are staff's own and may name somebody.
_REASONS: Final = frozenset({"duplicate", "fraudulent", "requested_by_customer", "expired_uncaptured_charge"})
# The last digits of a telephone number that tell it from others; fewer are found by chance.
_PHONE_DIGITS: Final = 9


@dataclass(frozen=True)
class Person:
    """Who is looked for in texts: by e-mail address, full names and the ends of telephone numbers."""

    email: str
    names: frozenset[str] = field(default_factory=frozenset)
    phones: frozenset[str] = field(default_factory=frozenset)

    def is_named_in(self, text: str) -> bool:
        """Whether a text names them, in whatever case, accents and spaces.

        A first name alone names nobody: others have it too.
        """
        if re.search(rf"(?<![\w.+-]){re.escape(self.email)}(?![\w-]|\.\w)", text.lower()):
            return True
        folded = " ".join(fold(text).split()) if self.names else ""
        if any(re.search(rf"\b{re.escape(name)}\b", folded) for name in self.names):
            return True
        digits = re.sub(r"[\s().+/-]", "", text) if self.phones else ""
        return any(phone in digits for phone in self.phones)

    def is_in(self, value: object) -> bool:
        """Whether any text inside a JSON value names them, names of its members included."""
        match value:
            case str():
                return self.is_named_in(value)
            case Mapping():
                return any(self.is_in(str(key)) or self.is_in(member) for key, member in value.items())
            case list():
                return any(map(self.is_in, value))
            case _:
                return False


def person_of(email: str, orders: Iterable[Mapping[str, Any]]) -> Person:
    """Who the orders of this address say they are for."""
    names, phones = set(), set()
    for order in orders:
        metadata = mapping_or_empty(order.get("metadata"))
        whole = f"{metadata.get('customerFirstName') or ''} {metadata.get('customerLastName') or ''}"
        for name in (order.get("customerName"), metadata.get("customerName"), whole):
            words = fold(str(name or "")).split()
            if len(words) > 1:
                names.add(" ".join(words))
        for phone in (order.get("customerPhone"), metadata.get("customerPhone")):
            digits = re.sub(r"\D", "", str(phone or ""))
            if len(digits) >= _PHONE_DIGITS:
                # The same number is written with and without the country's.
                phones.add(digits[-_PHONE_DIGITS:])
    return Person(email, frozenset(names), frozenset(phones))


def payment_intents_of(orders: Iterable[Mapping[str, Any]]) -> list[str]:
    """The PaymentIntents of these orders; free orders have none."""
    ids = (str(order.get("paymentIntentId") or "") for order in orders)
    return [payment for payment in ids if payment and not payment.startswith(FREE_PREFIX)]


def order_without(order: Mapping[str, Any], person: Person) -> tuple[dict[str, Any], list[str]]:
    """The fields of a stored order that stay with other values, and the names of those that go."""
    metadata = mapping_or_empty(order.get("metadata"))
    kept_metadata = {
        name: value for name, value in metadata.items() if name in KEPT_METADATA and not person.is_in(value)
    }
    timeline = [_timeline_entry_without(entry, person) for entry in mappings_in(order.get("timeline"))]
    gone = [
        name
        for name, value in order.items()
        if name not in _KEPT_FIELDS or (name in {"attemptId", "failureMessage"} and person.is_in(value))
    ]
    return {"metadata": kept_metadata, "timeline": timeline}, gone


def _timeline_entry_without(entry: Mapping[str, Any], person: Person) -> dict[str, Any]:
    note = entry.get("note")
    staffs_own = note is not None and entry.get("by") != "stripe" and note not in _REASONS
    is_failure = str(entry.get("kind")).startswith("payment_intent.")
    if (staffs_own and not is_failure) or person.is_in(note):
        return without(entry, "note")
    return dict(entry)


def audit_entry_without(entry: Mapping[str, Any], person: Person) -> dict[str, Any]:
    """An audit entry without the person, and without words that staff wrote on one of their refunds."""
    cleared = dict(entry)
    note = entry.get("note")
    if note is not None and (
        (entry.get("action") in {"refund", "refund_unanswered"} and note not in _REASONS)
        or person.is_in(note)
    ):
        cleared["note"] = None
    for name in ("before", "after"):
        if person.is_in(entry.get(name)):
            cleared[name] = {}
    return cleared


def without_person(payload: Any, person: Person | None = None) -> Any:
    """What a webhook delivered, without what Stripe's objects hold of a person; handling it works as before.

    Texts elsewhere that name `person` are emptied.
    """
    match payload:
        case Mapping():
            return {
                key: _metadata_without(member) if key == "metadata" else without_person(member, person)
                for key, member in payload.items()
                if key not in _PERSONAL and not (key == "payment_method" and isinstance(member, Mapping))
            }
        case list():
            return [without_person(member, person) for member in payload]
        case str() if person and person.is_named_in(payload):
            return ""
        case _:
            return payload


def _metadata_without(metadata: object) -> dict[str, Any]:
    return {name: value for name, value in mapping_or_empty(metadata).items() if name in KEPT_METADATA}


def concerns(
    event: Mapping[str, Any], person: Person, payments: Collection[str], order_ids: Collection[str]
) -> bool:
    """Whether an event of the ledger is about one of these payments or orders, or holds the person's address.

    A name alone may be somebody else's.
    """
    data, address = event.get("data"), Person(person.email)
    subject = mapping_or_empty(data)
    about = payment_intent_of(str(event.get("eventType")), subject)
    if about in payments or order_named_by(subject) in order_ids:
        return True
    # Written out whole and looked through at once: a ledger holds millions of texts.
    delivered = {"data": data, "error": event.get("error")}
    written = json.dumps(delivered, ensure_ascii=False, default=str).lower()
    return json.dumps(person.email, ensure_ascii=False)[1:-1] in written and address.is_in(delivered)


def without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The document without these fields."""
    return {name: value for name, value in document.items() if name not in names}
