"""The start page: what came in today and this week, what needs a person, the latest orders, our health."""

import streamlit as st

from lumira.dashboard import navigation, notices, overview
from lumira.dashboard.texts import long_day, text

notices.show()
with st.container(
    horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="overview-head"
):
    with st.container(width="content", gap="small"):
        st.title(text("overview.title"), anchor=False)
        st.caption(long_day(overview.today()))
    overview.show_health()
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
