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
from lumira.texts import LANGUAGES

LANGUAGE: Final = "language"
# Which role a visitor of the demo tries.
ROLE: Final = "role"
_OWN_LANGUAGE: Final = "own-language"


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
        return Actor("demo", _tried_role())
    session = signed_in()
    if session is None:
        raise SessionEnded("Your session has ended. Sign in again.")
    return session.actor


def may(permission: Permission) -> bool:
    """Whether that person may do this; a button for what they may not do is not there."""
    return access.may(actor(), permission)


def begin(person: Session | None) -> None:
    """Takes up, as a page is loaded, the language of its reader, and in a demo the role its address names."""
    st.session_state.setdefault(_OWN_LANGUAGE, person.language if person else None)
    if desk().is_demo and ROLE not in st.session_state:
        st.session_state[ROLE] = st.query_params.get(ROLE, "")


def carried() -> dict[str, str]:
    """What the address of a page that is loaded anew has to hold to be read as this one is."""
    told = {} if language() == usual_language() else {LANGUAGE: LANGUAGES[language()]}
    if desk().is_demo and (role := _tried_role()) is not Role.ADMIN:
        told[ROLE] = str(role)
    return told


def try_role(role: Role) -> None:
    """Tries a role of the demo; the address holds it, on every page, unless it is the usual one."""
    st.session_state[ROLE] = "" if role is Role.ADMIN else str(role)


def _tried_role() -> Role:
    named = st.session_state.get(ROLE)
    return Role(named) if named in set(Role) else Role.ADMIN


def language() -> str:
    """`fr` or `en`: what was chosen in the sidebar or stands in the address, else the usual one."""
    return st.session_state.get(LANGUAGE) or _language_in_address() or usual_language()


def usual_language() -> str:
    """What this person chose last, else what the browser asks for."""
    return st.session_state.get(_OWN_LANGUAGE) or browser_language()


def _language_in_address() -> str | None:
    # Streamlit writes the label there.
    named = st.query_params.get(LANGUAGE)
    return next((language for language, label in LANGUAGES.items() if label == named), None)


def browser_language() -> str:
    """The language the browser asks for, of those we have: French unless it asks for English."""
    return "en" if (st.context.locale or "").lower().startswith("en") else "fr"


def timezone() -> ZoneInfo:
    """The zone in which the business counts its days."""
    return desk().settings.business_timezone
