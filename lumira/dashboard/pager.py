"""The way through a list whose page stands in the URL: `after` is the cursor the page begins behind."""

from __future__ import annotations

from typing import Final

import streamlit as st

from lumira.dashboard import address
from lumira.dashboard.texts import text

_PAGES_BEFORE: Final = "pages_before"
SIZES: Final = (25, 50, 100)
_USUAL_SIZE: Final = 50


def size() -> int:
    """How many rows a page has: `size` of the URL where it is one of SIZES."""
    wanted = st.query_params.get("size", "")
    return int(wanted) if wanted in map(str, SIZES) else _USUAL_SIZE


def show_size() -> None:
    """The choice of how many rows a page has; the list begins anew with it."""

    def changed(rows: int) -> None:
        address.change({"after": None, "size": None if rows == _USUAL_SIZE else str(rows)})

    used = address.control("size", size(), changed)
    st.selectbox(
        text("orders.size"),
        SIZES,
        format_func=lambda rows: f"{rows} {text('orders.size').lower()}",
        key="size",
        on_change=used,
        label_visibility="collapsed",
        width=150,
    )


def after() -> str | None:
    """The cursor of the page that is shown, None for the first."""
    return st.query_params.get("after")


def turn_to(cursor: str | None) -> None:
    """Turns the list to the page that begins after `cursor`, the first one for None."""
    address.change({"after": cursor})


def show(next_cursor: str | None) -> None:
    """The buttons: reload, newest, previous where the way back is known, and next."""
    here = after()
    with st.container(horizontal=True, width="content"):
        st.button(text("pager.reload"), icon=":material/refresh:", type="tertiary", key="reload")
        if here:
            show_newest()
            if before := st.session_state.get(_PAGES_BEFORE, {}).get(here, ""):
                st.button(
                    text("pager.previous"),
                    icon=":material/chevron_left:",
                    on_click=turn_to,
                    args=(before,),
                    key="previous",
                )
        st.button(
            text("pager.next"),
            icon=":material/chevron_right:",
            icon_position="right",
            on_click=_turn_forward,
            args=(next_cursor,),
            disabled=next_cursor is None,
            key="next",
        )


def show_newest() -> None:
    """The button that leads to the first page."""
    st.button(
        text("pager.newest"), icon=":material/first_page:", on_click=turn_to, args=(None,), key="newest"
    )


def _turn_forward(cursor: str) -> None:
    """Turns to the next page, and remembers the way back."""
    st.session_state.setdefault(_PAGES_BEFORE, {})[cursor] = after()
    turn_to(cursor)
