"""The filter of the orders on the page: it stands in the URL, and every control reads and writes it there.

A control changes the filter of the moment it is used, not the one it was drawn with: where a second action
stops the run of a first, Streamlit calls what was drawn before both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from lumira.dashboard import address, problems, session
from lumira.dashboard.amounts import minor_units
from lumira.dashboard.periods import Range, days
from lumira.dashboard.texts import day, level_name, money, stripe_status_name, text
from lumira.money import major_units
from lumira.order_filter import (
    LEVELS,
    NAMES,
    SEARCH_LENGTH,
    SOURCES,
    STRIPE_STATUSES,
    DateField,
    Disputed,
    OrderFilter,
    Sort,
    filter_query,
    parse_filter,
)
from lumira.orders import OrderStatus
from lumira.views import LAYOUT

# The house sells in euros; a bound is compared with the amount of an order in any currency.
_CURRENCY: Final = "eur"
OPENED_FROM: Final = "list"
# What of the address a list is made of.
_LIST: Final = frozenset({*NAMES, *LAYOUT, "after", "as"})

_DISPUTED_NAMES: Final = {
    Disputed.NEEDS_RESPONSE: "orders.filter.needs_response",
    Disputed.YES: "orders.filter.with",
    Disputed.NO: "orders.filter.without",
}
# To be chosen with one click.
_SPANS: Final = (Range.TODAY, Range.WEEK, Range.MONTH, Range.LAST_MONTH)


def read() -> OrderFilter:
    """The filter the URL holds. Raises InvalidFilter."""
    return parse_filter(address.held())


def write(query: Mapping[str, str], layout: Mapping[str, str] | None = None) -> None:
    """Puts a filter, and a layout where there is one, into the URL and turns to its first page."""
    names = (*NAMES, "after", *(LAYOUT if layout is not None else ()))
    address.change({**dict.fromkeys(names), **query, **(layout or {})})


def clear() -> None:
    """Takes the filter away."""
    write({})


def beside_order() -> dict[str, str]:
    """What the address of an order holds beside its id, so that the list it is opened from is found again.

    Where a session remembered it, an order that is loaded anew would have forgotten.
    """
    shown = {name: value for name, value in address.held().items() if name in _LIST}
    return {OPENED_FROM: urlencode(shown)} if shown else {}


def opened_from() -> dict[str, str]:
    """The list that the order in the URL was opened from, as the list's own address holds it."""
    told = parse_qsl(address.held().get(OPENED_FROM, ""))
    return {name: value for name, value in told if name in _LIST}


def put_back() -> None:
    """Gives the list its own address back: going back from an order, one arrives at it with the order's."""
    if OPENED_FROM in address.held():
        address.change({"id": None, OPENED_FROM: None, **opened_from()})


def show_search() -> None:
    """The field for a name, an address or an id: also over a search that the list refuses, to correct it."""
    used = address.control(
        "q", address.held().get("q", ""), lambda words: address.change({"q": words.strip(), "after": None})
    )
    st.text_input(
        text("orders.search"),
        type="search",
        placeholder=text("orders.search.hint"),
        max_chars=SEARCH_LENGTH,
        key="q",
        on_change=used,
        label_visibility="collapsed",
        width="stretch",
    )


def show_sort(wanted: OrderFilter) -> None:
    """In which order the list is."""
    waiting = wanted.disputed is Disputed.NEEDS_RESPONSE

    def sorted_by(now: OrderFilter, sort: Sort) -> OrderFilter:
        # A second action may have taken the filter away that the deadline belongs to.
        return replace(now, sort=sort, disputed=Disputed.NEEDS_RESPONSE if sort is Sort.DUE else now.disputed)

    used = _control("sort", wanted.sort, sorted_by)
    st.selectbox(
        text("orders.sort"),
        [sort for sort in Sort if waiting or sort is not Sort.DUE],
        format_func=lambda sort: text(f"orders.sort.{sort}"),
        key="sort",
        on_change=used,
        label_visibility="collapsed",
        width=220,
    )


def show_filters(wanted: OrderFilter) -> None:
    """The button that opens every filter; what it holds is drawn only while it is open."""
    # Always the same words: under others it would be another button, and what is open would close.
    popover = st.popover(text("orders.filters"), icon=":material/tune:", key="filters", on_change="rerun")
    if popover.open:
        # Close to one another, so that a laptop shows all of them.
        with popover, st.container(gap="xsmall"):
            _show_period(wanted)
            _show_choices(wanted)
            _show_amounts(wanted)


def _show_period(wanted: OrderFilter) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _choose(
            text("orders.filter.date"),
            "dated",
            wanted.dated,
            list(DateField),
            lambda field: text(f"orders.filter.date.{field}"),
            lambda now, field: replace(now, dated=field),
            required=True,
        )
        today = datetime.now(session.timezone()).date()
        spans = {span: days(span, today) for span in _SPANS}
        shown = next((span for span in _SPANS if (wanted.first, wanted.last) == spans[span]), None)
        _choose(
            text("revenue.range"),
            "span",
            shown,
            list(_SPANS),
            lambda span: text(f"orders.filter.{span}"),
            lambda now, span: replace(
                now, first=spans[span][0] if span else None, last=spans[span][1] if span else None
            ),
        )
    with st.container(horizontal=True):
        _choose_day("from", wanted.first, lambda now, chosen: replace(now, first=chosen))
        _choose_day("to", wanted.last, lambda now, chosen: replace(now, last=chosen))


def _show_choices(wanted: OrderFilter) -> None:
    _choose_several(
        text("orders.filter.status"),
        "statuses",
        wanted.statuses,
        list(OrderStatus),
        lambda status: text(f"status.{status}"),
        lambda now, chosen: replace(now, statuses=chosen),
    )
    with st.container(horizontal=True):
        _choose_several(
            text("orders.level"),
            "levels",
            wanted.levels,
            LEVELS,
            level_name,
            lambda now, chosen: replace(now, levels=chosen),
        )
        _choose(
            text("orders.filter.refunded"),
            "refunded",
            wanted.refunded,
            [True, False],
            lambda refunded: text("orders.filter.with" if refunded else "orders.filter.without"),
            lambda now, chosen: replace(now, refunded=chosen),
        )
    stripe_used = _control(
        "filter-stripe",
        [name for name in STRIPE_STATUSES if name in wanted.stripe_statuses],
        lambda now, chosen: replace(now, stripe_statuses=frozenset(chosen)),
    )
    differs_used = _control(
        "filter-differs", wanted.differs, lambda now, chosen: replace(now, differs=chosen)
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.multiselect(
            text("orders.filter.stripe"),
            STRIPE_STATUSES,
            format_func=stripe_status_name,
            placeholder=text("orders.filter.stripe.any"),
            key="filter-stripe",
            on_change=stripe_used,
        )
        st.toggle(text("orders.filter.differs"), key="filter-differs", on_change=differs_used)
    with st.container(horizontal=True):
        _choose(
            text("orders.filter.disputed"),
            "disputed",
            wanted.disputed,
            list(Disputed),
            lambda disputed: text(_DISPUTED_NAMES[disputed]),
            lambda now, chosen: now.with_disputes(chosen),
        )
        _choose_several(
            text("orders.filter.source"),
            "sources",
            wanted.sources,
            SOURCES,
            lambda source: text(f"source.{source}"),
            lambda now, chosen: replace(now, sources=chosen),
        )


def _show_amounts(wanted: OrderFilter) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wrong = [
            _choose_amount("min", wanted.minimum, lambda now, chosen: replace(now, minimum=chosen)),
            _choose_amount("max", wanted.maximum, lambda now, chosen: replace(now, maximum=chosen)),
        ]
        st.button(text("orders.filters.clear"), icon=":material/filter_alt_off:", on_click=clear)
    for typed in filter(None, wrong):
        st.markdown(f":red[{text('orders.filter.amount.wrong', typed=problems.plain(typed))}]")


def _control(
    key: str, shown: object, changed: Callable[[OrderFilter, Any], OrderFilter]
) -> Callable[[], None]:
    """Has the control `key` show a value; what it calls when it was used, with what was chosen."""
    return address.control(key, shown, lambda chosen: write(filter_query(changed(read(), chosen))))


def _choose(
    label: str,
    name: str,
    value: Any,
    options: list[Any],
    format_func: Callable[[Any], str],
    changed: Callable[[OrderFilter, Any], OrderFilter],
    *,
    required: bool = False,
) -> None:
    key = f"filter-{name}"
    used = _control(key, value, changed)
    st.segmented_control(
        label,
        options,
        format_func=format_func,
        key=key,
        on_change=used,
        required=required,
        wrap=True,
    )


def _choose_several(
    label: str,
    name: str,
    value: frozenset[Any],
    options: Any,
    format_func: Callable[[Any], str],
    changed: Callable[[OrderFilter, frozenset[Any]], OrderFilter],
) -> None:
    key = f"filter-{name}"
    shown = [option for option in options if option in value]
    used = _control(key, shown, lambda now, chosen: changed(now, frozenset(chosen)))
    st.pills(
        label,
        options,
        format_func=format_func,
        selection_mode="multi",
        key=key,
        on_change=used,
        wrap=True,
    )


def _choose_day(
    name: str, value: date | None, changed: Callable[[OrderFilter, date | None], OrderFilter]
) -> None:
    key = f"filter-{name}"
    used = _control(key, value, changed)
    st.date_input(
        text(f"orders.filter.{name}"),
        value=None,
        min_value=date(2000, 1, 1),
        max_value=date(2100, 1, 1),
        key=key,
        on_change=used,
        format="DD/MM/YYYY",
    )


def _choose_amount(
    name: str, value: int | None, changed: Callable[[OrderFilter, int | None], OrderFilter]
) -> str:
    """A field for an amount; what stands in it where that is none."""
    key, wrong = f"filter-{name}", f"filter-{name}-wrong"

    def typed(content: str) -> None:
        written = content.strip()
        amount = minor_units(written, _CURRENCY) if written else None
        st.session_state[wrong] = written if written and amount is None else ""
        if not st.session_state[wrong]:
            write(filter_query(changed(read(), amount)))

    plain = "" if value is None else f"{major_units(value, _CURRENCY):f}"
    plain = plain.replace(".", ",") if session.language() == "fr" else plain
    used = address.control(key, st.session_state.get(wrong) or plain, typed)
    st.text_input(
        text(f"orders.filter.{name}"),
        placeholder=text("orders.filter.amount.hint"),
        key=key,
        on_change=used,
        icon=":material/euro:",
    )
    return str(st.session_state.get(wrong, ""))


def show_description(wanted: OrderFilter) -> None:
    """What the filter says in words, and a way out of it."""
    if parts := described(wanted):
        st.caption(problems.plain(" · ".join(parts)), width="content")
        st.button(
            text("orders.filters.clear"),
            icon=":material/close:",
            type="tertiary",
            on_click=clear,
            key="clear-filters",
        )


def described(wanted: OrderFilter) -> list[str]:
    """What the filter says, a few words for each part of it."""
    return [part for part in _described(wanted) if part]


def _described(wanted: OrderFilter) -> Iterator[str]:
    if wanted.search:
        yield text("orders.filter.search", search=wanted.search)
    if wanted.first or wanted.last or wanted.dated is not DateField.CREATED:
        yield text(f"orders.filter.period.{wanted.dated}", period=_period(wanted))
    yield _joined(text(f"status.{status}") for status in OrderStatus if status in wanted.statuses)
    yield _joined(level_name(level) for level in LEVELS if level in wanted.levels)
    if wanted.stripe_statuses:
        names = [stripe_status_name(name) for name in STRIPE_STATUSES if name in wanted.stripe_statuses]
        yield f"Stripe · {_joined(names)}"
    if wanted.differs:
        yield text("orders.filter.differs.yes")
    yield _amounts(wanted)
    if wanted.refunded is not None:
        yield text(f"orders.filter.refunded.{'yes' if wanted.refunded else 'no'}")
    if wanted.disputed is not None:
        yield text(f"orders.filter.disputed.{wanted.disputed}")
    yield _joined(text(f"source.{name}") for name in SOURCES if name in wanted.sources)


def _period(wanted: OrderFilter) -> str:
    shown = {
        "first": day(wanted.first) if wanted.first else "",
        "last": day(wanted.last) if wanted.last else "",
    }
    if wanted.first and wanted.last:
        kind = "on" if wanted.first == wanted.last else "between"
    elif wanted.first or wanted.last:
        kind = "since" if wanted.first else "until"
    else:
        kind = "always"
    return text(f"orders.filter.period.{kind}", **shown)


def _amounts(wanted: OrderFilter) -> str:
    low, high = wanted.minimum, wanted.maximum
    if low is None and high is None:
        return ""
    shown = {
        "minimum": "" if low is None else money(low, _CURRENCY),
        "maximum": "" if high is None else money(high, _CURRENCY),
    }
    if low is None or high is None:
        kind = "at_most" if low is None else "at_least"
    else:
        kind = "exactly" if low == high else "between"
    return text(f"orders.filter.amount.{kind}", **shown)


def _joined(names: Any) -> str:
    return ", ".join(names)
