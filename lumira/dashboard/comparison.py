"""A comparison of Stripe with the orders, kept in the session so that no rerun loses it, and its words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import address, notices, problems, session
from lumira.dashboard.texts import counted, moment, money, number, text, text_or
from lumira.days import midnight
from lumira.differences import Difference, Kind, Report
from lumira.errors import LumiraError

_LAST: Final = "comparison"
_BEGUN: Final = "comparison-begun"
PROBLEM: Final = "comparison"
_IN_MONEY: Final = frozenset({Kind.AMOUNT, Kind.REFUNDS})
# Whose states both sides tell; elsewhere ours is the order's and Stripe's the PaymentIntent's.
_STATES: Final = {
    Kind.STATUS: "status",
    Kind.REFUND_STATUS: "refund_status",
    Kind.DISPUTE: "dispute_status",
}


class Span(StrEnum):
    """How far back a comparison goes; the value stands in the URL."""

    DAY = "1d"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"

    @property
    def since(self) -> datetime:
        """The instant (UTC) it begins at, a midnight of the business time zone.

        It is the same all day, so a run that was interrupted is recognised.
        """
        zone = session.timezone()
        return midnight(datetime.now(zone).date() - timedelta(days=int(self[:-1])), zone)


@dataclass(frozen=True)
class Comparison:
    """A finished run: its report, when it was made (UTC), and whether it repaired."""

    report: Report
    made_at: datetime
    applied: bool


def last() -> Comparison | None:
    """The last finished run of this session."""
    known: Comparison | None = st.session_state.get(_LAST)
    return known


def interrupted() -> bool:
    """Whether a run of this session was begun and never finished."""
    return _BEGUN in st.session_state


def run(since: datetime, *, apply: bool) -> bool:
    """Compares, and repairs with `apply`, showing how far it is; whether it came to its end.

    A run that is interrupted, by a click elsewhere or by an error, goes on with the day it was at when it is
    asked for again.
    """
    bar = st.progress(0.0, text("reconciliation.running.start"))

    def progress(done: int, total: int) -> None:
        bar.progress(
            done / total if total else 1.0,
            text("reconciliation.running", done=number(done), total=number(total)),
        )

    st.session_state[_BEGUN] = True
    try:
        report = session.desk().reconciliation.run(
            since, actor=session.actor(), apply=apply, progress=progress
        )
    except LumiraError as error:
        problems.remember(PROBLEM, error)
        return False
    problems.forget(PROBLEM)
    st.session_state.pop(_BEGUN)
    st.session_state[_LAST] = Comparison(report, datetime.now(UTC), applied=apply)
    return True


def show_apply(known: Comparison) -> None:
    """The button that repairs, for those who may, behind a dialog that says what will happen."""
    if not known.report.repairable or not session.may(Permission.REPAIR):
        return
    if st.button(text("apply"), type="primary", icon=":material/build:", key="apply"):
        # The title is in the reader's language, so the dialog is made when it opens.
        st.dialog(text("apply.title"), icon=":material/build:")(_confirm)(known)


def _confirm(known: Comparison) -> None:
    st.markdown(text("apply.lead"))
    st.markdown("\n".join(f"- {sentence}" for sentence in consequences(known)))
    st.caption(text("apply.note"))
    if st.button(
        text("apply.confirm"), type="primary", icon=":material/build:", width="stretch", key="repair"
    ):
        if run(known.report.since, apply=True):
            repaired = len(known.report.differences)
            if now := last():
                repaired = len(now.report.differences) - len(now.report.open_differences)
            notices.say(counted("apply.done", repaired))
        st.rerun()


def consequences(known: Comparison) -> list[str]:
    """What repairing will do, a sentence for each kind of difference."""
    counts = Counter(str(difference.kind) for difference in known.report.repairable)
    return [counted(f"apply.{kind}", count) for kind, count in sorted(counts.items())]


def ours(difference: Difference) -> str | None:
    """What the order says, in words."""
    if difference.ours is None:
        return None
    if difference.kind in _IN_MONEY:
        return _money(difference.ours)
    return text_or(f"{_STATES.get(difference.kind, 'status')}.{difference.ours}", difference.ours)


def stripes(difference: Difference) -> str | None:
    """What Stripe says, in words."""
    if difference.stripes is None:
        return None
    if difference.kind in _IN_MONEY:
        return _money(difference.stripes)
    if difference.kind is Kind.COMPLETED_AT:
        return moment(datetime.fromisoformat(difference.stripes))
    return text_or(
        f"{_STATES.get(difference.kind, 'stripe_status')}.{difference.stripes}", difference.stripes
    )


def order_url(difference: Difference) -> str | None:
    """The address of the order's page."""
    if not difference.order_id:
        return None
    return address.link("/order", {"id": difference.order_id})


def _money(value: str) -> str:
    amount, _, currency = value.partition(" ")
    return money(int(amount), currency)
