"""What an action has done, said once: kept over the rerun that shows the page as it is afterwards."""

from __future__ import annotations

from typing import Final

import streamlit as st

_NOTICE: Final = "notice"


def say(sentence: str) -> None:
    """Keeps a sentence for the next time the page is drawn."""
    st.session_state[_NOTICE] = sentence


def show() -> None:
    """Shows what was kept, if anything."""
    if sentence := st.session_state.pop(_NOTICE, None):
        st.toast(sentence, icon=":material/check:")
