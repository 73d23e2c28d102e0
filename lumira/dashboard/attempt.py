"""One attempt at a payment: what was asked and the idempotency key it is asked with, kept in the session.

The same request keeps its key through double clicks, reruns and failures, so it creates one PaymentIntent;
another request, or the next payment, gets a key of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from lumira.dashboard import session
from lumira.errors import InvalidMetadata
from lumira.intents import CreatedIntent

_ATTEMPT: Final = "attempt"
_CLIENT_SECRETS: Final = "client_secrets"


def create(body: dict[str, Any]) -> CreatedIntent:
    """Creates the payment that `body` asks for, once an attempt. Raises what `Intents.create` raises."""
    key = _key_of(body)
    created = session.desk().intents.create(
        body, actor=session.actor(), source="desk", idempotency_key=key, request_id=key
    )
    st.session_state.setdefault(_CLIENT_SECRETS, {})[created.order_id] = created.client_secret
    return created


def finish() -> None:
    """Ends the attempt: the same request made again is another payment."""
    st.session_state.pop(_ATTEMPT, None)


def client_secret(order_id: str) -> str:
    """The client secret of a payment, asked of Stripe once a session."""
    known = st.session_state.setdefault(_CLIENT_SECRETS, {})
    if order_id not in known:
        known[order_id] = session.desk().intents.client_secret(order_id, actor=session.actor())
    return str(known[order_id])


def metadata_of(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The metadata that the editor's rows of `key` and `value` mean; rows without both are left out.

    Raises InvalidMetadata for a key that is there twice or that has no name.
    """
    metadata: dict[str, str] = {}
    for row in rows:
        key, value = str(row.get("key") or "").strip(), str(row.get("value") or "")
        if not key and not value:
            continue
        if key in metadata:
            raise InvalidMetadata(f"The key {key} is there twice.", duplicate=key)
        metadata[key] = value
    return metadata


def _key_of(body: dict[str, Any]) -> str:
    attempt = st.session_state.get(_ATTEMPT)
    if attempt is None or attempt["body"] != body:
        attempt = st.session_state[_ATTEMPT] = {"body": body, "key": uuid.uuid4().hex}
    return str(attempt["key"])
