"""My account: who I am here, my password, my authenticator, and where I am signed in."""

import streamlit as st

from lumira.dashboard import account, notices, session
from lumira.dashboard.texts import text

notices.show()
st.title(text("account.title"), anchor=False)
st.caption(text("account.lead"))
signed_in = session.signed_in()
if signed_in is None:
    st.info(text("account.demo.next"), title=text("account.demo"), icon=":material/science:")
    st.stop()
member = session.desk().staff.of(signed_in.actor)
left, right = st.columns(2, gap="large")
with left:
    account.show_person(member)
    account.show_password(member, signed_in)
with right:
    account.show_authenticator(member)
    account.show_sessions(signed_in)
