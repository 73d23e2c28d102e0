"""Lumira's one entry: dashboard, API and webhook on one port.

Run it by `lumira run`, `streamlit run app.py` or `uvicorn app:app`.
"""

import streamlit as st

from lumira.serving import MIDDLEWARE, ROUTER_SCRIPT, lifespan, routes

app = st.App(ROUTER_SCRIPT, routes=routes(), middleware=MIDDLEWARE, lifespan=lifespan)
