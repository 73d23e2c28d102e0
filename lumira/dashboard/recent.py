"""Answers that a page which is drawn anew need not ask for again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

import streamlit as st

from lumira.errors import StripeError

Answer = TypeVar("Answer")

# A Stripe that says nothing holds up whoever waits for it: at every click on a page, were it asked each time.
FAILED_SECONDS: Final = 15
_FAILED: Final = "failed-lately"


def answer(name: str, asked: object, seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` answered in the last `seconds` to the question `asked` under this name, else its answer now.

    Only the last answer is kept, in the browser's session. Raises what `unless_failed` raises.
    """
    known: tuple[object, Answer, float] | None = st.session_state.get(name)
    if known and known[0] == asked and time.monotonic() < known[2] + seconds:
        return known[1]
    found = unless_failed(name, asked, ask)
    st.session_state[name] = (asked, found, time.monotonic())
    return found


def unless_failed(name: str, asked: object, ask: Callable[[], Answer]) -> Answer:
    """What `ask` answers; it is not called while Stripe has failed it within the last fifteen seconds.

    Raises what it raises, or has raised then, until somebody asks to `try_again`.
    """
    failed: dict[str, tuple[object, StripeError, float]] = st.session_state.setdefault(_FAILED, {})
    known = failed.get(name)
    if known and known[0] == asked and time.monotonic() < known[2] + FAILED_SECONDS:
        raise known[1].with_traceback(None)
    try:
        return ask()
    except StripeError as error:
        failed[name] = (asked, error, time.monotonic())
        raise


def try_again() -> None:
    """Has everything that failed asked again, at once."""
    st.session_state.pop(_FAILED, None)
