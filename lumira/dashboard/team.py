"""The parts of the Team page: accounts of staff and tokens of the API, made and changed there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from lumira.access import Role
from lumira.dashboard import contact, markup, navigation, notices, problems, session, typed
from lumira.dashboard.texts import actor_name, moment, text
from lumira.dashboard.theme import GOLD, NEUTRAL, STATUS_COLOURS
from lumira.errors import LumiraError
from lumira.order_filter import fold
from lumira.orders import OrderStatus
from lumira.staff import StaffMember
from lumira.tokens import Token

_ONCE: Final = "shown-once"
_SUBJECT: Final = "team"
_CHANGES: Final = "team-changes"
# Wide enough for a sentence, and no wider than a phone.
_POPOVER_WIDTH: Final = 300
# More accounts than these are looked through rather than read.
_SEEN_AT_ONCE: Final = 8
_ROLE_COLOURS: Final = {
    Role.STAFF: NEUTRAL,
    Role.SUPPORT: "#2E86DE",
    Role.FINANCE: "#0E9F6E",
    Role.ADMIN: GOLD,
}
_GOOD: Final = STATUS_COLOURS[OrderStatus.COMPLETED]
_WAITING: Final = STATUS_COLOURS[OrderStatus.PENDING]
_BAD: Final = STATUS_COLOURS[OrderStatus.FAILED]


@dataclass(frozen=True)
class _Once:
    """A secret that was just made, and what is said of it; `token` is its name where it is a token."""

    title: str
    note: str
    secret: str = field(repr=False)
    token: str = ""


def show_once() -> None:
    """A password or token just made, until whoever made it has it."""
    shown: _Once | None = st.session_state.get(_ONCE)
    if shown is None:
        return
    with st.container(border=True, gap="small", key="shown-once"):
        st.markdown(f":orange[:material/key:] **{problems.plain(shown.title)}**")
        st.code(shown.secret, language=None, wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(shown.note, width="stretch")
            if st.button(text("once.noted"), icon=":material/check:", key="noted"):
                st.session_state.pop(_ONCE, None)
                st.rerun()


def show_accounts() -> None:
    """Every account, open ones first, and the form for another."""
    actor = session.actor()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(text("staff.accounts"), anchor=False, width="content")
        _add_account()
    problems.show_remembered(_SUBJECT)
    members = session.desk().staff.all(actor=actor)
    if not members:
        st.info(text("staff.none.next"), title=text("staff.none"), icon=":material/group_add:")
    if len(members) > _SEEN_AT_ONCE:
        members = _search(members)
    for member in sorted(members, key=lambda member: (member.disabled_at is not None, _shown_name(member))):
        _show_account(member, is_me=member.email == actor.name)


def _search(members: list[StaffMember]) -> list[StaffMember]:
    """Those whose name, address or role the reader's words are of; says so where nobody is."""
    asked = st.text_input(
        text("staff.search"),
        type="search",
        placeholder=text("staff.search"),
        icon=":material/search:",
        live="300ms",
        key="find-account",
        label_visibility="collapsed",
    )
    words = fold(str(asked or "")).split()
    found = [
        member
        for member in members
        if all(
            word in fold(f"{member.name or ''} {member.email} {text(f'role.{member.role}')}")
            for word in words
        )
    ]
    if not found:
        st.caption(text("staff.search.none"))
    return found


def _shown_name(member: StaffMember) -> str:
    return fold(member.name or member.email)


def show_tokens() -> None:
    """Every token of the API; revoked ones stand apart."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(text("tokens.title"), anchor=False, width="content")
        _create_token()
    st.caption(text("tokens.lead"))
    tokens = session.desk().tokens.all(actor=session.actor())
    valid = [token for token in tokens if token.revoked_at is None]
    revoked = [token for token in tokens if token.revoked_at is not None]
    if not valid:
        st.caption(text("tokens.none"))
    for token in valid:
        _show_token(token)
    if revoked:
        with st.expander(text("tokens.old"), icon=":material/key_off:", expanded=False):
            for token in revoked:
                _show_token(token)


def _show_account(member: StaffMember, *, is_me: bool) -> None:
    labels = [(text(f"role.{member.role}"), _ROLE_COLOURS[member.role])]
    if is_me:
        labels.append((text("staff.you"), GOLD))
    if member.disabled_at:
        labels.append((text("staff.disabled"), _BAD))
    elif member.must_change_password:
        labels.append((text("staff.must_change"), _WAITING))
    if member.has_totp:
        labels.append((text("staff.code"), _GOOD))
    if member.password_hash is None:
        labels.append((text("staff.no_password"), NEUTRAL))
    seen = (
        text("staff.last_sign_in", at=moment(member.last_sign_in_at))
        if member.last_sign_in_at
        else text("staff.never")
    )
    note = f"{member.email} · {seen}" if member.name else seen
    with st.container(
        border=True,
        horizontal=True,
        wrap=False,
        vertical_alignment="center",
        horizontal_alignment="distribute",
        key=f"account-{member.email}",
    ):
        st.html(markup.entry(member.name or member.email, labels, note))
        if is_me:
            st.page_link(navigation.account(), icon=":material/person:", width="content")
        else:
            _manage(member)


def _manage(member: StaffMember) -> None:
    """What can be done with a colleague's account, each with what follows from it."""
    staff, actor = session.desk().staff, session.actor()
    with (
        st.popover(
            text("staff.manage"),
            icon=":material/tune:",
            type="tertiary",
            key=f"manage-{member.email}-{_changes()}",
        ),
        st.container(width=_POPOVER_WIDTH, gap="small"),
    ):
        # Where a colleague gives another one, the list under a new key begins with it.
        role = _choose_role(member.role, key=f"role-{member.email}-{member.role}")
        if st.button(
            text("staff.role.set"),
            icon=":material/badge:",
            disabled=role is member.role,
            width="stretch",
            key=f"set-role-{member.email}",
        ):
            _do(lambda: staff.set_role(member.email, role, actor=actor), "staff.role.done")
        if member.disabled_at:
            if _action("enable", member, ":material/lock_open:"):
                _do(lambda: staff.enable(member.email, actor=actor), "staff.enable.done")
            return
        if _action("reset", member, ":material/password:"):
            _do(
                lambda: _keep_password(member.email, staff.reset(member.email, actor=actor)),
                "staff.reset.done",
            )
        st.caption(text("staff.reset.help"))
        if member.has_totp and _action("drop", member, ":material/phonelink_erase:"):
            _do(lambda: staff.drop_authenticator(member.email, actor=actor), "staff.dropped")
        if _action("sign_out", member, ":material/logout:"):
            sessions = session.desk().sessions
            _do(lambda: sessions.sign_out_everywhere(member.email, actor=actor), "staff.signed_out")
        if _action("disable", member, ":material/block:"):
            _do(lambda: staff.disable(member.email, actor=actor), "staff.disable.done")
        st.caption(text("staff.disable.help"))


def _action(name: str, member: StaffMember, icon: str) -> bool:
    return st.button(text(f"staff.{name}"), icon=icon, width="stretch", key=f"{name}-{member.email}")


def _add_account() -> None:
    with (
        st.popover(
            text("staff.add"), icon=":material/person_add:", type="primary", key=f"add-account-{_changes()}"
        ),
        typed.kept("account"),
        st.form("account", border=False, width=_POPOVER_WIDTH),
    ):
        email = st.text_input(text("sign_in.email"), autocomplete="off", key=f"account-email-{_changes()}")
        name = st.text_input(text("account.name"), autocomplete="off", key=f"account-name-{_changes()}")
        role = _choose_role(Role.STAFF, key="account-role")
        st.caption(text("staff.add.help"))
        if not st.form_submit_button(text("staff.add.submit"), type="primary", key="add-account-submit"):
            return
        if contact.is_odd("email", email):
            problems.beside(text("contact.email"), text("contact.email.next"))
            return
        try:
            member, password = session.desk().staff.add_with_one_time_password(
                email, role, name=name, actor=session.actor()
            )
        except LumiraError as error:
            # An account can't do without its address, as a customer can.
            problems.beside_field(error, text("edit.email.next") if error.code == "INVALID_EMAIL" else None)
            return
    _keep_password(member.email, password)
    _note_change()
    notices.say(text("staff.added"))
    st.rerun()


def _show_token(token: Token) -> None:
    used = text("tokens.used", at=moment(token.last_used_at)) if token.last_used_at else text("tokens.unused")
    made = text("tokens.made", at=moment(token.created_at), by=actor_name(token.created_by))
    labels = [(text(f"role.{token.role}"), _ROLE_COLOURS[token.role])]
    if token.revoked_at:
        labels.append((text("tokens.revoked"), _BAD))
    with st.container(
        border=True,
        horizontal=True,
        vertical_alignment="center",
        horizontal_alignment="distribute",
        key=f"token-{token.name}",
    ):
        st.html(markup.entry(token.name, labels, f"{made} · {used}"))
        if token.revoked_at:
            return
        with st.popover(
            text("tokens.revoke"), icon=":material/key_off:", type="tertiary", key=f"revoke-{token.name}"
        ):
            st.caption(text("tokens.revoke.help"), width=_POPOVER_WIDTH)
            if st.button(
                text("tokens.revoke.confirm"), icon=":material/key_off:", key=f"revoke-confirm-{token.name}"
            ):
                _do(lambda: _revoke(token), "tokens.revoked.done")


def _revoke(token: Token) -> None:
    session.desk().tokens.revoke(token.name, actor=session.actor())
    # One that is still shown would be copied, and be refused.
    shown: _Once | None = st.session_state.get(_ONCE)
    if shown and shown.token == token.name:
        st.session_state.pop(_ONCE)


def _create_token() -> None:
    with (
        st.popover(text("tokens.create"), icon=":material/key:", key=f"create-token-{_changes()}"),
        typed.kept("token"),
        st.form("token", border=False, width=_POPOVER_WIDTH),
    ):
        name = st.text_input(
            text("tokens.name"),
            placeholder="checkout",
            help=text("tokens.name.help"),
            autocomplete="off",
            key=f"token-name-{_changes()}",
        )
        role = _choose_role(Role.SUPPORT, key="token-role")
        if not st.form_submit_button(text("tokens.create.submit"), type="primary", key="create-token-submit"):
            return
        try:
            name = name.strip()
            secret = session.desk().tokens.create(name, role, actor=session.actor())
        except LumiraError as error:
            problems.beside_field(error)
            return
    st.session_state[_ONCE] = _Once(text("tokens.once", token=name), text("tokens.once.next"), secret, name)
    _note_change()
    st.rerun()


def _choose_role(present: Role, *, key: str) -> Role:
    chosen = st.selectbox(
        text("staff.role"),
        list(Role),
        index=list(Role).index(present),
        format_func=lambda role: text(f"role.{role}"),
        help="  \n".join(f"**{text(f'role.{role}')}** – {text(f'role.{role}.does')}" for role in Role),
        key=key,
        # While a page gives way to what failed: beside a name that is kept, the usual would pass for it.
        persist_state="page",
    )
    return Role(chosen or present)


def _keep_password(email: str, password: str) -> None:
    st.session_state[_ONCE] = _Once(text("staff.once", email=email), text("staff.once.next"), password)


def _do(change: Callable[[], object], said: str) -> None:
    """Makes a change, and draws the page as it is then, or with why it could not be made."""
    with problems.remembered(_SUBJECT):
        change()
        _note_change()
        notices.say(text(said))
    st.rerun()


def _changes() -> int:
    """How much was changed: a popover and its fields under a new key are closed and empty again."""
    return int(st.session_state.get(_CHANGES, 0))


def _note_change() -> None:
    st.session_state[_CHANGES] = _changes() + 1
