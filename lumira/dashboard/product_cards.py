"""The products as cards to choose from, and as a line of a summary."""

from __future__ import annotations

import streamlit as st

from lumira.catalog import CATALOG, Product
from lumira.dashboard import address, markup
from lumira.dashboard.texts import level_name, money, text
from lumira.dashboard.theme import level_colour


def price(product: Product) -> str:
    """What a product costs, in words."""
    return text("new_payment.free") if product.is_free else money(product.amount, product.currency)


def choose(key: str) -> Product | None:
    """The product chosen so far, kept in the session and the address under `key`; draws a card for each."""
    # A session that begins with this address goes on where another ended.
    named = CATALOG.get(address.held().get(key, ""))
    if key not in st.session_state and named and not named.coming_soon:
        st.session_state[key] = named.id
    st.html(markup.card_colours({product.id: level_colour(product.level) for product in CATALOG.values()}))
    with st.grid(4, key="four-products"):
        for product in CATALOG.values():
            _card(product, key)
    return CATALOG.get(st.session_state.get(key, ""))


def show(product: Product) -> None:
    """The product as the summary shows it."""
    st.html(
        markup.amount(price(product), product.name)
        + markup.chips([(level_name(product.level), level_colour(product.level))])
    )


def _card(product: Product, key: str) -> None:
    chosen, level = st.session_state.get(key) == product.id, level_name(product.level)
    with st.container(border=True, key=f"product-{product.id}", height="stretch"):
        holds = [text(f"holds.{item}") for item in (*product.access, *product.bonus)]
        st.html(markup.product(product.name, price(product), text(f"product.{product.id}"), holds))
        # Named for its level: who hears the buttons one after the other does not hear the cards around them.
        if product.coming_soon:
            label, icon = text("new_payment.soon"), ":material/schedule:"
        elif chosen:
            label, icon = text("new_payment.chosen", level=level), ":material/check:"
        else:
            label, icon = text("new_payment.choose", level=level), None
        st.button(
            label,
            icon=icon,
            type="primary" if chosen else "secondary",
            disabled=product.coming_soon,
            on_click=_choose,
            args=(key, product.id),
            key=f"choose-{product.id}",
            width="stretch",
        )


def _choose(key: str, product_id: str) -> None:
    st.session_state[key] = product_id
    address.change({key: product_id})
