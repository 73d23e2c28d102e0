"""The link with which a customer pays: to copy, to open, as a QR code, and to replace."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import notices, problems, session
from lumira.dashboard.qr_code import qr_code
from lumira.dashboard.texts import moment, text
from lumira.orders import Order


def is_offered(order: Order) -> bool:
    """Whether this order can be paid by link, and this person may give one."""
    waits = order.status.awaits_payment and bool(order.stripe_payment_intent_id)
    return waits and session.may(Permission.SHARE_PAYMENT_LINK)


def origin() -> str:
    """Where whoever reads this page reaches the desk, behind whatever proxy."""
    address = urlsplit(st.context.url or "")
    if address.netloc:
        return f"{address.scheme}://{address.netloc}"
    return session.desk().settings.local_url


def show(order: Order) -> None:
    """The link with its QR code, and until when it works; once it has ended the way to another, and what to
    set where customers can't pay yet.
    """
    checkout = session.desk().checkout
    if not checkout.is_configured:
        st.warning(text("link.no_key.next"), title=text("link.no_key"), icon=":material/link_off:")
        return
    ends_at = checkout.ends_at(order)
    if ends_at <= datetime.now(UTC):
        st.warning(text("link.ended", when=moment(ends_at)), icon=":material/link_off:")
        _renew(order)
        return
    link = origin() + checkout.link(order, actor=session.actor())
    with st.container(horizontal=True, gap="medium", vertical_alignment="top", key="payment-link"):
        st.image(qr_code(link), width=132, alt=text("link.qr"))
        with st.container(gap="small", width="stretch"):
            st.code(link, language=None, wrap_lines=True)
            with st.container(horizontal=True, gap="small"):
                st.link_button(text("link.open"), link, icon=":material/open_in_new:")
                _renew(order)
            st.caption(text("link.until", when=moment(ends_at)))


def _renew(order: Order) -> None:
    with st.popover(text("link.renew"), icon=":material/autorenew:", type="tertiary"):
        st.caption(text("link.renew.help"))
        if st.button(text("link.renew.confirm"), icon=":material/autorenew:", key="renew-link"):
            with problems.remembered(order.id):
                session.desk().checkout.renew(order.id, actor=session.actor())
                notices.say(text("link.renewed"))
            st.rerun()
