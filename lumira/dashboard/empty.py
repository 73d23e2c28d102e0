"""What stands where a page has nothing to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st


@contextmanager
def card(title: str, advice: str = "") -> Iterator[None]:
    """A card that says so and what to do about it, Markdown, with what the context draws beneath."""
    with st.container(border=True, horizontal_alignment="center", key="empty"):
        st.space("small")
        st.header(title, anchor=False, text_alignment="center", width="content")
        if advice:
            st.markdown(advice, text_alignment="center", width="content")
        yield
        st.space("small")
