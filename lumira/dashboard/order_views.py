"""The views of the list of orders, built in and saved: one click each, and the way to save another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import address, notices, order_filters, problems, session, typed
from lumira.dashboard.texts import text
from lumira.order_filter import OrderFilter, filter_query
from lumira.views import LAYOUT, NAME_LENGTH, View

_PROBLEM: Final = "saved-view"
BUILT_IN: Final[Mapping[str, Mapping[str, str]]] = {
    "all": {},
    "waiting": {"status": "pending,processing"},
    "failed": {"status": "failed"},
    "refunded": {"refunded": "yes"},
    "disputed": {"disputed": "yes"},
    "differs": {"stripe": "differs"},
}


def show(wanted: OrderFilter) -> None:
    """The views, built in and saved, side by side; the one that is shown is marked."""
    saved = session.desk().views.all(actor=session.actor())
    views = {f"built-in:{name}": View(text(f"orders.view.{name}"), query) for name, query in BUILT_IN.items()}
    views |= {view.id: view for view in saved}
    names = _names(views)
    here = filter_query(wanted)
    layout = {name: value for name, value in address.held().items() if name in LAYOUT}

    def changed(chosen: str | None) -> None:
        if chosen:
            order_filters.write(views[chosen].query, views[chosen].layout)
        else:
            order_filters.clear()

    # A view with a layout of its own is told from one of the same filter without.
    by_layout = sorted(views, key=lambda key: not views[key].layout)
    fitting = (key for key in by_layout if views[key].query == here and views[key].layout in (None, layout))
    used = address.control("view", next(fitting, None), changed)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.pills(
            text("orders.view"),
            list(views),
            format_func=names.__getitem__,
            key="view",
            on_change=used,
            label_visibility="collapsed",
            wrap=True,
        )
        popover = st.popover(
            text("orders.view.save"),
            icon=":material/bookmark_add:",
            type="tertiary",
            key="save-view",
            on_change="rerun",
        )
        if popover.open:
            with popover:
                _show_saving(here, layout, saved, names)


def _names(views: Mapping[str, View]) -> dict[str, str]:
    """What each view is called, by its key: no two alike, for what is chosen is known by its name alone."""
    names: dict[str, str] = {}
    for key, view in views.items():
        name = problems.plain(view.name)
        while name in names.values():
            name = text("orders.view.mine" if view.owner else "orders.view.everyones", view=name)
        names[key] = name
    return names


def _show_saving(
    here: Mapping[str, str], layout: Mapping[str, str], saved: list[View], names: Mapping[str, str]
) -> None:
    st.caption(text("orders.view.save.lead"))
    with typed.kept("view"):
        st.text_input(
            text("orders.view.name"),
            placeholder=text("orders.view.name.hint"),
            max_chars=NAME_LENGTH,
            key="view-name",
        )
    may_share = session.may(Permission.SHARE_VIEW)
    shared = may_share and st.toggle(text("orders.view.shared"), key="view-shared")

    def save() -> None:
        with problems.remembered(_PROBLEM):
            view = session.desk().views.save(
                st.session_state["view-name"], here, layout, shared=bool(shared), actor=session.actor()
            )
            st.session_state["view-name"] = ""
            st.session_state["save-view"] = False
            # Whoever meant another one hears that a colleague's of the same name, say, is gone.
            before = next((one for one in saved if one.id == view.id), view)
            name = (
                "orders.view.saved" if before == replace(view, name=before.name) else "orders.view.replaced"
            )
            notices.say(text(name, view=problems.plain(view.name)))

    def delete(view: View) -> None:
        with problems.remembered(_PROBLEM):
            session.desk().views.delete(view, actor=session.actor())
            notices.say(text("orders.view.deleted", view=problems.plain(view.name)))

    # Open without a name too: the click that ends the typing is the one that saves.
    st.button(text("orders.view.save"), type="primary", on_click=save, width="stretch")
    problems.show_remembered(_PROBLEM)
    mine = [view for view in saved if view.owner or may_share]
    if mine:
        st.caption(text("orders.view.yours"))
    for view in mine:
        st.button(
            text("orders.view.delete", view=names[view.id]),
            icon=":material/delete:",
            type="tertiary",
            on_click=delete,
            args=(view,),
            key=f"delete-{view.id}",
        )
