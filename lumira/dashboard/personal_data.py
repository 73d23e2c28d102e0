"""What a customer may ask of their data, on the page of one of their orders: all of it, or its end."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import notices, problems, session
from lumira.dashboard.texts import counted, text
from lumira.errors import LumiraError
from lumira.orders import Order

_ERASED = ("orders", "texts", "events", "views")


def show(order: Order) -> None:
    """The button that opens both, for those who may."""
    if not order.address or not session.may(Permission.MANAGE_PERSONAL_DATA):
        return
    if st.button(
        text("personal_data"), icon=":material/shield_person:", type="tertiary", key="personal-data"
    ):
        # The title is in the reader's language, so the dialog is made when it opens.
        dialog = st.dialog(text("personal_data"), icon=":material/shield_person:")
        dialog(_ask)(order.address)


def _ask(email: str) -> None:
    st.markdown(f"**{problems.plain(email)}**")
    st.caption(text("personal_data.export.lead"))
    st.download_button(
        text("personal_data.export"),
        data=_file(email),
        file_name=f"{text('personal_data.file')}.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        key="export-customer",
    )
    st.divider()
    st.markdown(f"**{text('personal_data.erase')}**")
    st.markdown("\n".join(f"- {text(f'personal_data.erase.{name}')}" for name in _ERASED))
    st.caption(text("personal_data.erase.stripe"))
    typed = st.text_input(text("personal_data.erase.type"), key="erase-typed", placeholder=email)
    failed = st.container()
    if not st.button(
        text("personal_data.erase.confirm"),
        type="primary",
        icon=":material/person_remove:",
        width="stretch",
        disabled=str(typed).strip().lower() != email,
        help=text("personal_data.erase.help"),
        key="erase-customer",
    ):
        return
    try:
        with failed, st.spinner(text("personal_data.erasing")):
            erased = session.desk().privacy.erase(email, actor=session.actor())
    except LumiraError as error:
        with failed:
            problems.show(error)
    else:
        notices.say(counted("personal_data.erased", erased.orders))
        st.rerun()


def _file(email: str) -> Callable[[], bytes]:
    # It runs outside of the page's script, which knows the reader.
    desk, actor = session.desk(), session.actor()

    def made() -> bytes:
        exported = desk.privacy.export(email, actor=actor)
        return json.dumps(exported, ensure_ascii=False, indent=2).encode()

    return made
