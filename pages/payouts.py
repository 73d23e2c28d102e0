"""Payouts: what Stripe transfers to the bank account; of one of them, what it consists of.

The month and the open payout stand in the URL.
"""

import streamlit as st

from lumira.dashboard import payout_view
from lumira.dashboard.texts import text

st.title(text("payouts.title"), anchor=False)
if opened := st.query_params.get("payout"):
    payout_view.show_one(opened)
else:
    st.caption(text("payouts.lead"))
    payout_view.show_month(payout_view.choose_month())
