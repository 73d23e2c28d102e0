"""System: what the doctor found, problems first; then what is in order, the settings and the versions.

A look is good for a minute; the button looks again.
"""

import streamlit as st

from lumira.dashboard import examination, notices
from lumira.dashboard.texts import moment, number, text

notices.show()
with st.container(
    horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="system-head"
):
    with st.container(width="content", gap="small"):
        st.title(text("system.title"), anchor=False)
        st.caption(text("system.lead"))
    if st.button(text("system.check_again"), icon=":material/refresh:", key="check-again"):
        examination.forget()
found = examination.current()
st.caption(text("system.checked", at=moment(found.made_at, seconds=True)))
examination.show_created_webhook()

if found.to_mend:
    st.header(text("system.problems"), anchor=False)
    st.markdown(f"**{examination.headline(found)}**")
    for finding in found.to_mend:
        examination.show_problem(finding)
else:
    st.success(
        text("system.all_well.next", count=number(len(found.findings))),
        title=text("system.all_well"),
        icon=":material/check_circle:",
    )
if found.in_order:
    st.header(text("system.rest" if found.to_mend else "system.all"), anchor=False)
    examination.show_in_order(found.in_order)
with st.expander(text("system.settings"), icon=":material/tune:", expanded=False):
    examination.show_settings()
with st.expander(text("system.versions"), icon=":material/info:", expanded=False):
    examination.show_versions()
