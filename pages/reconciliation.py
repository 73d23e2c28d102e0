"""Reconciliation: Stripe beside the orders. Comparing only reports; repairing asks first.

How far back stands in the URL; the report stays in the session.
"""

import streamlit as st

from lumira.dashboard import choices, comparison, empty, notices, problems, tables
from lumira.dashboard.comparison import Comparison, Span
from lumira.dashboard.texts import counted, moment, number, text
from lumira.differences import BEYOND_REPAIR


def show_report(known: Comparison) -> None:
    """The counts in words, what differs, and the way to repair it."""
    report = known.report
    if not report.differences:
        st.success(counts(known), title=text("reconciliation.agrees"), icon=":material/check_circle:")
        return
    left, repaired = len(report.open_differences), len(report.differences) - len(report.open_differences)
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="medium"
    ):
        with st.container(width="stretch", gap="xxsmall"):
            st.header(headline(left, repaired), anchor=False)
            st.caption(counts(known))
        with st.container(width="content"):
            comparison.show_apply(known)
    tables.show_differences(report)
    open_kinds = {difference.kind for difference in report.open_differences}
    for kind in BEYOND_REPAIR:
        if kind in open_kinds:
            st.caption(text(f"reconciliation.beyond_repair.{kind}"))


def counts(known: Comparison) -> str:
    """What was compared, and apart from it what only one side can have."""
    report = known.report
    sentences = [
        text(
            "reconciliation.made",
            at=moment(known.made_at),
            since=moment(report.since),
            payment_intents=number(report.payment_intents),
            orders=number(report.orders),
        )
    ]
    for name, count in (("free", report.free), ("unrelated", report.unrelated)):
        if count:
            sentences.append(counted(f"reconciliation.{name}", count))
    return " ".join(sentences)


def headline(left: int, repaired: int) -> str:
    """What came out, in a sentence."""
    sentences = []
    if repaired:
        sentences.append(counted("reconciliation.repaired", repaired))
    if left:
        sentences.append(counted("reconciliation.left", left))
    return " ".join(sentences)


def show_start() -> None:
    """What this page is for, before the first comparison."""
    with empty.card(text("reconciliation.empty"), text("reconciliation.empty.next")):
        pass


notices.show()
st.title(text("reconciliation.title"), anchor=False)
st.caption(text("reconciliation.lead"))
with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
    span = choices.choose(
        "since",
        text("reconciliation.since"),
        Span,
        Span.MONTH,
        format_func=lambda span: text(f"reconciliation.since.{span}"),
    )
    pressed = st.button(
        text("reconciliation.compare"), type="primary", icon=":material/compare_arrows:", key="compare"
    )
if pressed:
    comparison.run(span.since, apply=False)
    st.rerun()
problems.show_remembered(comparison.PROBLEM)
if comparison.interrupted():
    st.info(
        text("reconciliation.interrupted.next"),
        title=text("reconciliation.interrupted"),
        icon=":material/pause_circle:",
    )
if known := comparison.last():
    show_report(known)
else:
    show_start()
