"""A month beside the movements of Stripe's balance, and its closing.

The month's days are those of the business time zone. Sales and refunds are compared order by order
(month_comparison.py), so each difference has its orders. A closed month is stored as it was signed and shows
the same figures for ever; what would change it since is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.balance import balance_transactions
from lumira.days import bounds
from lumira.errors import InvalidRequest, MonthChanged, MonthClosed, MonthNotOver
from lumira.month_comparison import (
    BOOKED_WITHIN,
    DATED_WITHIN,
    Key,
    Ours,
    Stripes,
    compare,
    explained,
)
from lumira.month_figures import LateChange, MonthFigures

if TYPE_CHECKING:
    from lumira.revenue import Revenue
    from lumira.storage import AuditLog, MonthCloses, RevenueRows
    from lumira.stripe_gateway import StripeGateway

# The first and the last month of the calendar have a day before or after them that does not exist.
_YEARS: Final = range(2000, 3000)

Progress = Callable[[int], None]


def days_of(month: str) -> tuple[date, date]:
    """The first and last day of `2026-10`. Raises InvalidRequest for what is no month of 2000 to 2999."""
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        first = date.min
    if first.year not in _YEARS:
        raise InvalidRequest(f"{month} is no month: say it as 2026-10.")
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


class MonthClose:
    """Compares and closes months. Every method raises StoreUnavailable, Forbidden, and InvalidRequest for
    what is no month.
    """

    def __init__(
        self,
        rows: RevenueRows,
        closes: MonthCloses,
        revenue: Revenue,
        gateway: StripeGateway,
        audit: AuditLog,
        timezone: ZoneInfo,
    ) -> None:
        self._rows = rows
        self._closes = closes
        self._revenue = revenue
        self._gateway = gateway
        self._audit = audit
        self._timezone = timezone

    def closed(self, month: str, *, actor: Actor) -> MonthFigures | None:
        """The month as it was closed, or None while it is open."""
        require(actor, Permission.VIEW_REVENUE)
        days_of(month)
        stored = self._closes.find(month)
        return MonthFigures.from_document(stored) if stored else None

    def compare(self, month: str, *, actor: Actor, progress: Progress | None = None) -> MonthFigures:
        """The month now, ours and Stripe's; `progress` is told the movements read. Raises StripeError."""
        require(actor, Permission.VIEW_REVENUE)
        start, end = bounds(*days_of(month), self._timezone)
        made_at, ours, stripes = datetime.now(UTC).replace(microsecond=0), Ours(start, end), Stripes()
        around = start - DATED_WITHIN, end + BOOKED_WITHIN + DATED_WITHIN
        for order in self._rows.money_of(*around, livemode=self._gateway.livemode):
            ours.add(order)
        for transaction in balance_transactions(self._gateway, *around):
            counted = stripes.add(transaction, ours)
            if counted and progress and stripes.transactions % 100 == 0:
                progress(stripes.transactions)
        figures = compare(ours, stripes, month, made_at)
        # Some that no order of the month explains are paid in another.
        unexplained = [str(found.payment_intent_id) for found in figures.differences if not found.order_id]
        figures.differences = explained(figures.differences, self._rows.of_payment_intents(unexplained))
        return figures

    def close(
        self,
        month: str,
        *,
        actor: Actor,
        seen: MonthFigures | None = None,
        progress: Progress | None = None,
    ) -> MonthFigures:
        """Compares the month once more and stores it as closed, with whatever differs.

        `seen` is what whoever signs was shown, where it was shown. Raises MonthChanged, with the new
        `figures`, where they are other ones, MonthNotOver before its last day has passed, MonthClosed when it
        was closed before, and StripeError.
        """
        require(actor, Permission.CLOSE_MONTH)
        _, last = days_of(month)
        if datetime.now(UTC).astimezone(self._timezone).date() <= last:
            raise MonthNotOver(f"{month} is not over. Close it when its last day has passed.")
        if self._closes.find(month):
            raise MonthClosed(f"{month} is closed already; its figures stay as they are.")
        figures = self.compare(month, actor=actor, progress=progress)
        if seen is not None and figures != replace(seen, made_at=figures.made_at):
            raise MonthChanged(
                f"{month} has changed since it was compared. Look at its figures again.", figures=figures
            )
        figures.closed_by = actor.name
        if not self._closes.store(month, asdict(figures)):
            raise MonthClosed(f"{month} was closed by somebody else meanwhile.")
        self._audit.record(
            AuditEntry.by(
                actor,
                Action.CLOSE_MONTH,
                figures.made_at,
                after={
                    "month": month,
                    "differences": figures.difference_count,
                    "net": {line.currency: line.net for line in figures.totals()},
                },
            )
        )
        return figures

    def export(self, figures: MonthFigures, *, kind: str, actor: Actor) -> None:
        """Notes in the audit log that a month is taken away in a `kind` of file (`xlsx`, `pdf`).

        To be asked before the file is given out.
        """
        require(actor, Permission.EXPORT)
        self._audit.record(
            AuditEntry.by(
                actor,
                Action.EXPORT_MONTH,
                datetime.now(UTC),
                after={"month": figures.month, "format": kind, "closed": figures.is_closed},
            )
        )

    def late_changes(self, figures: MonthFigures, *, actor: Actor) -> list[LateChange]:
        """What a closed month would show otherwise if it were closed now, from what is kept of each day."""
        require(actor, Permission.VIEW_REVENUE)
        now: dict[Key, list[int]] = {}
        for row in self._revenue.days(*days_of(figures.month), actor=actor):
            sums = now.setdefault((row["level"], row["currency"]), [0, 0])
            sums[0] += row["gross"]
            sums[1] += row["refunds"]
        closed = {(line.level, line.currency): [line.gross, line.refunds] for line in figures.lines}
        return [
            LateChange(*key, figure=figure, closed=was, now=there)
            for key in sorted({*now, *closed})
            for figure, was, there in zip(
                ("gross", "refunds"), closed.get(key, [0, 0]), now.get(key, [0, 0]), strict=True
            )
            if was != there
        ]
