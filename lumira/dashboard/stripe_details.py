"""What Stripe shows of one payment: its charges, how each was paid and judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import streamlit as st

from lumira.dashboard import markup, problems, recent, session
from lumira.dashboard.texts import country_name, failure_reason, moment, text, text_or
from lumira.dashboard.theme import STATUS_COLOURS
from lumira.errors import LumiraError
from lumira.orders import Order
from lumira.payment_details import ChargeDetails, PaymentDetails


def of(order: Order) -> PaymentDetails | LumiraError | None:
    """What Stripe says of this payment, asked once for each state of the order; an error where it can't, for
    as long as `recent` keeps it.
    """
    if not order.stripe_payment_intent_id:
        return None
    key, state = f"details-{order.id}", (order.updated_at, order.stripe_status, order.stripe_synced_at)
    known = st.session_state.get(key)
    if known is None or known[0] != state:
        payments, actor = session.desk().payments, session.actor()
        try:
            details = recent.unless_failed(key, state, lambda: payments.details(order.id, actor=actor))
        except LumiraError as error:
            return error
        # Stripe works out its fee a moment after the payment: until then it is asked again.
        if details is None or (details.paid and details.paid.fee is None):
            return details
        known = st.session_state[key] = (state, details)
    read: PaymentDetails = known[1]
    return read


@st.fragment(run_every=recent.FAILED_SECONDS)
def await_answer(order: Order) -> None:
    """On a page that shows an error of `of`: has it drawn anew as soon as Stripe answers."""
    if not isinstance(of(order), LumiraError):
        st.rerun()


def show_link(payment_intent_id: str, *, type: Literal["secondary", "tertiary"] = "secondary") -> None:
    """The way to where Stripe itself, or the sandbox, shows the payment."""
    gateway = session.desk().gateway
    st.link_button(
        text("order.at_sandbox" if gateway.is_sandbox else "order.at_stripe"),
        gateway.payment_intent_url(payment_intent_id),
        icon=":material/open_in_new:",
        type=type,
    )


def show_charges(details: PaymentDetails | LumiraError | None) -> None:
    """Every attempt to pay, newest first; what to do where there is none, or Stripe does not answer."""
    if isinstance(details, LumiraError):
        problems.show(details)
        return
    if details is None or not details.charges:
        st.caption(text("charges.none"))
        return
    for charge in details.charges:
        with st.container(gap="small"):
            st.html(markup.chips([(text_or(f"charge.{charge.status}", charge.status), colour(charge))]))
            facts = _facts(charge, dated=charge is not details.paid)
            st.html(markup.facts(list(facts), codes=frozenset({text("charge.id")})))


def method(charge: ChargeDetails) -> str:
    """How it was paid: Visa •••• 4242."""
    name = (charge.brand or charge.method or "?").replace("_", " ")
    shown = text_or(f"method.{charge.brand or charge.method}", name.capitalize())
    return f"{shown} •••• {charge.last4}" if charge.last4 else shown


def _facts(charge: ChargeDetails, *, dated: bool) -> Iterator[tuple[str, str]]:
    yield text("charge.method"), method(charge)
    if charge.expiry:
        yield text("charge.expiry"), charge.expiry
    if charge.country:
        yield text("charge.country"), country_name(charge.country)
    if charge.risk:
        yield text("charge.risk"), text_or(f"risk.{charge.risk}", charge.risk)
    if charge.status == "failed":
        yield text("order.failure"), failure_reason(charge.failure_code)
    # When the order was paid stands under its title, and Stripe's fee with its money.
    if dated:
        yield text("charge.at"), moment(charge.created_at, seconds=True)
    yield text("charge.id"), charge.id


def colour(charge: ChargeDetails) -> str:
    """The colour of the order status that such a charge leads to."""
    known = {"succeeded": "completed", "failed": "failed"}
    return STATUS_COLOURS[known.get(charge.status, "processing")]
