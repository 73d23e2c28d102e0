"""What is done with many orders at once: asked of Stripe, counted, written into a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import streamlit as st

from lumira.dashboard import address, file_buttons, notices, pager, problems, recent, session
from lumira.dashboard.texts import counted, number, text
from lumira.errors import LumiraError
from lumira.export import Column, FileFormat, as_bytes, order_columns
from lumira.order_filter import DateField, OrderFilter, filter_query
from lumira.order_list import COUNTED
from lumira.orders import Order, Page
from lumira.refund_export import refund_columns, refunded

_REPORT: Final = "refresh-report"
_COUNT: Final = "orders-count"
# A count is for orientation; it may be as old as this while the list itself is read anew.
_COUNT_SECONDS: Final = 30
_FAILURES_SHOWN: Final = 10
Row = TypeVar("Row")


@dataclass(frozen=True)
class _Failure:
    order_id: str
    error: LumiraError


def table_key(wanted: OrderFilter, size: int, columns: list[str], orders: list[Order]) -> str:
    """A name for what the list shows: a selection is by row number and must not outlive its rows."""
    shown = [filter_query(wanted), pager.after(), size, columns, [order.id for order in orders]]
    drawn = st.session_state.get("orders-drawn", 0)
    return f"orders-{hashlib.sha256(repr(shown).encode()).hexdigest()[:16]}-{drawn}"


def show_refresh(orders: list[Order], *, chosen: bool) -> None:
    """The button that asks Stripe for these orders, several at once, and shows how far it is."""
    label = counted("orders.refresh.chosen", len(orders)) if chosen else text("orders.refresh.page")
    if st.button(label, icon=":material/sync:", type="tertiary", key="refresh-orders"):
        _refresh(orders)
        # A list under a new key has no row ticked.
        st.session_state["orders-drawn"] = st.session_state.get("orders-drawn", 0) + 1
        st.rerun()


def _refresh(orders: list[Order]) -> None:
    # What never went to Stripe is none of those it answers for.
    before = {order.order_id: order for order in orders if order.stripe_payment_intent_id}
    if not before:
        st.session_state.pop(_REPORT, None)
        notices.say(text("orders.refresh.nothing"))
        return
    bar = st.progress(0.0, text("orders.refresh.progress", done=number(0), total=number(len(before))))
    failures: list[_Failure] = []
    changed = 0
    answers = session.desk().order_list.refresh(list(before), actor=session.actor())
    for done, (order_id, answer) in enumerate(answers, start=1):
        if isinstance(answer, LumiraError):
            failures.append(_Failure(order_id, answer))
        else:
            changed += _facts(answer) != _facts(before[order_id])
        bar.progress(
            done / len(before),
            text("orders.refresh.progress", done=number(done), total=number(len(before))),
        )
    st.session_state[_REPORT] = address.held(), failures
    if answered := len(before) - len(failures):
        notices.say(counted("orders.refreshed", answered, changed=number(changed)))


def _facts(order: Order) -> tuple[object, ...]:
    return (order.status, order.stripe_status, order.amount_refunded, len(order.disputes))


def show_report() -> None:
    """Why orders could not be refreshed, and the first of them, until the next attempt or another list."""
    listed, failures = st.session_state.get(_REPORT, ({}, list[_Failure]()))
    if listed != address.held():
        st.session_state.pop(_REPORT, None)
        return
    if not failures:
        return
    left: dict[str, list[str]] = {}
    for failure in failures:
        left.setdefault(problems.headline(failure.error), []).append(f"`{failure.order_id}`")
    lines = [
        f"- {reason} {', '.join(ids[:_FAILURES_SHOWN])}{', …' * (len(ids) > _FAILURES_SHOWN)}"
        for reason, ids in left.items()
    ]
    st.warning(
        "\n".join([text("orders.refresh.failed.next"), "", *lines]),
        title=counted("orders.refresh.failed", len(failures)),
        icon=":material/cloud_off:",
    )


def show_export(wanted: OrderFilter, ticked: list[Order]) -> None:
    """The button that offers the files: of the rows that are ticked, else of all that the filter selects."""
    popover = st.popover(
        text("orders.export"), icon=":material/download:", type="tertiary", key="export", on_change="rerun"
    )
    if not popover.open:
        return
    with popover:
        which = "all" if not ticked else "one" if len(ticked) == 1 else "chosen"
        language, zone = session.language(), session.timezone()
        st.caption(text(f"orders.export.{which}", count=number(len(ticked)), zone=zone.key))
        orders = _writer(wanted, ticked, order_columns(language, zone), iter)
        _show_files("orders.export", "export", ":material/table_view:", orders)
        if wanted.refunded or wanted.dated is DateField.REFUNDED:
            # One row each: an order may have several, in several months.
            in_period = wanted.dated is DateField.REFUNDED
            st.caption(text("refunds.export.period" if in_period else "refunds.export"))
            refunds = _writer(
                wanted, ticked, refund_columns(language, zone), lambda rows: refunded(rows, wanted, zone)
            )
            _show_files("refunds.export", "export-refunds", ":material/undo:", refunds)


def _show_files(name: str, key: str, icon: str, written: Callable[[FileFormat], bytes]) -> None:
    today = datetime.now(session.timezone()).date().isoformat()
    file_buttons.show(name, f"{text(f'{name}.file')}-{today}", written, key=key, icon=icon)


def _writer(
    wanted: OrderFilter,
    ticked: list[Order],
    columns: list[Column[Row]],
    rows_of: Callable[[Iterable[Order]], Iterable[Row]],
) -> Callable[[FileFormat], bytes]:
    """Writes a kind of file when it is asked for."""
    desk, actor, language, zone = session.desk(), session.actor(), session.language(), session.timezone()

    def written(kind: FileFormat) -> bytes:
        orders = desk.order_list.export(wanted, ticked, kind=kind, actor=actor)
        return as_bytes(kind, columns, rows_of(orders), language=language, zone=zone)

    return written


def show_count(wanted: OrderFilter, page: Page) -> None:
    """How many orders the page shows and, as far as it is counted, of how many."""
    here = len(page.orders)
    if pager.after() is None and page.next_cursor is None:
        st.caption(counted("orders.shown", here), width="content")
        return
    if pager.after() is not None:
        st.caption(counted("orders.shown.here", here), width="content")
        return
    count = _count(wanted)
    name = "orders.shown.of_more" if count > COUNTED else "orders.shown.of"
    st.caption(
        text(name, first=number(1), last=number(here), count=number(min(count, COUNTED))), width="content"
    )


def _count(wanted: OrderFilter) -> int:
    desk, actor = session.desk(), session.actor()
    return recent.answer(_COUNT, wanted, _COUNT_SECONDS, lambda: desk.order_list.count(wanted, actor=actor))
