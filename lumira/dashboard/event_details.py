"""One event of the webhook ledger in words: what came of it, its facts, and what was delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import streamlit as st

from lumira import events
from lumira.access import Permission
from lumira.dashboard import markup, problems, session
from lumira.dashboard.texts import moment, number, text, text_or
from lumira.dashboard.theme import event_colour
from lumira.errors import OrderNotFound, OrderUnreadable
from lumira.events import OTHER_API_VERSION, RecordedEvent
from lumira.orders import Order
from lumira.redaction import without_secrets

_COPIED: Final = ("event.id", "event.type", "event.object", "order.payment_intent")


def outcome(event: RecordedEvent) -> str:
    """What came of an event, in words."""
    if event.state != "processed":
        return text_or(f"outcome.{event.state}", event.state)
    if event.outcome is None:
        return text("outcome.former")
    return text_or(f"outcome.{event.outcome.replace(' ', '_')}", event.outcome)


def outcome_or_error(event: RecordedEvent) -> str:
    """What came of an event, for a list that shows its state beside: of a failed one, why it failed."""
    return failure(event) if event.state == "failed" and event.error else outcome(event)


def type_name(event_type: str) -> str:
    """What an event tells, in words; Stripe's own name for a type that does nothing here."""
    return text_or(f"event_type.{event_type}", event_type)


def state_name(state: str) -> str:
    """The state of an event, in words."""
    return text_or(f"event_state.{state}", state)


def show(event: RecordedEvent) -> None:
    """State, error in full, facts, and the payload folded up."""
    st.html(markup.chips([(state_name(event.state), event_colour(event.state))]))
    if event.error and event.state == "failed":
        why, said = problems.plain(failure(event)), problems.plain(event.error)
        told = why if why == said else f"{why}  \n:small[{said}]"
        st.error(told, title=text("event.failed"), icon=":material/error:")
    else:
        st.markdown(f"**{problems.plain(outcome(event))}**")
    if event.outcome == OTHER_API_VERSION:
        st.caption(text("event.other_api_version", ours=session.desk().gateway.api_version))
    codes = frozenset(text(name) for name in _COPIED)
    st.html(markup.facts([(text(name), value) for name, value in _facts(event) if value], codes=codes))
    if session.may(Permission.READ_PAYLOAD):
        st.caption(text("event.payload"))
        st.json(without_secrets(event.data or {}), expanded=False)


def failure(event: RecordedEvent) -> str:
    """Why an event failed, in words; as the ledger has it where we have none."""
    return text_or(f"error.{event.error_code}", event.error or "")


def order_of(event: RecordedEvent) -> Order | None:
    """The order an event concerns, None when there is none, or none that can be read: the event says why."""
    payment_intent = payment_intent_of(event)
    if not payment_intent:
        return None
    try:
        return session.desk().intents.find(payment_intent, actor=session.actor())
    except (OrderNotFound, OrderUnreadable):
        return None


def payment_intent_of(event: RecordedEvent) -> str | None:
    """The id of the PaymentIntent an event is about."""
    return events.payment_intent_of(event.event_type, event.data or {})


def _facts(event: RecordedEvent) -> Iterator[tuple[str, str | None]]:
    yield "event.type", event.event_type
    yield "event.id", event.event_id
    yield "event.object", _text(_subject(event).get("id"))
    if payment_intent_of(event) != _subject(event).get("id"):
        yield "order.payment_intent", payment_intent_of(event)
    yield "event.received", moment(event.created_at, seconds=True) if event.created_at else None
    yield "event.processed", moment(event.processed_at, seconds=True) if event.processed_at else None
    yield "event.attempts", number(event.attempts)
    yield "event.api_version", event.api_version
    if event.livemode is not None:
        yield "event.mode", text("mode.live" if event.livemode else "mode.test")


def _subject(event: RecordedEvent) -> Mapping[str, Any]:
    subject = (event.data or {}).get("object")
    return subject if isinstance(subject, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
