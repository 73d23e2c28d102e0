"""The parts of one's own account: who I am, password, authenticator, sessions."""

from __future__ import annotations

from typing import Final

import streamlit as st

from lumira.dashboard import markup, notices, problems, session
from lumira.dashboard.qr_code import qr_code
from lumira.dashboard.texts import moment, text
from lumira.dashboard.theme import GOLD, STATUS_COLOURS
from lumira.devices import device_name
from lumira.errors import LumiraError, StoreUnavailable
from lumira.orders import OrderStatus
from lumira.sessions import Session, StoredSession
from lumira.staff import Enrolment, StaffMember

_ENROLMENT: Final = "enrolment"
_GOOD: Final = STATUS_COLOURS[OrderStatus.COMPLETED]


def show_choose_password(signed_in: Session) -> None:
    """All there is for whoever came in by a one-time password, until they have a password of their own."""
    notices.show()
    st.title(text("account.choose"), anchor=False)
    st.caption(text("account.choose.next"))
    with st.container(width=480):
        _password_form(signed_in, given=True)


def show_person(member: StaffMember) -> None:
    """Name, address and role, and what the role may do."""
    rows = [
        (text("sign_in.email"), member.email),
        (text("account.role"), text(f"role.{member.role}")),
    ]
    if member.name:
        rows.insert(0, (text("account.name"), member.name))
    st.html(markup.facts(rows))
    st.caption(text(f"role.{member.role}.does"))


def show_password(member: StaffMember, signed_in: Session) -> None:
    """The form that changes the password, for an account that has one."""
    st.header(text("password.title"), anchor=False)
    if member.password_hash is None:
        st.caption(text("password.none"))
        return
    if member.password_changed_at:
        st.caption(text("password.changed_at", at=moment(member.password_changed_at)))
    _password_form(signed_in, given=False)


def show_authenticator(member: StaffMember) -> None:
    """Whether a code is asked for besides the password, and the way to change that."""
    if member.password_hash is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(text("authenticator.title"), anchor=False, width="content")
        if member.has_totp:
            st.html(markup.chip(text("authenticator.active"), _GOOD), width="content")
    enrolment: Enrolment | None = st.session_state.get(_ENROLMENT)
    if member.has_totp:
        st.caption(text("authenticator.on"))
        _remove_authenticator()
    elif enrolment:
        _confirm_authenticator(enrolment)
    else:
        st.caption(text("authenticator.off"))
        if st.button(
            text("authenticator.begin"), icon=":material/phonelink_lock:", key="begin-authenticator"
        ):
            st.session_state[_ENROLMENT] = session.desk().staff.begin_authenticator(actor=session.actor())
            st.rerun()


def show_sessions(signed_in: Session) -> None:
    """Where the account is open, this browser first, each to be ended."""
    actor = session.actor()
    st.header(text("sessions.title"), anchor=False)
    st.caption(text("sessions.lead"))
    problems.show_remembered("sessions")
    found = session.desk().sessions.of(signed_in.email, actor=actor)
    for one in sorted(found, key=lambda one: one.id != signed_in.id):
        _show_session(one, is_this=one.id == signed_in.id)
    if st.button(
        text("sessions.end_all"),
        icon=":material/logout:",
        help=text("sessions.end_all.help"),
        key="sign-out-everywhere",
    ):
        session.desk().sessions.sign_out_everywhere(signed_in.email, actor=actor)
        st.rerun()


def _show_session(one: StoredSession, *, is_this: bool) -> None:
    device = device_name(one.device, session.language()) or text("device.unknown")
    with st.container(
        border=True,
        horizontal=True,
        vertical_alignment="center",
        horizontal_alignment="distribute",
        key=f"session-{one.id[:12]}",
    ):
        labels = [(text("sessions.this"), GOLD)] if is_this else []
        seen = text("sessions.seen", at=moment(one.last_seen_at))
        st.html(markup.entry(device, labels, f"{seen} · {one.address}" if one.address else seen))
        if not is_this and st.button(
            text("sessions.end"),
            icon=":material/close:",
            type="tertiary",
            help=text("sessions.end.help", device=device),
            key=f"end-session-{one.id[:12]}",
        ):
            with problems.remembered("sessions"):
                session.desk().sessions.end(one.id, one.email, actor=session.actor())
                notices.say(text("sessions.ended"))
            st.rerun()


def _password_form(signed_in: Session, *, given: bool) -> None:
    """Old password, and the new one twice. The fields are empty again afterwards, whatever came of it."""
    with st.form("password", clear_on_submit=True):
        old = st.text_input(
            text("password.given" if given else "password.old"),
            type="password",
            autocomplete="current-password",
            key="old-password",
        )
        new = st.text_input(
            text("password.new"), type="password", autocomplete="new-password", key="new-password"
        )
        again = st.text_input(
            text("password.again"), type="password", autocomplete="new-password", key="new-password-again"
        )
        st.caption(text("password.help"))
        sent = st.form_submit_button(
            text("password.change"), icon=":material/key:", type="primary", key="change-password"
        )
    if not sent:
        return
    if new != again or (new and new == old):
        st.error(text("password.differ" if new != again else "password.same"), icon=":material/error:")
        return
    try:
        session.desk().staff.change_password(old, new, actor=session.actor(), keep_session=signed_in.id)
    except LumiraError as error:
        problems.show(error)
        if isinstance(error, StoreUnavailable):
            # It may have taken the new one, and only its answer was lost.
            st.caption(text("password.unanswered"))
        return
    notices.say(text("password.changed"))
    st.rerun()


def _confirm_authenticator(enrolment: Enrolment) -> None:
    """The QR code and the form that takes the first code."""
    st.caption(text("authenticator.scan"))
    with st.container(horizontal=True, gap="medium", vertical_alignment="top", key="authenticator"):
        st.image(qr_code(enrolment.uri), width=164, alt=text("authenticator.qr"))
        with st.container(gap="small", width="stretch"):
            st.code(_grouped(enrolment.secret), language=None, wrap_lines=True)
            with st.form("authenticator-code", clear_on_submit=True, border=False):
                code = st.text_input(
                    text("authenticator.code"), autocomplete="one-time-code", key="authenticator-code-field"
                )
                with st.container(horizontal=True, gap="small"):
                    sent = st.form_submit_button(
                        text("authenticator.confirm"), type="primary", key="confirm-authenticator"
                    )
                    stopped = st.form_submit_button(
                        text("authenticator.stop"), type="tertiary", key="stop-authenticator"
                    )
    if stopped:
        st.session_state.pop(_ENROLMENT, None)
        st.rerun()
    if not sent:
        return
    try:
        session.desk().staff.confirm_authenticator(enrolment, code.replace(" ", ""), actor=session.actor())
    except LumiraError as error:
        problems.beside_field(error)
        return
    st.session_state.pop(_ENROLMENT, None)
    notices.say(text("authenticator.added"))
    st.rerun()


def _remove_authenticator() -> None:
    with st.popover(text("authenticator.remove"), icon=":material/phonelink_erase:"):
        st.caption(text("authenticator.remove.help"))
        with st.form("remove-authenticator", clear_on_submit=True, border=False):
            password = st.text_input(
                text("password.old"),
                type="password",
                autocomplete="current-password",
                key="remove-authenticator-password",
            )
            sent = st.form_submit_button(text("authenticator.remove"), key="remove-authenticator-submit")
        if not sent:
            return
        try:
            session.desk().staff.remove_authenticator(password, actor=session.actor())
        except LumiraError as error:
            problems.beside_field(error)
            return
    notices.say(text("authenticator.removed"))
    st.rerun()


def _grouped(secret: str) -> str:
    """A key in groups of four, as it is typed."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
