"""Webhooks: what Stripe delivered and what came of it, failed deliveries first; one of them open at the side.

State, age, type, page and the open event stand in the URL.
"""

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import (
    address,
    empty,
    event_actions,
    event_details,
    event_filter,
    navigation,
    notices,
    pager,
    problems,
    tables,
)
from lumira.dashboard.event_filter import ONLY_FAILED
from lumira.dashboard.session import actor, desk, may
from lumira.dashboard.texts import counted, number, text
from lumira.embedded import sandbox_state
from lumira.errors import EventNotFound
from lumira.events import ACTED_ON, EVERY_EVENT, WEBHOOK_PATHS

PAGE_SIZE = 50


def order_clicked() -> str | None:
    """The PaymentIntent of the cell that was clicked, whose order is meant and not the event."""
    row = tables.selected_row(table_key)
    if row is None or row >= len(events) or tables.selected_column(table_key) != "payment_intent":
        return None
    return event_details.payment_intent_of(events[row])


def open_selected() -> None:
    """Opens the event of the row that was clicked, closes it when the click took the selection away."""
    row = tables.selected_row(table_key)
    if order_clicked():
        return
    if row is None:
        close()
    elif row < len(events):
        address.change({"event": events[row].event_id})


def close() -> None:
    """Closes the open event."""
    address.change({"event": None})
    # A list under a new key has no row selected.
    st.session_state["closed"] = st.session_state.get("closed", 0) + 1


def begin_list() -> None:
    """Another state begins with its first page and nothing open."""
    pager.turn_to(None)
    close()


def show_open_event(event_id: str) -> None:
    """The event at the side: what came of it, what can be done, what was delivered."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header(text("event.title"), anchor=False)
        st.button(
            text("order.close"), icon=":material/close:", type="tertiary", on_click=close, key="close-event"
        )
    try:
        event = desk().webhooks.find(event_id, actor=actor())
    except EventNotFound:
        st.info(text("event.not_found.next"), title=text("event.not_found"), icon=":material/search_off:")
        return
    order = event_details.order_of(event)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        event_actions.retry(event)
        if order:
            st.page_link(
                navigation.order(),
                label=text("event.order"),
                icon=":material/receipt_long:",
                query_params={"id": order.order_id},
            )
    problems.show_remembered(event.event_id)
    event_details.show(event)


def show_failed_count() -> None:
    """How many events failed, and the button that handles them all again."""
    if not failed:
        return
    if more_failed:
        title = text("events.failed.more", count=number(len(failed)))
    else:
        title = counted("events.failed", len(failed))
    with st.container(
        border=True,
        horizontal=True,
        vertical_alignment="center",
        horizontal_alignment="distribute",
        key="failed",
    ):
        with st.container(width="stretch", gap="xxsmall"):
            st.markdown(f":red[:material/error:] **{title}**")
            mine = may(Permission.RETRY_WEBHOOK)
            st.caption(text("events.failed.next" if mine else "events.failed.others"))
        with st.container(width="content"):
            event_actions.retry_all()


def show_connection(*, missing: bool) -> None:
    """How a real Stripe endpoint is connected; `missing` says that no delivery can be taken without it."""
    if missing:
        st.warning(text("events.no_secret.next"), title=text("events.no_secret"), icon=":material/link_off:")
    path = WEBHOOK_PATHS[0]
    st.markdown(text("events.connect.listen"))
    # Without --latest the events come in the account's own API version.
    listen = f"stripe listen --latest --forward-to localhost:{desk().settings.port}{path}"
    st.code(listen, language=None, wrap_lines=True)
    st.markdown(text("events.connect.address", version=desk().gateway.api_version))
    st.code(f"https://…{path}", language=None, wrap_lines=True)
    st.markdown(text("events.connect.types"))
    st.code("\n".join(ACTED_ON), language=None)
    st.markdown(text("events.connect.secret"))
    st.code("export STRIPE_WEBHOOK_SECRET='whsec_…'", language=None, wrap_lines=True)


def show_empty() -> None:
    """What to do when the list has nothing to show."""
    if selected == EVERY_EVENT and not pager.after():
        show_none_yet()
        return
    if pager.after():
        title, advice = text("events.page_empty"), ""
    elif selected == ONLY_FAILED:
        title, advice = text("events.none_failed"), text("events.none_failed.next")
    else:
        title, advice = text("events.nothing_fits"), text("events.nothing_fits.next")
    with empty.card(title, advice):
        if pager.after():
            pager.show_newest()


def show_none_yet() -> None:
    """Where the first event will come from; nothing of the kind while Stripe takes no payment from us."""
    if problem := desk().health.problems()["stripe"]:
        with empty.card(text("events.empty")):
            problems.show(problem)
        return
    if desk().webhooks.refuses_signatures():
        with empty.card(text("events.empty"), text("events.empty.refused")):
            pass
        return
    # Only the local Stripe that Lumira started is known to deliver here.
    where = "events.empty.sandbox" if sandbox_state(desk().settings) else "events.empty.stripe"
    with empty.card(text("events.empty"), text(where)):
        navigation.link_new_payment()


notices.show()
st.title(text("events.title"), anchor=False)
st.caption(text("events.lead"))
has_secret = desk().settings.stripe_webhook_secret is not None
if not has_secret:
    show_connection(missing=True)

failed, more_failed = event_actions.failed(PAGE_SIZE)
show_failed_count()
problems.show_remembered("retry-all")
selected = event_filter.choose(begin_list)
opened = st.query_params.get("event")
events, next_cursor = desk().webhooks.page(PAGE_SIZE, pager.after(), selected=selected, actor=actor())
if selected.state is None and not pager.after():
    # Whatever page they would stand on: what failed comes first.
    first = [event for event in failed if selected.admits(event)]
    known = {event.event_id for event in first}
    events = [*first, *(event for event in events if event.event_id not in known)]
newest = events[0].event_id if events else ""
filtered = "-".join(st.query_params.get(name, "") for name in ("state", "age", "type", "after"))
table_key = f"events-{filtered}-{newest}-{st.session_state.get('closed', 0)}"
if clicked := order_clicked():
    address.leave(navigation.order(), {"id": clicked})

beside = None
listing = st.container()
if opened:
    with st.container(key="list-and-event"):
        listing, beside = st.columns([1.75, 1])

with listing:
    if events:
        tables.show_events(events, key=table_key, on_select=open_selected, narrow=bool(opened))
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            name = "events.shown.here" if pager.after() or next_cursor else "events.shown"
            st.caption(counted(name, len(events)), width="content")
            pager.show(next_cursor)
    else:
        show_empty()
    if has_secret:
        with st.expander(text("events.connect"), icon=":material/link:", expanded=False):
            show_connection(missing=False)

if beside and opened:
    with beside, st.container(border=True, key="open-event"):
        show_open_event(opened)
