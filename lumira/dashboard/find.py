"""The search that is on every page: it leads to the one thing that is meant, else to the list."""

from __future__ import annotations

from typing import Final

import streamlit as st

from lumira.dashboard import address, navigation, recent, session
from lumira.dashboard.amounts import minor_units
from lumira.dashboard.texts import text
from lumira.errors import LumiraError
from lumira.order_filter import SEARCH_LENGTH
from lumira.pasted import EVENTS, PAYOUTS, id_in, last4_in, money_in

_SEARCHES: Final = "searches"
_NAMED: Final = "order-named"
# Every click on a list that shows nothing draws it anew.
_SECONDS: Final = 30


def show() -> None:
    """The field for a name, an e-mail address, a number of any kind, or an amount."""
    # A search that has led somewhere gives way to an empty one under a new key.
    searches = st.session_state.setdefault(_SEARCHES, 0)
    asked = st.text_input(
        text("find"),
        placeholder=text("find.hint"),
        icon=":material/search:",
        max_chars=SEARCH_LENGTH,
        key=f"find-{searches}",
        label_visibility="collapsed",
    ).strip()
    if not asked:
        return
    st.session_state[_SEARCHES] += 1
    found = id_in(asked)
    if found and found.startswith(EVENTS):
        address.leave(navigation.webhooks(), {"event": found})
    if found and found.startswith(PAYOUTS) and navigation.is_open(navigation.payouts()):
        address.leave(navigation.payouts(), {"payout": found})
    if found and (order_id := _opened_by(found)):
        address.leave(navigation.order(), {"id": order_id})
    typed = money_in(asked)
    if typed and (amount := minor_units(typed, "eur")) is not None:
        address.leave(navigation.orders(), {"min": str(amount), "max": str(amount)})
    if last4 := last4_in(asked):
        address.leave(navigation.orders(), {"q": last4})
    # Only the id of a pasted address is searched for, but all of an id with words beside it.
    words = found if found and "/" in asked else asked
    address.leave(navigation.orders(), {"q": words})


def order_id_of(named: str) -> str | None:
    """`Payments.order_id_of`, which is asked once by the search and the list it leads to."""
    payments, actor = session.desk().payments, session.actor()
    return recent.answer(_NAMED, named, _SECONDS, lambda: payments.order_id_of(named, actor=actor))


def _opened_by(found: str) -> str | None:
    try:
        return order_id_of(found)
    except LumiraError:
        # The list says what is wrong.
        return None
