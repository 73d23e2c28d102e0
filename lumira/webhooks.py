"""Stripe's webhook deliveries: verify → record → apply → settle.

An event is settled only when its work is done, so a failure is a failed delivery that Stripe repeats. Events
arrive twice, late and out of order; the order ends the same (https://docs.stripe.com/webhooks#best-practices).
The end of a payment, which is most of what arrives, moves its order first and is recorded as settled.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from lumira.access import Actor, Permission, may, require
from lumira.audit import Action, AuditEntry
from lumira.documents import instant_of
from lumira.errors import (
    EventInProgress,
    EventNotFound,
    InvalidEvent,
    InvalidSignature,
    LumiraError,
    StoreUnavailable,
    StripeError,
    StripeRefused,
    WebhookNotConfigured,
)
from lumira.events import (
    APPLIED,
    EVERY_EVENT,
    OTHER_API_VERSION,
    OTHER_LIVEMODE,
    EventFilter,
    RecordedEvent,
    order_named_by,
    payment_intent_of,
)
from lumira.lifecycle import order_of
from lumira.logs import bound
from lumira.orders import Order, observe
from lumira.person import without_person
from lumira.redaction import without_secrets
from lumira.refunds import Refund, dispute_from, merge_refunds, refund_from, refunds_of_charge

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Events, Orders, RefusedSignatures
    from lumira.stripe_gateway import Event, PaymentIntent, StripeGateway

logger: Final = logging.getLogger("lumira.webhooks")

# The PaymentIntent status an event's type implies, for senders whose events carry none.
STATUS_BY_TYPE: Final = {
    "payment_intent.succeeded": "succeeded",
    "payment_intent.processing": "processing",
    "payment_intent.payment_failed": "requires_payment_method",
    "payment_intent.canceled": "canceled",
}
# What came of an event that changed no order.
UNCHANGED: Final = "unchanged"
IGNORED: Final = "ignored"
_FINAL_TYPES: Final = frozenset({"payment_intent.succeeded", "payment_intent.canceled"})
# How long a delivery waits for another worker that handles the same event, in seconds.
_PATIENCE: Final = 5.0
# How long a refused signature is reported, unless an event comes that shows that the secret is right: anybody
# who finds the address may send a wrong signature.
_REFUSAL_TOLD: Final = timedelta(hours=1)
# For so many seconds after it noted a refused signature a process notes no other: requests that anybody can
# send must not cost a write each.
_NOTED_ONCE: Final = 10.0
# Of more than so many events whose worker died, the others are retried the next time.
_STUCK_AT_ONCE: Final = 1_000
# How long the ledger keeps what it has processed.
KEPT: Final = timedelta(days=90)


@dataclass(frozen=True)
class Receipt:
    """The answer to a delivery: what came of it in a word, None when it had been handled before."""

    outcome: str | None

    @property
    def duplicate(self) -> bool:
        """Whether the event had been handled before."""
        return self.outcome is None


class Webhooks:
    """Handles deliveries. `verify` turns raw bytes, header and secret into an event or raises."""

    def __init__(
        self,
        events: Events,
        orders: Orders,
        gateway: StripeGateway,
        audit: AuditLog,
        refused: RefusedSignatures,
        *,
        secret: str | None,
        verify: Callable[[bytes, str | None, str], Event],
    ) -> None:
        self._events = events
        self._orders = orders
        self._gateway = gateway
        self._audit = audit
        self._secret = secret
        self._verify = verify
        self._refused = refused
        self._noted_until = -math.inf

    def refuses_signatures(self) -> bool:
        """Whether a signature was refused within the last hour, by whichever process, and no event has come
        since: one that does shows that the secret is right. Raises StoreUnavailable.
        """
        last = self._refused.last()
        if last is None or datetime.now(UTC) - last >= _REFUSAL_TOLD:
            return False
        return not self._events.any_since(last)

    def receive(self, payload: bytes, signature: str | None) -> Receipt:
        """Handles one delivery of raw bytes.

        Raises WebhookNotConfigured, InvalidSignature or InvalidEvent before anything is stored;
        StoreUnavailable when the ledger can't be reached, with no work done blind; and whatever made the
        handling fail, after the ledger has noted it. Stripe repeats the delivery of every error.
        """
        if self._secret is None:
            raise WebhookNotConfigured(
                "No webhook secret is configured. Set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret."
            )
        try:
            event = self._verify(payload, signature, self._secret)
        except InvalidSignature:
            if signature:
                self._note_refused()
            raise
        self._noted_until = -math.inf
        return Receipt(self._handle(event))

    def page(
        self,
        size: int,
        cursor: str | None = None,
        *,
        selected: EventFilter = EVERY_EVENT,
        actor: Actor,
    ) -> tuple[list[RecordedEvent], str | None]:
        """At most `size` events, newest first, with the ids of what they are about; and the next cursor."""
        require(actor, Permission.BROWSE)
        return self._events.page(size, cursor, selected)

    def of_payment(self, payment_intent_id: str, *, since: datetime, actor: Actor) -> list[RecordedEvent]:
        """The first 20 events about this PaymentIntent received since an instant (UTC), oldest first.

        For a payment that is being watched: `since` lies minutes back.
        """
        require(actor, Permission.BROWSE)
        return self._events.of_payment(payment_intent_id, since, 20)

    def find(self, event_id: str, *, actor: Actor) -> RecordedEvent:
        """One event of the ledger; of its payload only what it is about, without the permission to read it.

        Raises EventNotFound for an event that was never recorded.
        """
        require(actor, Permission.BROWSE)
        row = self._events.find(event_id)
        if row is None:
            raise EventNotFound(f"There is no event {event_id} in the ledger.")
        event = RecordedEvent.model_validate(without_secrets(row))
        return event if may(actor, Permission.READ_PAYLOAD) else event.without_payload()

    def retry(self, event_id: str, *, actor: Actor) -> str:
        """Handles a recorded event again and answers what came of it; a processed one stays as it is.

        The audit log tells of it once, of several who ask at the same time by the one who handled it.

        Raises EventNotFound for an event that was never recorded, and a LumiraError when the handling fails,
        after the ledger has noted it.
        """
        require(actor, Permission.RETRY_WEBHOOK)
        event = self._events.event(event_id)
        if event is None:
            raise EventNotFound(f"There is no event {event_id} in the ledger.")
        try:
            outcome = self._handle(event)
        except LumiraError:
            raise
        except Exception as error:
            # An event nobody foresaw fails alone: the others that are retried with it go on.
            raise LumiraError(f"The event could not be handled: {type(error).__name__}.") from error
        if outcome is None:
            return UNCHANGED
        self._audit.record(AuditEntry.by(actor, Action.RETRY_WEBHOOK, datetime.now(UTC), note=event_id))
        return outcome

    def retry_failed(self, *, actor: Actor) -> Iterator[tuple[str, str]]:
        """Handles every failed event again, oldest first, and those whose worker died, also one that retried
        them; yields each id with its outcome or error.
        """
        require(actor, Permission.RETRY_WEBHOOK)
        return self._retried(actor)

    def _retried(self, actor: Actor) -> Iterator[tuple[str, str]]:
        for event_id in [*self._events.stuck(_STUCK_AT_ONCE), *self._events.failed()]:
            try:
                yield event_id, self.retry(event_id, actor=actor)
            except StoreUnavailable:
                raise
            except LumiraError as error:
                yield event_id, error.message

    def prune(self, *, actor: Actor) -> int:
        """Removes events processed more than 90 days ago and answers how many; failed ones stay.

        Raises Forbidden.
        """
        require(actor, Permission.VIEW_SYSTEM)
        now = datetime.now(UTC)
        removed = self._events.prune(now - KEPT)
        if removed:
            self._audit.record(AuditEntry.by(actor, Action.PRUNE_WEBHOOKS, now, after={"events": removed}))
        return removed

    def _note_refused(self) -> None:
        if time.monotonic() < self._noted_until:
            return
        self._noted_until = time.monotonic() + _NOTED_ONCE
        # Without the store it is refused all the same.
        with contextlib.suppress(StoreUnavailable):
            self._refused.note(datetime.now(UTC))

    def _handle(self, event: Event) -> str | None:
        """Applies an event and settles it; what came of it, or None when it had been handled before."""
        with bound(event_id=event["id"], event_type=event["type"]):
            if self._move_at_once(event) and self._events.record(event, APPLIED):
                return _handled(APPLIED)
            if not self._claim(event):
                logger.info("webhook repeated")
                return None
            try:
                outcome = self._apply(event)
            except Exception as error:
                code, reason = _reason(error)
                self._events.fail(event["id"], reason, code)
                logger.warning("webhook failed", extra={"reason": reason})
                if isinstance(error, ValueError):
                    raise InvalidEvent(reason) from error
                raise
            self._events.settle(event["id"], outcome)
            return _handled(outcome)

    def _move_at_once(self, event: Event) -> bool:
        """Moves the order of a payment that the event ends, in one write; whether it did.

        Nothing is read or claimed before. Stripe never undoes the end of a payment, and the move is made once
        however often it is tried. So a crash before the event is recorded loses nothing: the move stands in
        the order's timeline under the event's id, and Stripe, which got no answer, delivers it again.
        """
        if event["type"] not in _FINAL_TYPES or self._left_alone(event):
            return False
        try:
            payment_intent = _with_status(event)
            final = observe(payment_intent, _created(event))
            return final.status.is_final and self._orders.move_unread(
                payment_intent["id"], final, by="stripe", event_id=event["id"]
            )
        except StoreUnavailable:
            raise
        except Exception:
            # What is wrong with it is found again, and noted, once the event is claimed.
            return False

    def _claim(self, event: Event) -> bool:
        """Whether the event is ours to handle; False when it has been handled."""
        deadline = time.monotonic() + _PATIENCE
        while (claim := self._events.claim(event)) == "busy":
            if time.monotonic() > deadline:
                raise EventInProgress("Another worker is handling this event; deliver it again later.")
            time.sleep(0.02)
        return claim == "ours"

    def _forget_erased(self, event: Event) -> None:
        """Keeps no person in the ledger whose order says that they were erased.

        Looked up after the event is recorded: whoever erases marks the order before reading the ledger, so
        one of the two sees the other. An order that was moved unread had not been marked by then.
        """
        data = event.get("data") or {}
        payment_intent_id = payment_intent_of(event["type"], data)
        erased = bool(payment_intent_id) and self._orders.is_erased(str(payment_intent_id))
        if not erased:
            # An order whose create request is not answered does not know its PaymentIntent.
            named = self._order_in_metadata(data)
            erased = named is not None and named.erased_at is not None
        if erased:
            self._events.replace_payload(event["id"], without_person(data))

    def _apply(self, event: Event) -> str:
        """Does what the event asks for and says in a word what came of it."""
        self._forget_erased(event)
        if left_alone := self._left_alone(event):
            return left_alone
        match event["type"].split("."):
            case ["payment_intent", "succeeded" | "canceled" | "processing" | "payment_failed"]:
                changed = self._apply_payment_intent(event)
            case ["charge", "refunded"]:
                changed = self._apply_refunded_charge(event)
            case ["refund", *_]:
                changed = self._apply_refund(event)
            case ["charge", "dispute", *_]:
                changed = self._apply_dispute(event)
            case _:
                return IGNORED
        return APPLIED if changed else UNCHANGED

    def _left_alone(self, event: Event) -> str | None:
        """Why an event is recorded and nothing more, in a word; None for one that is to be applied."""
        if event.get("livemode") not in (None, self._gateway.livemode):
            return OTHER_LIVEMODE
        if event.get("api_version") not in (None, "", self._gateway.api_version):
            return OTHER_API_VERSION
        return None

    def _apply_payment_intent(self, event: Event) -> bool:
        payment_intent, at = _with_status(event), _created(event)
        # Without an amount no order can be made of it: the amount would be a guess.
        is_incomplete = any(payment_intent.get(name) in (None, "") for name in ("amount", "currency"))
        lacks_money = is_incomplete and not self._has_order(event)
        if lacks_money or event["type"] not in _FINAL_TYPES:
            # These states may have changed since: what Stripe says now is worth more than the event.
            asked_at = datetime.now(UTC)
            try:
                payment_intent = self._gateway.retrieve_payment_intent(payment_intent["id"], once=True)
                at = asked_at
            except StripeError:
                if lacks_money:
                    raise
        order = order_of(self._orders, payment_intent, livemode=self._gateway.livemode)
        self._apply_what_came_before(payment_intent["id"])
        if self._orders.move(order, observe(payment_intent, at), by="stripe", event_id=event["id"]):
            return True
        # It may bring news without a move, and a delivery of it that was cut short may have made the move.
        after = self._orders.find(order.id) or order
        return any(entry.event_id == event["id"] for entry in after.timeline)

    def _apply_what_came_before(self, payment_intent_id: str) -> None:
        """Applies the refunds and disputes that were delivered before their order could be made.

        The first event of a payment that Stripe knows makes its order. A payment that Stripe does not know,
        as in an old sender's test events, has none until an event brings the PaymentIntent itself.
        """
        for event in self._events.awaiting_order(payment_intent_id):
            # One that makes no sense must not fail the event that brought the order.
            with contextlib.suppress(ValueError):
                self._events.settle(event["id"], self._apply(event))
            self._events.await_no_more(event["id"], payment_intent_id)

    def _apply_refunded_charge(self, event: Event) -> bool:
        """The charge holds the sum of its refunds; Stripe is asked for the refunds themselves.

        A part of the sum that Stripe does not list stands in as one refund: its list may lag behind its
        events, and an old sender's test event is of a payment that Stripe never had.
        """
        charge = event["data"]["object"]
        order = self._order_of_charge(event)
        if order is None or not order.payment_intent_id:
            return False
        happened_at = at = _created(event)
        listed: list[Refund] = []
        complete = False
        with contextlib.suppress(StripeError):
            asked_at = datetime.now(UTC)
            listed = [
                refund_from(refund)
                for refund in self._gateway.list_refunds(order.payment_intent_id, once=True)
            ]
            at = asked_at
            told = {refund.id for refund in refunds_of_charge(charge, listed, happened_at)}
            complete = told <= {refund.id for refund in listed}

        def news(known: Sequence[Refund]) -> list[Refund]:
            told = [] if complete else refunds_of_charge(charge, merge_refunds(known, listed), happened_at)
            return [*listed, *told]

        return self._orders.add_refunds(
            order, news, by="stripe", event_id=event["id"], complete=complete, as_of=at
        )

    def _apply_refund(self, event: Event) -> bool:
        refund = event["data"]["object"]
        order = self._order_of_charge(event)
        if order is None:
            return False
        at = _created(event)
        news = [refund_from(refund, event["type"], at)]
        return self._orders.add_refunds(order, news, by="stripe", event_id=event["id"], as_of=at)

    def _apply_dispute(self, event: Event) -> bool:
        dispute = event["data"]["object"]
        order = self._order_of_charge(event)
        if order is None:
            return False
        news = dispute_from(dispute, _created(event))
        return self._orders.add_dispute(order, news, event_id=event["id"])

    def _order_of_charge(self, event: Event) -> Order | None:
        """The order behind a charge, refund or dispute; one we don't know is made from its PaymentIntent.

        None for a charge of before PaymentIntents, which is no order of ours unless its metadata names one,
        and for one whose PaymentIntent Stripe does not know either.
        """
        payment_intent_id = payment_intent_of(event["type"], event["data"])
        if not payment_intent_id:
            return self._order_in_metadata(event["data"])
        order = self._orders.find_by_payment_intent(payment_intent_id)
        if order is None:
            asked_at = datetime.now(UTC)
            try:
                # Once: Stripe waits for our answer, and delivers again where there is none.
                payment_intent = self._gateway.retrieve_payment_intent(payment_intent_id, once=True)
            except StripeRefused as refusal:
                if refusal.extra.get("stripeCode") == "resource_missing":
                    self._events.await_order(event["id"], payment_intent_id)
                    # Somebody may have made the order before this was noted: they did not find it.
                    return self._orders.find_by_payment_intent(payment_intent_id)
                raise
            order = order_of(self._orders, payment_intent, livemode=self._gateway.livemode)
            # A refund or dispute does not name an order that has waited for its PaymentIntent until now.
            self._forget_erased(event)
            self._orders.move(order, observe(payment_intent, asked_at), by="stripe", event_id=event["id"])
            order = self._orders.find(order.id) or order
        return order

    def _has_order(self, event: Event) -> bool:
        """Whether there is an order of the event's PaymentIntent, or one that its metadata names."""
        known = self._orders.find_by_payment_intent(event["data"]["object"]["id"])
        return known is not None or self._order_in_metadata(event["data"]) is not None

    def _order_in_metadata(self, data: Mapping[str, Any]) -> Order | None:
        named = order_named_by(data)
        return self._orders.find(named) if named else None


def _reason(error: Exception) -> tuple[str, str]:
    """Why an event failed, for the ledger: the code of an error and a sentence."""
    match error:
        case LumiraError():
            return error.code, error.message
        case ValidationError():
            wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            return InvalidEvent.code, f"The event's object is not as Stripe sends it: {', '.join(wrong)}."
        case ValueError():
            return InvalidEvent.code, f"The event's object is not as Stripe sends it: {error}."
        case _:
            return LumiraError.code, type(error).__name__


def _handled(outcome: str) -> str:
    logger.info("webhook handled", extra={"outcome": outcome})
    return outcome


def _with_status(event: Event) -> PaymentIntent:
    """The event's PaymentIntent; where a minimal sender left the status out, the type implies it."""
    payment_intent = dict(event["data"]["object"])
    if not payment_intent.get("status"):
        payment_intent["status"] = STATUS_BY_TYPE[event["type"]]
        if event["type"] == "payment_intent.payment_failed":
            payment_intent["last_payment_error"] = payment_intent.get("last_payment_error") or {
                "code": "payment_failed"
            }
    return payment_intent


def _created(event: Event) -> datetime:
    """When the event happened (UTC); a minimal sender's happens as it arrives."""
    return instant_of(event.get("created"), datetime.now(UTC))
