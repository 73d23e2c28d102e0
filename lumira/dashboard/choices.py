"""Choices that stand in the URL, so that a link shows the same to whoever opens it.

Streamlit's own binding writes the labels, which change with the language; here it is the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

import streamlit as st

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

    def changed() -> None:
        write(name, st.session_state[name], default)
        if on_change:
            on_change()

    st.session_state[name] = read(name, options, default)
    st.segmented_control(
        label,
        list(options),
        format_func=format_func,
        key=name,
        on_change=changed,
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
    if choice == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(choice)


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

    def changed() -> None:
        if st.session_state[name] == options[0]:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = st.session_state[name]
        if on_change:
            on_change()

    wanted = st.query_params.get(name)
    st.session_state[name] = wanted if wanted in options else options[0]
    st.selectbox(label, options, format_func=format_func, key=name, on_change=changed, width=width)
    return str(st.session_state[name])
