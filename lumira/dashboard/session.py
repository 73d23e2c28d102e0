"""Who is at the desk and in which language and time zone they read."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from lumira import access
from lumira import desk as desks
from lumira.access import Actor, Permission, Role
from lumira.desk import Desk
from lumira.errors import SessionEnded
from lumira.session_cookie import SECURE_COOKIE, session_token
from lumira.sessions import Session

LANGUAGE: Final = "language"
# Which role a visitor of the demo tries.
ROLE: Final = "role"


def desk() -> Desk:
    """The desk of this process."""
    return desks.current()


def signed_in() -> Session | None:
    """The session of whoever reads the page; None once it has ended, and in a demo.

    Looked up on every rerun, so a page open for hours ends with its session. Raises StoreUnavailable.
    """
    if desk().is_demo:
        return None
    cookies = st.context.cookies
    # The gate has seen to it that over https only the cookie of that name got here.
    token = session_token(cookies, desk().signing_key(), secure=SECURE_COOKIE in cookies)
    return desk().sessions.find(token) if token else None


def actor() -> Actor:
    """The person on whose behalf this page acts. Raises SessionEnded when nobody is signed in."""
    if desk().is_demo:
        return Actor("demo", Role(st.session_state.get(ROLE) or Role.ADMIN))
    session = signed_in()
    if session is None:
        raise SessionEnded("Your session has ended. Sign in again.")
    return session.actor


def may(permission: Permission) -> bool:
    """Whether that person may do this; a button for what they may not do is not there."""
    return access.may(actor(), permission)


def language() -> str:
    """`fr` or `en`: what was chosen in the sidebar, else the browser's; French unless it asks for English."""
    return st.session_state.get(LANGUAGE) or browser_language()


def browser_language() -> str:
    """The language the browser asks for, of those we have."""
    return "en" if (st.context.locale or "").lower().startswith("en") else "fr"


def timezone() -> ZoneInfo:
    """The zone in which the business counts its days."""
    return desk().settings.business_timezone
