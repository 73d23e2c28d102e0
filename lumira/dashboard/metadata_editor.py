"""The rows of metadata of a new payment: they stay through another language, another page and a reload."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import streamlit as st

from lumira.dashboard import address, attempt, session
from lumira.dashboard.texts import text

# In the session: the rows, and those that their editor began with.
_ROWS: Final = "metadata"
_BEFORE: Final = "metadata-before"
# The rows as text, and how often the browser has brought them back.
_KEPT: Final = "metadata-kept"
_BROUGHT: Final = "metadata-brought"

Rows = list[dict[str, Any]]


def show() -> Rows:
    """The editor in a container whose fields are `typed.kept`; its rows of `key` and `value`.

    In another language, or after another page, it is another editor, which begins with the rows of the last.
    """
    brought = st.session_state.get(_BROUGHT, 0)
    key = f"metadata-{address.held().get(attempt.KEY)}-{session.language()}-{brought}"
    if key not in st.session_state:
        st.session_state[_BEFORE] = _filled(st.session_state.get(_ROWS, ()))
    before = st.session_state[_BEFORE]
    with st.expander(text("new_payment.metadata"), icon=":material/sell:", expanded=bool(before)):
        st.caption(text("new_payment.metadata.help"))
        rows: Rows = st.data_editor(
            before or [{"key": "", "value": ""}],
            num_rows="dynamic",
            column_config={
                "key": text("new_payment.metadata.key"),
                "value": text("new_payment.metadata.value"),
            },
            key=key,
            hide_index=True,
            alt=text("new_payment.metadata"),
        )
    st.session_state[_ROWS] = rows
    _keep(_filled(rows))
    return rows


def _keep(rows: Rows) -> None:
    """Has the browser's tab keep the rows: what it keeps is text in a field, here one that nobody sees."""
    brought_back = address.control(_KEPT, json.dumps(rows, ensure_ascii=False) if rows else "", _bring_back)
    with st.container(key="kept"):
        st.text_input("metadata", key=_KEPT, on_change=brought_back, label_visibility="collapsed")


def _bring_back(kept: str) -> None:
    try:
        rows = json.loads(kept)
    except ValueError:
        return
    st.session_state[_ROWS] = _filled(rows)
    st.session_state[_BROUGHT] = st.session_state.get(_BROUGHT, 0) + 1


def _filled(rows: Iterable[Mapping[str, Any]]) -> Rows:
    return [
        {name: str(row.get(name) or "") for name in ("key", "value")}
        for row in rows
        if row.get("key") or row.get("value")
    ]
