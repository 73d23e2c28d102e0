"""The customer in a PaymentIntent's metadata: what the order says and Stripe does not, and its copy.

Store and gateway are handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lumira.documents import mapping_or_empty
from lumira.lifecycle import IN_FLIGHT, edited_unknown_to_stripe
from lumira.orders import CUSTOMER_EDITED, CUSTOMER_NOT_COPIED, CUSTOMER_NOT_ERASED, NAME_PARTS, Order
from lumira.person import KEPT_METADATA
from lumira.validation import METADATA_KEYS

if TYPE_CHECKING:
    from lumira.storage import Orders
    from lumira.stripe_gateway import StripeGateway


def owed_to_stripe(order: Order, payment_intent: Mapping[str, Any]) -> dict[str, str]:
    """The metadata that a PaymentIntent, whole, must be given to name the customer its order has.

    Where the customer was erased, whatever is not the house's own is to be emptied.
    """
    if not order.erased_at:
        return edited_unknown_to_stripe(order, payment_intent)
    if payment_intent.get("object") != "payment_intent":
        return {}
    known = mapping_or_empty(payment_intent.get("metadata"))
    return {name: "" for name, text in known.items() if text != "" and name not in KEPT_METADATA}


def never_copied(order: Order, payment_intent: Mapping[str, Any], seen_at: datetime) -> dict[str, str]:
    """What is owed to Stripe of a correction whose copy failed, or was cut short by a crash.

    Empty while the copy may still be under way, and for an order that nobody corrected: other programs write
    customers too. What an erasure leaves at Stripe is named to whoever erases; it is owed only where the
    order did not know its PaymentIntent then.
    """
    kinds = {CUSTOMER_NOT_ERASED} if order.erased_at else {CUSTOMER_EDITED, CUSTOMER_NOT_COPIED}
    told = [entry for entry in order.timeline if entry.kind in kinds]
    if not told or told[-1].at > seen_at - IN_FLIGHT:
        return {}
    return owed_to_stripe(order, payment_intent)


def copy_customer(
    orders: Orders,
    gateway: StripeGateway,
    order: Order,
    payment_intent_id: str,
    fields: Mapping[str, str],
) -> None:
    """Writes metadata of the order to its PaymentIntent. Raises StripeError.

    Of two writes at once, the one that comes last to Stripe may have come first to the store. So after each
    write the order is read again, and what it says otherwise by now is written too.
    """
    kept = [key for key, value in order.metadata.items() if value != ""]
    stale = dict(fields)
    while stale:
        gateway.update_payment_intent_metadata(payment_intent_id, fitting(fields, kept))
        stale = _edited_since(orders, order, fields)
        fields = {**fields, **stale}


def fitting(metadata: Mapping[str, str], kept: Collection[str] = ()) -> Mapping[str, str]:
    """As much of the metadata as Stripe takes beside the keys it has kept: all, or without the parts of a
    name, which the full name says too.
    """
    # Stripe keeps no key without a value.
    filled = {key for key, value in metadata.items() if value != ""}
    if len(filled.union(kept)) <= METADATA_KEYS:
        return metadata
    return {key: text for key, text in metadata.items() if key not in NAME_PARTS}


def _edited_since(orders: Orders, order: Order, fields: Mapping[str, str]) -> dict[str, str]:
    """Which of these metadata fields the order has with another text by now; none of one erased."""
    now = orders.find(order.id)
    if now is None or now.erased_at:
        return {}
    stored = {name: str(now.metadata.get(name, text)) for name, text in fields.items()}
    return {name: text for name, text in stored.items() if text != fields[name]}
