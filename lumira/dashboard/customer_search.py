"""The field that finds a customer of earlier orders while their name or address is typed."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from lumira.customers import SHORTEST, Customer
from lumira.dashboard import problems, session
from lumira.dashboard.texts import text

_SEARCH = "customer-search"


def show(fields: Mapping[str, str]) -> None:
    """The field and who it finds; choosing one fills `fields`, the keys of the form's own fields by name."""
    st.text_input(
        text("customer.search"),
        type="search",
        placeholder=text("customer.search.hint"),
        key=_SEARCH,
        live="300ms",
        icon=":material/person_search:",
    )
    typed = str(st.session_state[_SEARCH] or "")
    if len(typed.strip()) < SHORTEST:
        return
    found = session.desk().customers.search(typed, actor=session.actor())
    if not found:
        st.caption(text("customer.search.none"))
        return
    with st.container(gap="xxsmall", key="found-customers"):
        for place, customer in enumerate(found):
            named = f"{customer.name} · {customer.email}" if customer.name else customer.email
            st.button(
                problems.plain(named),
                icon=":material/person:",
                type="tertiary",
                on_click=fill,
                args=(fields, customer),
                key=f"found-{place}",
            )


def fill(fields: Mapping[str, str], customer: Customer) -> None:
    """Puts the customer into the form."""
    st.session_state[fields["email"]] = customer.email
    st.session_state[fields["name"]] = customer.name or ""
    st.session_state[fields["phone"]] = customer.phone or ""
    st.session_state[_SEARCH] = ""
