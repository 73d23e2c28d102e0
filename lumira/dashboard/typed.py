"""Forms that keep what is typed when their page is loaded anew: typed.js does it, in the browser's tab."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lumira.dashboard import session

# The lists that keep their choice, and what was chosen in those that have left the page with what failed.
_LISTS: Final = "typed-lists"
_CHOSEN: Final = "typed-chosen"


def kept(form: str) -> DeltaGenerator:
    """A container whose text fields keep what is typed until it was sent or given up, for whoever typed it.

    Fields are told apart by their labels, forms by `form`, the readers of one tab by a name made of theirs.
    """
    reader = hashlib.sha256(session.actor().name.encode()).hexdigest()[:12]
    return st.container(key=f"typed-{form}-{reader}")


def keep_choice(key: str, usual: Any) -> None:
    """Has the list of this key, which is drawn next, begin with `usual`, or with what was chosen in it before
    its page gave way to what failed: beside a name that is kept, the usual would pass for the choice.
    """
    st.session_state.setdefault(_LISTS, set()).add(key)
    chosen = st.session_state.setdefault(_CHOSEN, {}).pop(key, usual)
    st.session_state.setdefault(key, chosen)


def give_way() -> None:
    """Keeps what is chosen as a page gives way to what failed: Streamlit forgets lists that are not drawn."""
    lists: set[str] = st.session_state.get(_LISTS, set())
    kept = {key: st.session_state[key] for key in lists if key in st.session_state}
    st.session_state.setdefault(_CHOSEN, {}).update(kept)
