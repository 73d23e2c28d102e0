"""The script Streamlit runs: the frame around the pages and the way between them.

It opens on the overview; the address `/` only leads there, so that every page keeps an address of its own.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

from lumira import traces
from lumira.access import Permission, Role
from lumira.dashboard import account, address, attempt, find, markup, navigation, problems, session, theme
from lumira.dashboard.texts import text
from lumira.errors import LumiraError
from lumira.logs import bound
from lumira.sessions import Session
from lumira.texts import LANGUAGES

logger: Final = logging.getLogger("lumira.dashboard")


def main() -> None:
    """Draws the frame, then the page inside it."""
    icon = theme.LIVE_ICON if session.desk().gateway.livemode else theme.ICON
    st.set_page_config(
        page_title=navigation.tab_title(),
        page_icon=icon,
        layout="wide",
        initial_sidebar_state=theme.MENU_WIDTH,
    )
    st.logo(theme.LOGO, size="large", icon_image=icon)
    try:
        # Who is signed in is asked for again and again, and the store may stop answering in between.
        signed_in = session.signed_in()
        if signed_in is None and not session.desk().is_demo:
            show_ended()
            return
        session.begin(signed_in)
        page = menu()
        st.set_page_config(page_title=navigation.tab_title(page.title))
        place = address.begin_drawing()
        with st.sidebar:
            find.show()
            begin_payment()
            choose_language(signed_in)
            show_person(signed_in)
    except LumiraError as error:
        problems.show(error, again=True)
        return
    show_page(page)
    address.end_drawing(place)


def menu() -> Page:
    """The pages in the order of the menu; the one that is asked for."""
    return st.navigation(
        [
            navigation.start(),
            navigation.overview(),
            navigation.orders(),
            navigation.order(),
            navigation.new_payment(),
            navigation.revenue(),
            navigation.payouts(),
            navigation.month_close(),
            navigation.webhooks(),
            navigation.reconciliation(),
            navigation.staff(),
            navigation.audit(),
            navigation.system(),
            navigation.account(),
        ]
    )


def show_page(page: Page) -> None:
    """The page, below the mode; or why it can't be shown, and the way to try again."""
    try:
        # Of a place that is known before the browser can draw what it says, so that nothing below moves.
        with st.container(key="mode"):
            show_mode()
        if (signed_in := session.signed_in()) and signed_in.must_change_password:
            account.show_choose_password(signed_in)
        elif navigation.is_open(page):
            with bound(page=page.url_path), traces.work(f"page {page.url_path}"):
                page.run()
        else:
            navigation.show_closed(page.title)
    except LumiraError as error:
        problems.show(error, again=True)
    except Exception:
        logger.exception("page failed", extra={"page": page.url_path})
        problems.show(LumiraError("The log says why."), again=True)


def begin_payment() -> None:
    """The way to a new payment from every page, for those who may."""
    if session.may(Permission.CREATE_INTENT) and st.button(
        text("new_payment.title"),
        icon=":material/add:",
        type="primary",
        shortcut="N",
        width="stretch",
        key="begin-payment",
    ):
        address.leave(navigation.new_payment(), attempt.begin())


def choose_language(signed_in: Session | None) -> None:
    """French or English: the browser's choice until a person makes another, then kept with their account.

    What stands in the address holds for this page.
    """
    st.segmented_control(
        text("language"),
        list(LANGUAGES),
        default=session.usual_language(),
        on_change=keep_language if signed_in else None,
        format_func=LANGUAGES.__getitem__,
        key=session.LANGUAGE,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
        width="stretch",
    )


def keep_language() -> None:
    """Keeps the language that was just chosen with the account of whoever chose it."""
    # The page is read in it all the same, and its address holds it.
    with suppress(LumiraError):
        session.desk().staff.choose_language(session.language(), actor=session.actor())


def show_ended() -> None:
    """The way to the sign-in. The gate leads there too, within seconds."""
    st.navigation([navigation.start()], position="hidden")
    st.warning(text("session.ended.note"), title=text("session.ended"), icon=":material/lock_clock:")
    st.html(markup.link("/sign-in?ended=1", text("sign_in.submit")))


def show_person(signed_in: Session | None) -> None:
    """Who is signed in, and the way out; in a demo the role to try."""
    if signed_in is None:
        choose_role()
        return
    st.page_link(
        navigation.account(),
        label=f"{problems.plain(signed_in.name or signed_in.email)} · {text(f'role.{signed_in.role}')}",
        icon=":material/person:",
    )
    st.html(markup.link("/sign-out", text("sign_out.title")))


def choose_role() -> None:
    """In the demo, what each role sees and may do."""
    # A list that is chosen from is known by its labels: in another language it is another list.
    key = f"{session.ROLE}-{session.language()}"
    st.selectbox(
        text("demo.role"),
        list(Role),
        index=list(Role).index(session.actor().role),
        format_func=lambda role: text(f"role.{role}"),
        help=text("demo.role.help"),
        key=key,
        on_change=lambda: session.try_role(st.session_state[key]),
    )
    # What is bound stays in the address from page to page; the list itself would write its labels there.
    with st.container(key="tried-role"):
        st.text_input(text("demo.role"), key=session.ROLE, bind="query-params", label_visibility="collapsed")


def show_mode() -> None:
    """Says on every page, above everything, whether money is real."""
    gateway = session.desk().gateway
    if gateway.livemode:
        note = text("mode.live.note")
        st.html(markup.mode(text("mode.live"), [note], live=True, language=session.language()))
        return
    notes = [text("mode.test.note")]
    if gateway.is_sandbox:
        notes.append(text("mode.sandbox"))
    if not gateway.is_configured:
        notes.append(text("mode.no_key"))
    if session.desk().is_demo:
        notes.append(text("mode.demo"))
    st.html(markup.mode(text("mode.test"), notes, live=False, language=session.language()))


main()
