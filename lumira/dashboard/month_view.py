"""The parts of the month close page: the month chosen, its figures, and the way to close it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

import pandas as pd
import streamlit as st

from lumira.dashboard import address, choices, empty, markup, notices, problems, session, tables
from lumira.dashboard.tables import ROW_HEIGHT, height
from lumira.dashboard.texts import capitalized, counted, money, number, text
from lumira.dashboard.theme import DISAGREES_COLOUR
from lumira.errors import LumiraError, MonthChanged, MonthClosed
from lumira.export import FileFormat
from lumira.month_close import days_of
from lumira.month_comparison import DIFFERENCES_KEPT
from lumira.month_figures import BALANCE_LINES, LateChange, Line, MonthFigures, OrderDifference
from lumira.month_files import (
    as_pdf,
    as_xlsx,
    cause,
    level_title,
    line_amounts,
    line_titles,
    month_name,
    sentences,
)

PROBLEM: Final = "month"
_COMPARED: Final = "month-figures"
# What the address holds of a month that is compared: a reload, or whom the link is sent to, compares it too.
_ASKED: Final = "compared"
_MONTHS: Final = 24


def recent_months() -> list[str]:
    """The months of the last two years, `2026-10`, this one first."""
    first = session.desk().revenue.today().replace(day=1)
    months = []
    for _ in range(_MONTHS):
        months.append(f"{first:%Y-%m}")
        first = (first - timedelta(days=1)).replace(day=1)
    return months


def choose() -> str:
    """The month to look at: the one before this one, unless the URL names another of the last two years."""
    this, last, *others = recent_months()
    # The month that just ended is the one to close: it stands first.
    return choices.choose_text(
        "month",
        text("month.choose"),
        [last, this, *others],
        format_func=name_of,
        on_change=_chosen,
        width=220,
    )


def _chosen() -> None:
    """Another month begins with what this session knows of it."""
    problems.forget(PROBLEM)
    _remember_asked(st.session_state["month"] in st.session_state.get(_COMPARED, {}))


def _remember_asked(asked: bool) -> None:
    address.change({_ASKED: "yes" if asked else None})


def is_asked() -> bool:
    """Whether the address says that its month was compared."""
    return _ASKED in st.query_params


def known(month: str) -> MonthFigures | None:
    """The month as it was closed, else as it was compared last in this session."""
    closed = session.desk().month_close.closed(month, actor=session.actor())
    compared: dict[str, MonthFigures] = st.session_state.get(_COMPARED, {})
    return closed or compared.get(month)


def compare(month: str) -> None:
    """Compares the month; keeps what came out for this session, and in the address that it was asked for."""
    with st.status(text("month.comparing", count=number(0))) as status:
        try:
            figures = session.desk().month_close.compare(
                month,
                actor=session.actor(),
                progress=lambda count: status.update(label=text("month.comparing", count=number(count))),
            )
        except LumiraError as error:
            problems.remember(PROBLEM, error)
            # Asked again by a person, not by every rerun of the page.
            _remember_asked(False)
            return
    problems.forget(PROBLEM)
    st.session_state.setdefault(_COMPARED, {})[month] = figures
    _remember_asked(True)


def show_close(figures: MonthFigures) -> None:
    """The button that closes the month, behind a dialog that says what it means."""
    over = days_of(figures.month)[1] < session.desk().revenue.today()
    if st.button(
        text("month.close"),
        type="primary",
        icon=":material/lock:",
        key="close",
        disabled=not over,
        help=None if over else text("month.not_over"),
    ):
        title = text("month.close.confirm", month=month_name(figures.month, session.language()))
        st.dialog(title, icon=":material/lock:")(confirm)(figures)


def confirm(figures: MonthFigures) -> None:
    """What closing means, and the button that does it, in the dialog."""
    st.markdown(text("month.close.lead"))
    if figures.difference_count:
        st.warning(counted("month.close.differences", figures.difference_count))
    label = text("month.close.confirm", month=month_name(figures.month, session.language()))
    if st.button(label, type="primary", icon=":material/lock:", width="stretch", key="close-confirmed"):
        with problems.remembered(PROBLEM), st.spinner(text("month.closing")):
            try:
                session.desk().month_close.close(figures.month, seen=figures, actor=session.actor())
            except MonthChanged as error:
                # They are to be seen before they are signed.
                st.session_state.setdefault(_COMPARED, {})[figures.month] = error.extra["figures"]
                raise
            notices.say(text("month.close.done", month=name_of(figures.month)))
        st.rerun()


def show_problem(*, closed: bool) -> None:
    """Why the last comparison or close failed; nothing of a close that was made and only its answer lost."""
    if closed and not problems.is_remembered(PROBLEM, MonthClosed):
        problems.forget(PROBLEM)
    problems.show_remembered(PROBLEM)


def show_start(month: str) -> None:
    """What the comparison is, before the first one."""
    with empty.card(text("month.empty"), text("month.empty.next")):
        if days_of(month)[1] >= session.desk().revenue.today():
            st.caption(text("month.not_over"), text_alignment="center", width="content")


def show(figures: MonthFigures) -> None:
    """The month: its state, its figures, what came late, the differences, Stripe's balance, the files."""
    late = (
        session.desk().month_close.late_changes(figures, actor=session.actor()) if figures.is_closed else []
    )
    _show_state(figures, late)
    for total in figures.totals():
        with st.grid(4, key=f"four-totals-{total.currency}"):
            for name, amount in (
                ("month.net", total.net),
                ("month.stripe_net", total.stripe_net),
                ("month.difference", total.difference),
            ):
                st.metric(text(name), money(amount, total.currency), border=True)
            fees = next((b.amounts["fees"] for b in figures.balances if b.currency == total.currency), 0)
            st.metric(text("month.balance.fees"), money(fees, total.currency), border=True)
    _show_lines(figures)
    if figures.differences:
        _show_differences(figures)
    if figures.balances:
        _show_balances(figures)


def _show_state(figures: MonthFigures, late: list[LateChange]) -> None:
    said = sentences(figures, late, language=session.language(), zone=session.timezone())
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="medium"
    ):
        with st.container(width="stretch", gap="xxsmall", key="month-said"):
            st.header(name_of(figures.month), anchor=False)
            st.caption(said[1])
        with st.container(horizontal=True, width="content", gap="small", key="month-files"):
            _show_files(figures, late)
    if figures.difference_count:
        st.warning(said[2], icon=":material/difference:")
    else:
        st.success(said[2], title=text("month.agrees"), icon=":material/check_circle:")
    if late:
        lines = "\n".join(
            "- "
            + text(
                "month.late.line",
                level=level_title(change.level, session.language()),
                figure=text(f"revenue.{change.figure}").lower(),
                closed=money(change.closed, change.currency),
                now=money(change.now, change.currency),
            )
            for change in late
        )
        st.warning(f"{said[3]}\n\n{lines}", title=text("month.late.title"), icon=":material/history:")


def _show_files(figures: MonthFigures, late: list[LateChange]) -> None:
    desk, actor = session.desk(), session.actor()
    language, zone = session.language(), session.timezone()

    def file(kind: str, make: Callable[..., bytes]) -> bytes:
        desk.month_close.export(figures, kind=kind, actor=actor)
        return make(figures, late, language=language, zone=zone)

    for kind, mime, make in (
        (str(FileFormat.XLSX), FileFormat.XLSX.mime, as_xlsx),
        ("pdf", "application/pdf", as_pdf),
    ):
        st.download_button(
            text(f"month.file.{kind}"),
            partial(file, kind, make),
            file_name=f"lumira-{figures.month}.{kind}",
            mime=mime,
            icon=":material/download:",
            on_click="ignore",
            key=f"file-{kind}",
        )


def _show_lines(figures: MonthFigures) -> None:
    lines = [*figures.lines, *figures.totals()]
    rows = [
        [level_title(line.level, session.language()), line.currency.upper(), number(line.orders)]
        + [money(amount, line.currency) for amount in line_amounts(line)]
        for line in lines
    ]
    st.header(text("month.sheet"), anchor=False)
    if not lines:
        st.caption(text("month.nothing"))
        return
    with tables.or_cards("month-lines", map(_line_card, lines)):
        _table(line_titles(session.language()), rows, left=2)


def _line_card(line: Line) -> markup.Card:
    def beside(name: str, ours: int, stripes: int) -> tuple[str, str, str]:
        return text(name), money(ours, line.currency), money(stripes, line.currency)

    difference = f"{text('month.difference')} {money(line.difference, line.currency)}"
    return markup.Card(
        link="",
        title=level_title(line.level, session.language()),
        beside=counted("orders.shown", line.orders),
        chips=[(difference, DISAGREES_COLOUR)] if line.difference else [],
        figures=[
            ("", text("month.ours"), text("month.stripes")),
            beside("month.gross", line.gross, line.stripe_gross),
            beside("month.balance.refunds", line.refunds, line.stripe_refunds),
            beside("month.net", line.net, line.stripe_net),
        ],
    )


def _show_differences(figures: MonthFigures) -> None:
    st.header(text("month.sheet.differences"), anchor=False)
    if figures.difference_count > len(figures.differences):
        st.caption(text("month.more", kept=number(DIFFERENCES_KEPT)))
    language = session.language()
    names = ("difference.what", "orders.level", "month.ours", "month.stripes", "month.cause")
    titles = [text(name) for name in names]
    frame = pd.DataFrame(
        [
            [
                text(f"month.kind.{found.kind}"),
                level_title(found.level, language),
                money(found.ours, found.currency),
                money(found.stripes, found.currency),
                cause(found, language),
                _order_url(found),
                _payment_intent_url(found),
            ]
            for found in figures.differences
        ],
        columns=[*titles, text("difference.order"), "PaymentIntent"],
    )
    config = st.column_config
    with tables.or_cards("month-differences", map(_difference_card, figures.differences)):
        st.dataframe(
            frame,
            hide_index=True,
            column_config={
                titles[0]: config.TextColumn(width=130),
                titles[1]: config.TextColumn(width=80),
                titles[2]: config.TextColumn(alignment="right", width=84),
                titles[3]: config.TextColumn(alignment="right", width=84),
                titles[4]: config.TextColumn(width=300),
                text("difference.order"): config.LinkColumn(display_text=r"id=([^&]+)", width=125),
                "PaymentIntent": config.LinkColumn(display_text=r"/([^/]+)$", width=145),
            },
            row_height=ROW_HEIGHT,
            height=height(len(frame)),
            placeholder="",
        )


def _order_url(found: OrderDifference) -> str | None:
    return address.link("/order", {"id": found.order_id}) if found.order_id else None


def _payment_intent_url(found: OrderDifference) -> str | None:
    payment_intent = found.payment_intent_id
    return session.desk().gateway.payment_intent_url(payment_intent) if payment_intent else None


def _difference_card(found: OrderDifference) -> markup.Card:
    ours, stripes = money(found.ours, found.currency), money(found.stripes, found.currency)
    return markup.Card(
        link=_order_url(found) or _payment_intent_url(found) or "",
        title=f"{text(f'month.kind.{found.kind}')} · {level_title(found.level, session.language())}",
        note=" · ".join(
            part
            for part in (
                text("difference.both", ours=ours, stripes=stripes),
                cause(found, session.language()),
                found.order_id or found.payment_intent_id,
            )
            if part
        ),
        # The comparison is this session's: a page that opened in its place would ask Stripe for it again.
        apart=True,
    )


def _show_balances(figures: MonthFigures) -> None:
    st.header(text("month.sheet.balance"), anchor=False)
    rows = [
        [text(f"month.balance.{line}")]
        + [money(balance.amount(line), balance.currency) for balance in figures.balances]
        for line in BALANCE_LINES
    ]
    titles = [text("month.movement"), *(balance.currency.upper() for balance in figures.balances)]
    with st.container(width=520):
        _table(titles, rows, left=1)


def _table(titles: list[str], rows: list[list[str]], *, left: int) -> None:
    columns = {
        title: st.column_config.TextColumn(alignment="left" if place < left else "right")
        for place, title in enumerate(titles)
    }
    st.dataframe(
        pd.DataFrame(rows, columns=titles),
        hide_index=True,
        column_config=columns,
        row_height=ROW_HEIGHT,
        height=height(len(rows)),
    )


def name_of(month: str) -> str:
    """A month as a title: Octobre 2026."""
    return capitalized(month_name(month, session.language()))
