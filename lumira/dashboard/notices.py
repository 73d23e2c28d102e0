"""What is said once, as what an action has done: kept over the rerun that shows the page as it is then."""

from __future__ import annotations

from typing import Final

import streamlit as st

_NOTICE: Final = "notice"


def say(sentence: str, icon: str = ":material/check:") -> None:
    """Keeps a sentence for the next time the page is drawn."""
    st.session_state[_NOTICE] = sentence, icon


def show() -> None:
    """Shows what was kept, if anything."""
    if kept := st.session_state.pop(_NOTICE, None):
        sentence, icon = kept
        st.toast(sentence, icon=icon)
