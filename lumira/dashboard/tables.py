"""The tables of the pages, and two of them: a page of events, and differences from Stripe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pandas as pd
import streamlit as st

from lumira.dashboard import address, comparison, event_details, markup, session, theme
from lumira.dashboard.texts import level_name, moment, text
from lumira.dashboard.theme import LEVEL_COLOURS, STATUS_COLOURS
from lumira.differences import Difference, Report
from lumira.events import EventState, RecordedEvent
from lumira.orders import OrderStatus

NOTHING: Final = "–"
ROW_HEIGHT: Final = 38
# The pager under the list stays in sight; the rest of the page scrolls in the list.
_ROWS_SHOWN: Final = 16
# As the grid draws it; and the lines of the frame above and below it.
_HEADER_HEIGHT: Final = 35
_FRAME: Final = 2


def height(rows: int) -> int:
    """The height in pixels of a table of so many rows; one of more rows than are shown scrolls."""
    return _HEADER_HEIGHT + ROW_HEIGHT * min(rows, _ROWS_SHOWN) + _FRAME


@contextmanager
def or_cards(name: str, rows: Iterable[markup.Card]) -> Iterator[None]:
    """Around a table: its rows as cards too, where the table would have to be pushed sideways.

    lumira.css shows one of the two, by the names of their containers.
    """
    # Without a gap: there would be one beside whichever of the two is not shown.
    with st.container(gap=None):
        with st.container(key=f"wide-{name}"):
            yield
        with st.container(key=f"narrow-{name}"):
            st.html(markup.cards(rows))


def selected_row(key: str) -> int | None:
    """The row of a list that is selected, by its box or by a click anywhere in it."""
    selection = st.session_state.get(key, {}).get("selection", {})
    if selection.get("rows"):
        return int(selection["rows"][0])
    return int(selection["cells"][0][0]) if selection.get("cells") else None


def selected_column(key: str) -> str | None:
    """The column of the cell that was clicked, by its name in the frame; None when a box was."""
    cells = st.session_state.get(key, {}).get("selection", {}).get("cells")
    return str(cells[0][1]) if cells else None


def moments(label: str, *, narrow: bool) -> Any:
    """A column of instants in the business time zone."""
    if narrow:
        pattern = "DD/MM HH:mm" if session.language() == "fr" else "D MMM HH:mm"
    else:
        pattern = "DD/MM/YYYY HH:mm" if session.language() == "fr" else "D MMM YYYY, HH:mm"
    return st.column_config.DatetimeColumn(
        label, format=pattern, timezone=session.timezone().key, width=100 if narrow else 122
    )


def levels(label: str) -> Any:
    """A column of levels, each in its colour."""
    colours = {level_name(one): theme.chip(colour, "level") for one, colour in LEVEL_COLOURS.items()}
    return chips(label, colours, width=86)


def chips(label: str, colours: dict[str, str], **options: Any) -> Any:
    """A column of small labels, each in its colour."""
    return st.column_config.MultiselectColumn(
        label, options=list(colours), color=list(colours.values()), **options
    )


def events_frame(events: list[RecordedEvent]) -> pd.DataFrame:
    """A page of events as the list shows it, one row each, in the reader's words."""
    return pd.DataFrame(
        [
            {
                "received": event.created_at,
                "type": event_details.type_name(event.event_type),
                "payment_intent": event_details.payment_intent_of(event) or NOTHING,
                "outcome": event_details.outcome_or_error(event),
                "state": [event_details.state_name(event.state)],
                "attempts": event.attempts,
            }
            for event in events
        ]
    )


def show_events(
    events: list[RecordedEvent], *, key: str, on_select: Callable[[], None], narrow: bool
) -> None:
    """The list of events: a table, and a card for each on a narrow screen.

    `key` must name page and filter, for a selection is a row number only; `narrow` leaves room beside it.
    """
    config = st.column_config
    states = {
        event_details.state_name(state): theme.chip(theme.event_colour(state), "status")
        for state in EventState
    }
    columns = ["received", "state", "type", "outcome", "payment_intent", "attempts"]
    if narrow:
        columns = ["received", "state", "type", "outcome"]
    with or_cards("events", map(_event_card, events)):
        if not narrow:
            st.caption(text("events.table.lead"))
        st.dataframe(
            events_frame(events),
            key=key,
            on_select=on_select,
            selection_mode=["single-row", "single-cell"],
            hide_index=True,
            column_order=columns,
            column_config={
                "received": moments(text("event.received"), narrow=narrow),
                "type": config.TextColumn(text("event.type"), width=180 if narrow else 175),
                "outcome": config.TextColumn(text("event.outcome"), width=205 if narrow else 212),
                "state": chips(text("event.state"), states, width=100),
                "attempts": config.NumberColumn(text("event.attempts"), width=82),
                "payment_intent": config.TextColumn(text("order.payment_intent"), width=216),
            },
            row_height=ROW_HEIGHT,
            height=height(len(events)),
            placeholder="",
            alt=text("events.table"),
        )


def _event_card(event: RecordedEvent) -> markup.Card:
    told = [
        moment(event.created_at) if event.created_at else "",
        event_details.outcome_or_error(event),
        event_details.payment_intent_of(event),
    ]
    return markup.Card(
        # The list keeps its filter and its page while an event is open.
        link=address.link("/webhooks", {**address.held(), "event": event.event_id}),
        title=event_details.type_name(event.event_type),
        chips=[(event_details.state_name(event.state), theme.event_colour(event.state))],
        note=" · ".join(filter(None, told)),
    )


def differences_frame(report: Report) -> pd.DataFrame:
    """What differs, one row each, in the reader's words."""
    link = session.desk().gateway.payment_intent_url
    return pd.DataFrame(
        [
            {
                "what": text(f"difference.{difference.kind}"),
                "order": comparison.order_url(difference),
                "payment_intent": link(difference.payment_intent_id)
                if difference.payment_intent_id
                else None,
                "ours": comparison.ours(difference) or NOTHING,
                "stripes": comparison.stripes(difference) or NOTHING,
                "repaired": [text("difference.repaired" if difference.repaired else "difference.open")],
            }
            for difference in report.differences
        ]
    )


def show_differences(report: Report) -> None:
    """The differences of a report, each with its order and its PaymentIntent to open; narrow, as cards."""
    config = st.column_config
    states = {
        text("difference.repaired"): theme.chip(STATUS_COLOURS[OrderStatus.COMPLETED], "status"),
        text("difference.open"): theme.chip(STATUS_COLOURS[OrderStatus.PENDING], "status"),
    }
    with or_cards("differences", map(_difference_card, report.differences)):
        st.dataframe(
            differences_frame(report),
            hide_index=True,
            column_config={
                "what": config.TextColumn(text("difference.what"), width=235),
                "order": config.LinkColumn(text("difference.order"), display_text=r"id=([^&]+)", width=190),
                "payment_intent": config.LinkColumn(
                    text("orders.payment_intent"), display_text=r"/([^/]+)$", width=200
                ),
                "ours": config.TextColumn(text("difference.ours"), width=105),
                "stripes": config.TextColumn(text("difference.stripes"), width=115),
                "repaired": chips(text("difference.state"), states, width=100),
            },
            row_height=ROW_HEIGHT,
            height=height(len(report.differences)),
            placeholder="",
            alt=text("difference.table"),
        )


def _difference_card(difference: Difference) -> markup.Card:
    state = "difference.repaired" if difference.repaired else "difference.open"
    colour = STATUS_COLOURS[OrderStatus.COMPLETED if difference.repaired else OrderStatus.PENDING]
    at_stripe = difference.payment_intent_id
    ours, stripes = comparison.ours(difference) or NOTHING, comparison.stripes(difference) or NOTHING
    return markup.Card(
        link=comparison.order_url(difference)
        or (session.desk().gateway.payment_intent_url(at_stripe) if at_stripe else ""),
        title=text(f"difference.{difference.kind}"),
        chips=[(text(state), colour)],
        note=f"{text('difference.both', ours=ours, stripes=stripes)} · {difference.order_id or at_stripe}",
        # The report is this session's: a page that opened in its place would lose it.
        apart=True,
    )
