"""Choices that stand in the URL, so that a link shows the same to whoever opens it.

Streamlit's own binding writes the labels, which change with the language; here it is the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

import streamlit as st

from lumira.dashboard import address

Choice = TypeVar("Choice", bound=StrEnum)


def choose(
    name: str,
    label: str,
    options: type[Choice],
    default: Choice,
    *,
    format_func: Callable[[Choice], str],
    on_change: Callable[[], None] | None = None,
) -> Choice:
    """One of the options, shown side by side; the URL's `name` is its value unless it is the default."""

    def changed(chosen: Choice) -> None:
        write(name, chosen, default)
        if on_change:
            on_change()

    used = address.control(name, read(name, options, default), changed)
    st.segmented_control(
        label,
        list(options),
        format_func=format_func,
        key=name,
        on_change=used,
        required=True,
        wrap=True,
    )
    return options(st.session_state[name])


def read(name: str, options: type[Choice], default: Choice) -> Choice:
    """The choice the URL holds; the default when it holds none, or none of ours."""
    try:
        return options(st.query_params.get(name, default))
    except ValueError:
        return default


def write(name: str, choice: Choice, default: Choice) -> None:
    """Puts a choice into the URL, which stays clean of defaults."""
    address.change({name: None if choice == default else str(choice)})


def choose_text(
    name: str,
    label: str,
    options: Sequence[str],
    *,
    format_func: Callable[[str], str] = str.upper,
    on_change: Callable[[], None] | None = None,
    width: int,
) -> str:
    """One of several texts, from a list that opens; the URL's `name` unless it is the first."""

    def changed(chosen: str) -> None:
        address.change({name: None if chosen == options[0] else chosen})
        if on_change:
            on_change()

    wanted = st.query_params.get(name)
    used = address.control(name, wanted if wanted in options else options[0], changed)
    st.selectbox(label, options, format_func=format_func, key=name, on_change=used, width=width)
    return str(st.session_state[name])
