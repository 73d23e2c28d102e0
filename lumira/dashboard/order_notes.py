"""Notes that staff leave one another on an order."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import markup, problems, session, typed
from lumira.dashboard.texts import actor_name, moment, text
from lumira.dashboard.theme import NEUTRAL
from lumira.errors import LumiraError
from lumira.notes import Note
from lumira.orders import Order


def show(order: Order, written: Sequence[Note]) -> None:
    """A field for a new note, and the notes there are, newest first."""
    if session.may(Permission.ADD_NOTE):
        _write(order)
    if written:
        st.html(
            markup.timeline(
                markup.Step(note.text, "", f"{actor_name(note.by)} · {moment(note.at)}", NEUTRAL)
                for note in written
            )
        )


def _write(order: Order) -> None:
    key, attempt = f"note-{order.id}", f"note-attempt-{order.id}"
    st.session_state.setdefault(attempt, uuid.uuid4().hex)
    with (
        typed.kept(f"note-{order.id}"),
        st.form(f"write-note-{order.id}", border=False, clear_on_submit=False),
    ):
        note = st.text_area(
            text("notes.new"),
            placeholder=text("notes.hint"),
            height=80,
            key=f"{key}-{st.session_state[attempt]}",
            label_visibility="collapsed",
        )
        sent = st.form_submit_button(text("notes.add"), icon=":material/add_notes:", key="add-note")
    if not sent:
        return
    try:
        session.desk().notes.add(
            order.id, str(note), actor=session.actor(), attempt_id=st.session_state[attempt]
        )
    except LumiraError as error:
        problems.beside_field(error)
    else:
        # The next note is another attempt, in an empty field.
        del st.session_state[attempt]
        st.rerun()
