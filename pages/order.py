"""One order: its state, money, customer, the payment as Stripe shows it, what happened, and notes.

Everything of ours is drawn before Stripe is asked, so the page is there when Stripe is not.
"""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lumira.access import Permission
from lumira.dashboard import (
    customer_details,
    declines,
    money_returned,
    navigation,
    notices,
    order_actions,
    order_details,
    order_filters,
    order_notes,
    payment_actions,
    payment_link,
    personal_data,
    problems,
    stripe_details,
)
from lumira.dashboard.session import actor, desk, may
from lumira.dashboard.texts import level_name, text
from lumira.errors import LumiraError, OrderNotFound
from lumira.notes import Note
from lumira.orders import Order


def titled(name: str) -> DeltaGenerator:
    """A card under a title."""
    card = st.container(border=True, key=name.replace(".", "-"))
    card.header(text(name), anchor=False)
    return card


def in_one_line() -> DeltaGenerator:
    """A line whose last piece stands at its end."""
    return st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")


def show_head(order: Order) -> None:
    """The way back, whose order it is, how it stands and what can be done with it."""
    with in_one_line():
        st.page_link(
            navigation.orders(),
            label=text("order.to_list"),
            icon=":material/arrow_back:",
            query_params=order_filters.opened_from(),
        )
        order_actions.show_share(order)
    shown = order_details.price(order), level_name(order.level)
    st.set_page_config(page_title=navigation.tab_title(*shown))
    whose = order.known_as
    title = text("order.of", whose=problems.plain(whose)) if whose else text("result.order")
    st.title(title, anchor=False)
    st.caption(order_details.when(order))
    with st.container(border=True):
        with in_one_line():
            with st.container(width="content", key="order-state"):
                order_details.show_state(order)
            order_actions.show(order)
        order_details.show_disagreement(order)
        declines.show(order)
        order_actions.show_outcome(order)


def show_customer_and_facts(order: Order, notes: Sequence[Note]) -> DeltaGenerator:
    """The column at the right; answers the place for the PaymentIntent as Stripe has it."""
    with st.container(border=True):
        with in_one_line():
            st.header(text("order.customer"), anchor=False, width="content")
            order_actions.show_edit(order)
        customer_details.show(order)
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            order_actions.show_again(order)
            personal_data.show(order)
    with titled("order.facts"):
        order_details.show_facts(order)
    with titled("notes.title"):
        order_notes.show(order, notes)
    with titled("order.raw"):
        with st.expander(text("order.raw.order"), icon=":material/data_object:"):
            st.json(order_details.raw(order), expanded=1)
        return st.empty()


def show(order: Order) -> None:
    """The order: first what we know of it, then what Stripe tells."""
    show_head(order)
    disputes = st.empty()
    money_returned.show_disputes(order, None, disputes)
    notes = desk().notes.of_order(order.id, actor=actor())
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        if payment_link.is_offered(order):
            with titled("link.title"):
                payment_link.show(order)
        with titled("order.money"):
            money = st.empty()
            order_details.show_money(order, None, money)
            went_back = st.empty()
            money_returned.show(order, None, went_back)
        if order.stripe_payment_intent_id:
            with st.container(border=True):
                with in_one_line():
                    st.header(text("charges.title"), anchor=False, width="content")
                    with st.container(horizontal=True, width="content"):
                        if order.agrees_with_stripe:
                            order_actions.show_refresh(order)
                        stripe_details.show_link(order.stripe_payment_intent_id, type="tertiary")
                charges = st.empty()
        with st.container(border=True, key="order-timeline"):
            with in_one_line():
                st.header(text("order.timeline"), anchor=False, width="content")
                if may(Permission.READ_AUDIT):
                    st.page_link(
                        navigation.audit(),
                        label=text("audit.of_this_order"),
                        query_params={"order": order.id},
                        width="content",
                    )
            timeline = st.empty()
            order_details.show_timeline(order, timeline, notes)
    with right:
        raw = show_customer_and_facts(order, notes)
    if order.stripe_payment_intent_id and not order.status.is_final:
        payment_actions.follow(order)
    if not order.stripe_payment_intent_id:
        return
    # What was drawn above is drawn again with what Stripe tells.
    details = stripe_details.of(order)
    with charges.container():
        stripe_details.show_charges(details)
    if problems.is_passing(details):
        stripe_details.await_answer(order)
    if details is None or isinstance(details, LumiraError):
        return
    order_details.show_money(order, details, money)
    money_returned.show(order, details, went_back)
    money_returned.show_disputes(order, details, disputes)
    order_details.show_timeline(order, timeline, notes, details.charges)
    if not details.payment_intent:
        return
    with raw.container(), st.expander(text("order.raw.payment_intent"), icon=":material/data_object:"):
        st.json(details.payment_intent, expanded=1)


notices.show()
asked = st.query_params.get("id", "").strip()
try:
    opened = desk().intents.find(asked, actor=actor())
except OrderNotFound:
    order_details.show_unknown(asked)
else:
    show(opened)
