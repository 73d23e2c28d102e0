"""Team: who may come in, as what; and the tokens with which programs call the API."""

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import notices, session, team
from lumira.dashboard.texts import text

notices.show()
st.title(text("staff.title"), anchor=False)
st.caption(text("staff.lead"))
team.show_once()
team.show_accounts()
if session.may(Permission.MANAGE_TOKENS):
    team.show_tokens()
