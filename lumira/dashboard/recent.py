"""Answers that a page which is drawn anew need not ask for again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

Answer = TypeVar("Answer")


def answer(name: str, asked: object, seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` answered in the last `seconds` to the question `asked` under this name, else its answer now.

    Only the last answer is kept, in the browser's session; a failure is none.
    """
    known: tuple[object, Answer, float] | None = st.session_state.get(name)
    if known and known[0] == asked and time.monotonic() < known[2] + seconds:
        return known[1]
    found = ask()
    st.session_state[name] = (asked, found, time.monotonic())
    return found
