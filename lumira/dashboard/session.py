"""Who is at the desk and in which language and time zone they read."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from lumira import access
from lumira import desk as desks
from lumira.access import Actor, Permission, Role
from lumira.desk import Desk

LANGUAGE: Final = "language"
# Which role a visitor of the demo tries.
ROLE: Final = "role"


def desk() -> Desk:
    """The desk of this process."""
    return desks.current()


def actor() -> Actor:
    """The person on whose behalf this page acts."""
    return Actor("demo", Role(st.session_state.get(ROLE) or Role.ADMIN))


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
