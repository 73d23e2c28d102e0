"""One attempt at a payment: what was asked and the idempotency key it is asked with, kept in the session.

The same request keeps its key through double clicks, reruns and failures, so it creates one PaymentIntent;
another request, or the next payment, gets a key of its own. The key stands in the form's address before
anything is asked: a reload before the answer begins a session that knows nothing of this one, and finds by it
what was made.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from lumira.dashboard import address, metadata_fields, session
from lumira.errors import IdempotencyConflict, InvalidMetadata
from lumira.intents import CreatedIntent
from lumira.orders import Order

# What the form is known by in the address.
KEY: Final = "attempt"
# What was asked last, with its key, and whether it made a payment.
_ASKED: Final = "attempt-asked"
# The key in the address, once this session has begun the attempt or looked for what came of it.
_KNOWN: Final = "attempt-known"
_FORM: Final = ("product", "email", "name", "phone")
_CLIENT_SECRETS: Final = "client_secrets"


def create(body: dict[str, Any]) -> CreatedIntent:
    """Creates the payment that `body` asks for, once an attempt. Raises what `Intents.create` raises."""
    key = _key_of(body)
    address.change({KEY: key})
    try:
        created = session.desk().intents.create(
            body, actor=session.actor(), source="desk", idempotency_key=key, request_id=key
        )
    except IdempotencyConflict:
        # The same address in another tab was faster, with another payment. Whoever asks again means this one.
        address.change(begin())
        raise
    st.session_state.setdefault(_CLIENT_SECRETS, {})[created.order_id] = created.client_secret
    st.session_state[_ASKED]["made"] = True
    return created


def begin() -> dict[str, str]:
    """Begins another attempt; what its address has to hold. What was typed stays, unless it was paid for."""
    asked = st.session_state.pop(_ASKED, None)
    if asked and asked["made"]:
        clear()
    st.session_state[_KNOWN] = uuid.uuid4().hex
    return {KEY: st.session_state[_KNOWN]}


def clear() -> None:
    """Empties the form."""
    for field in list(st.session_state):
        if field in _FORM or str(field).startswith(metadata_fields.FIELDS):
            del st.session_state[field]


def is_begun() -> bool:
    """Whether the address holds the key of an attempt."""
    return re.fullmatch("[0-9a-f]{32}", address.held().get(KEY, "")) is not None


def made_before() -> Order | None:
    """The order that the attempt in the address made before this session; None when there is none."""
    if not is_begun() or (key := address.held()[KEY]) == st.session_state.get(_KNOWN):
        return None
    # While the store does not answer nothing is known, and the next look asks again.
    order = session.desk().intents.find_by_attempt(key, actor=session.actor())
    st.session_state.pop(_ASKED, None)
    st.session_state[_KNOWN] = key
    return order


def client_secret(order_id: str) -> str:
    """The client secret of a payment, asked of Stripe once a session."""
    known = st.session_state.setdefault(_CLIENT_SECRETS, {})
    if order_id not in known:
        known[order_id] = session.desk().intents.client_secret(order_id, actor=session.actor())
    return str(known[order_id])


def metadata_of(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """The metadata that rows of `key` and `value` mean; rows without both are left out.

    Raises InvalidMetadata for a key that is there twice or that has no name.
    """
    metadata: dict[str, str] = {}
    for row in rows:
        key, value = row["key"].strip(), row["value"]
        if not key and not value:
            continue
        if key in metadata:
            raise InvalidMetadata(f"The key {key} is there twice.", duplicate=key)
        metadata[key] = value
    return metadata


def _key_of(body: dict[str, Any]) -> str:
    asked = st.session_state.get(_ASKED)
    if asked is None or asked["body"] != body:
        key = uuid.uuid4().hex if asked else st.session_state[_KNOWN]
        asked = st.session_state[_ASKED] = {"body": body, "key": key, "made": False}
    st.session_state[_KNOWN] = asked["key"]
    return str(asked["key"])
