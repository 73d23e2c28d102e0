"""The metadata of a new payment: a key and its value beside it, and always one empty row more."""

from __future__ import annotations

from itertools import count
from typing import Final

import streamlit as st

from lumira.dashboard.texts import text

# What the names of the fields in the session begin with.
FIELDS: Final = "metadata-"
_COLUMNS: Final = ("key", "value")


def show() -> list[dict[str, str]]:
    """The fields, in a container that is `typed.kept`; the rows of `key` and `value` that are filled."""
    rows = _rows()
    filled = [row for row in rows if any(row.values())]
    with st.expander(text("new_payment.metadata"), icon=":material/sell:", expanded=bool(filled)):
        st.caption(text("new_payment.metadata.help"))
        for number in range(1, len(rows) + 2):
            with st.container(horizontal=True, gap="small"):
                for column in _COLUMNS:
                    st.text_input(
                        # What is typed is told apart by the labels, a screen reader's rows too.
                        text(f"new_payment.metadata.{column}", number=number),
                        placeholder=text(f"new_payment.metadata.{column}.hint"),
                        key=f"{FIELDS}{column}-{number}",
                        persist_state="session",
                        label_visibility="collapsed",
                    )
    return filled


def _rows() -> list[dict[str, str]]:
    """The rows up to the last one in which something stands."""
    rows: list[dict[str, str]] = []
    for number in count(1):
        names = {column: f"{FIELDS}{column}-{number}" for column in _COLUMNS}
        if not any(name in st.session_state for name in names.values()):
            break
        rows.append({column: st.session_state.get(name) or "" for column, name in names.items()})
    while rows and not any(rows[-1].values()):
        rows.pop()
    return rows
