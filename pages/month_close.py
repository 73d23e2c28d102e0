"""The month close: a month beside Stripe's balance, the orders behind a difference, closing, files.

The month stands in the URL, and whether it was compared: a reload compares it anew.
"""

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import month_view, notices
from lumira.dashboard.session import may
from lumira.dashboard.texts import text

notices.show()
st.title(text("month.title"), anchor=False)
st.caption(text("month.lead"))
with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
    month = month_view.choose()
    figures = month_view.known(month)
    closed = figures is not None and figures.is_closed
    pressed = not closed and st.button(
        text("month.compare"),
        type="secondary" if figures else "primary",
        icon=":material/compare_arrows:",
        key="compare",
    )
    if pressed or (figures is None and month_view.is_asked()):
        month_view.compare(month)
        st.rerun()
    if not closed and figures and may(Permission.CLOSE_MONTH):
        month_view.show_close(figures)
month_view.show_problem(closed=closed)
if figures is None:
    month_view.show_start(month)
else:
    month_view.show(figures)
