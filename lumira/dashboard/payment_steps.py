"""A payment step by step: what Stripe was asked, what it answered, and what its webhook did here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from lumira.dashboard import (
    event_details,
    markup,
    order_details,
    payment_actions,
    problems,
    session,
    stripe_details,
)
from lumira.dashboard.texts import failure_reason, moment, text, text_or
from lumira.dashboard.theme import NEUTRAL, STATUS_COLOURS, event_colour
from lumira.errors import LumiraError
from lumira.events import RecordedEvent
from lumira.orders import Order, OrderStatus, TimelineEntry
from lumira.payment_details import ChargeDetails, PaymentDetails

# A webhook comes within seconds; a payment is watched for minutes. Older events stand under Webhooks.
_WATCHED: Final = timedelta(hours=1)
_GREEN: Final = STATUS_COLOURS["completed"]
_RED: Final = STATUS_COLOURS["failed"]
_BLUE: Final = STATUS_COLOURS["processing"]


@st.fragment(run_every=2)
def show(order: Order, *, answered: bool) -> None:
    """The steps so far, oldest first; kept up to date. A move of the order draws the whole page anew, and so
    does the first answer of a Stripe that had not `answered` when it was drawn.
    """
    try:
        now = session.desk().intents.find(order.id, actor=session.actor())
        since = max(order.created_at, datetime.now(UTC) - _WATCHED)
        events = session.desk().webhooks.of_payment(
            str(order.payment_intent_id), since=since, actor=session.actor()
        )
        refused = session.desk().webhooks.refuses_signatures()
    except LumiraError as error:
        problems.show(error)
        return
    if payment_actions.has_moved(order, now):
        st.rerun()
    details = stripe_details.of(now)
    if isinstance(details, LumiraError):
        problems.show(details)
        details = None
    elif not answered:
        st.rerun()
    st.html(markup.timeline(steps(now, details, events, refused=refused)))


def steps(
    order: Order, details: PaymentDetails | None, events: Sequence[RecordedEvent], *, refused: bool = False
) -> list[markup.Step]:
    """What happened in the order it did, and what is waited for now; `refused` where deliveries are."""
    charges = list(reversed(details.charges)) if details else []
    happened = [
        (order.created_at, 0, _created(order)),
        *((charge.created_at, 1, step) for charge in charges for step in _tried(charge)),
        *((entry.at, 2, order_details.step(order, entry)) for entry in _cancelled(order)),
        *((event.created_at, 3, _told(event)) for event in events if event.created_at),
    ]
    # Stripe counts in whole seconds: what it did comes before what it told in the same second.
    happened.sort(key=lambda one: (one[0].replace(microsecond=0), one[1]))
    done = [step for _, _, step in happened]
    return [*done, *_waiting(order, details, events, refused=refused)]


def _cancelled(order: Order) -> list[TimelineEntry]:
    return [entry for entry in order.timeline if entry.after == OrderStatus.CANCELLED]


def _created(order: Order) -> markup.Step:
    return markup.Step(
        text("steps.created"),
        f"PaymentIntent {order.payment_intent_id}",
        moment(order.created_at, seconds=True),
        NEUTRAL,
    )


def _tried(charge: ChargeDetails) -> Iterator[markup.Step]:
    when = moment(charge.created_at, seconds=True)
    yield markup.Step(text("steps.card", method=stripe_details.method(charge)), "", when, NEUTRAL)
    if charge.status == "failed":
        reason = failure_reason(charge.failure_code)
        yield markup.Step(text("steps.declined", reason=reason), charge.id, when, _RED)
    elif charge.status == "succeeded":
        yield markup.Step(text("steps.accepted"), charge.id, when, _GREEN)
    else:
        yield markup.Step(text("steps.pending"), charge.id, when, _BLUE)


def _told(event: RecordedEvent) -> markup.Step:
    state = text_or(f"steps.webhook.{event.state}", event.state)
    when = f" · {moment(event.created_at, seconds=True)}" if event.created_at else ""
    return markup.Step(
        text("steps.webhook", type=event.event_type, state=state),
        event_details.failure(event),
        f"{event.event_id}{when}",
        event_colour(event.state),
    )


def _waiting(
    order: Order, details: PaymentDetails | None, events: Sequence[RecordedEvent], *, refused: bool
) -> Iterator[markup.Step]:
    if details and details.action_url:
        yield markup.Step(text("steps.bank"), text("steps.bank.next"), "", _BLUE)
    recent = datetime.now(UTC) - order.updated_at < _WATCHED
    told = any(event.event_type == "payment_intent.succeeded" for event in events)
    if order.status == "completed" and recent and not told:
        why = text("health.webhooks.refused") if refused else ""
        yield markup.Step(text("steps.awaits_webhook"), why, "", _RED if refused else NEUTRAL)
    # A Stripe that does not answer may have been given a card by now.
    elif order.status.awaits_payment and details and not details.action_url:
        yield markup.Step(text("steps.awaits_card"), "", "", NEUTRAL)
