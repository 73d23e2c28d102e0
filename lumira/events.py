"""An event of the webhook ledger, and which of them a list shows. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from lumira.documents import InstantOrNone, StoredDocument, Text, bool_or_none, mapping_or_empty

# Where Stripe delivers: the endpoint, and its old address.
WEBHOOK_PATHS: Final = ("/api/products/webhook", "/api/stripe/webhook")
# The type of what the doctor delivers to try us: none of Stripe's, so nothing is done with it.
TEST_DELIVERY: Final = "lumira.test_delivery"
# The types that are acted on; every other is recorded and does nothing.
ACTED_ON: Final = (
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)

# The type of an event where another program has left it out.
UNKNOWN_TYPE: Final = "?"
# What came of an event whose order it changed, as the ledger keeps it.
APPLIED: Final = "applied"
# What came of an event that was recorded and left alone, as the ledger keeps it.
OTHER_LIVEMODE: Final = "other livemode"
OTHER_API_VERSION: Final = "other API version"


class EventState(StrEnum):
    """How far the handling of an event has come, as the ledger keeps it."""

    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"


class RecordedEvent(StoredDocument):
    """One event of the ledger: its `state`, what came of it, and what was delivered. A row of the program we
    replaced has neither state nor attempts: it recorded what it had processed.
    """

    event_id: str
    event_type: str = UNKNOWN_TYPE
    state: str = EventState.PROCESSED
    outcome: Text = None
    error: Text = None
    error_code: Text = None
    attempts: int = 1
    api_version: Text = None
    livemode: Annotated[bool | None, BeforeValidator(bool_or_none)] = None
    created_at: InstantOrNone = None
    processed_at: InstantOrNone = None
    data: Annotated[dict[str, Any] | None, BeforeValidator(mapping_or_empty)] = None

    def without_payload(self) -> RecordedEvent:
        """The event with nothing of what was delivered but the ids of what it is about."""
        subject = mapping_or_empty((self.data or {}).get("object"))
        ids = {name: found for name in ("id", "payment_intent") if (found := _id(subject.get(name)))}
        return self.model_copy(update={"data": {"object": ids}})


@dataclass(frozen=True)
class EventFilter:
    """Which events are listed: of one state, of one type, received since an instant (UTC); None for all."""

    state: EventState | None = None
    type: str | None = None
    since: datetime | None = None

    def admits(self, event: RecordedEvent) -> bool:
        """Whether an event is of the state, the type and the time asked for; undated, it is of no time."""
        is_recent = self.since is None or (event.created_at is not None and event.created_at >= self.since)
        return is_recent and self.state in (None, event.state) and self.type in (None, event.event_type)


EVERY_EVENT: Final = EventFilter()


def payment_intent_of(event_type: str, data: Mapping[str, Any]) -> str | None:
    """The id of the PaymentIntent that an event with this `data` is about."""
    subject = mapping_or_empty(data.get("object"))
    return _id(subject.get("id" if event_type.startswith("payment_intent.") else "payment_intent"))


def order_named_by(data: Mapping[str, Any]) -> str | None:
    """The id in metadata.orderId: all that an old sender's refund or dispute says of its payment."""
    metadata = mapping_or_empty(mapping_or_empty(data.get("object")).get("metadata"))
    return _id(metadata.get("orderId"))


def _id(named: object) -> str | None:
    """The id of what is named by it, or given whole."""
    found = named.get("id") if isinstance(named, Mapping) else named
    return found if isinstance(found, str) and found else None
