"""The start page: what came in today and this week, what needs a person, the latest orders, our health."""

import streamlit as st

from lumira.dashboard import navigation, notices, overview
from lumira.dashboard.texts import text

notices.show()
overview.show_head()
overview.show_figures()

with st.container(key="overview-lists"):
    waiting, newest = st.columns([1, 1], gap="large")
with waiting:
    st.header(text("overview.needed"), anchor=False)
    overview.show_needed()
with newest:
    st.header(text("overview.latest"), anchor=False)
    overview.show_latest()
    st.page_link(
        navigation.orders(),
        label=text("overview.all_orders"),
        icon=":material/arrow_forward:",
        width="content",
    )
