"""Revenue: what was sold and refunded, by day, level and currency.

Gross is the amount stored on orders ever completed, on the day the money came in; a refund counts on the day
it was made and never shrinks gross; net is gross − refunds. What Stripe keeps of a sale counts on the day of
the sale, in the currency of Stripe's balance, from when it is known. Free orders are counted, not summed.
Days are those of the business time zone. Currencies are never summed together, live and test never mixed.

The figures of each day are kept, so a page costs the same whatever the number of orders. Orders that changed
since the watermark, by their updatedAt and with an overlap for clocks that differ, name the days to work out
anew, from the orders themselves: nothing is ever added to a figure, so nothing can be counted twice.

How a day becomes stale and fresh again: an order changes; whoever refreshes next marks its days, which counts
up each day's version and makes it dirty; the day is worked out and stored if its version is still the same,
so of two processes the slower loses. The watermark follows behind, and says from when changes are looked for;
an order seen twice in the overlap is not marked twice by one process. What nobody could see, because its
updatedAt stayed, a slow recheck of all days finds in the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.catalog import level_sold
from lumira.days import bounds, every_day
from lumira.documents import LISTED_YEARS
from lumira.order_filter import UNKNOWN
from lumira.revenue_sums import Mismatch, Row, combine, differences, frame

if TYPE_CHECKING:
    import pandas as pd

    from lumira.storage import AuditLog, RevenueRows, Rollups

# By how much the clocks of all who write orders, and of all who read them here, may differ together.
OVERLAP: Final = timedelta(minutes=10)
# How long a reader waits for days that changed; the background work does the rest.
PATIENCE: Final = 0.5
# How often the watermark is written down.
_STEP: Final = timedelta(minutes=1)
# One aggregation covers as many days as take about so many seconds, far from the store's time-out.
_QUICK, _SLOW = 0.25, 1.0
_DAYS_AT_FIRST: Final = 7

CUSTOMERS_AT_MOST: Final = 1_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Conversion:
    """Customers who took a free reading, and how many of them bought one later: in all, and by the level
    they bought first. Not `complete` when there were more customers than were looked at.
    """

    customers: int
    converted: int
    levels: dict[str, int]
    complete: bool

    @property
    def rate(self) -> float | None:
        """The share of 1 that bought, None for no customer."""
        return self.converted / self.customers if self.customers else None


class Revenue:
    """Reads revenue from the store in the business time zone, for live or for test orders.

    Every method raises StoreUnavailable; what was worked out until then stays.
    """

    def __init__(
        self,
        rows: RevenueRows,
        rollups: Rollups,
        audit: AuditLog,
        timezone: ZoneInfo,
        *,
        livemode: bool,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rows = rows
        self._rollups = rollups
        self._audit = audit
        self._timezone = timezone
        self._livemode = livemode
        self._clock = clock
        self._lock = threading.Lock()
        # The orders changed lately, as they were when this process marked their days.
        self._seen: dict[Any, Row] = {}
        # The latest day that this round has not looked at yet.
        self._recheck_from: date | None = None

    def today(self) -> date:
        """Today in the business time zone."""
        return self._clock().astimezone(self._timezone).date()

    def revision(self, *, actor: Actor) -> str:
        """A text that is the same as long as no figure has changed; brings the days up to date first."""
        require(actor, Permission.VIEW_REVENUE)
        self.refresh(PATIENCE)
        state = self._rollups.state()
        return state.revision if state else ""

    def days(self, first: date, last: date, *, actor: Actor) -> list[Row]:
        """The rows of every day from `first` to `last` inclusive, brought up to date, oldest day first.

        A row: day (a date), level (a Level's value or `unknown`), currency; gross and refunds in minor units;
        fees (minor units), those of fees_known orders; orders (paid), free, refunded, disputed, failed
        (counts); hours, the paid orders of each of the 24 hours, and gross_hours, their gross; failures,
        [code, count] of failed orders. Raises Forbidden without the permission.
        """
        require(actor, Permission.VIEW_REVENUE)
        self.refresh(PATIENCE)
        return _dated(self._rollups.read(first, last))

    def daily(self, first: date, last: date, *, actor: Actor) -> pd.DataFrame:
        """`days` as the frame of `frame`."""
        return frame(self.days(first, last, actor=actor))

    def export(self, rows: Sequence[Row], first: date, last: date, *, kind: str, actor: Actor) -> None:
        """Notes in the audit log that these rows of `days` are taken away, in a `kind` of file (`csv` …).

        To be asked before the file is given out. Raises Forbidden.
        """
        require(actor, Permission.EXPORT)
        currencies = sorted({str(row["currency"]) for row in rows})
        days = {"from": first.isoformat(), "to": last.isoformat()}
        self._record(
            actor,
            Action.EXPORT_REVENUE,
            {**days, "currencies": currencies, "format": kind, "rows": len(rows)},
        )

    def counted(self, first: date, last: date, *, actor: Actor) -> list[Row]:
        """The same rows as `days`, counted from the orders themselves: the check of what is kept."""
        require(actor, Permission.VIEW_REVENUE)
        found: dict[date, list[Row]] = {}
        for start, end in _pieces(first, last):
            found |= self._count(start, end)
        return _dated(found)

    def conversion(self, first: date, last: date, *, actor: Actor) -> Conversion:
        """Who took a free reading from `first` to `last`, and bought one later, up to now.

        Looks at the latest thousand customers at most, so that it costs the same at any size.
        """
        require(actor, Permission.VIEW_REVENUE)
        start, end = self._bounds(first, last)
        took: dict[str, datetime] = {}
        step = timedelta(days=1)
        while end > start and len(took) <= CUSTOMERS_AT_MOST:
            middle = max(start, end - step)
            for email, instant in self._rows.free_customers(middle, end, livemode=self._livemode):
                took[email] = min(instant, took.get(email, instant))
            end, step = middle, step * 2
        complete = end <= start and len(took) <= CUSTOMERS_AT_MOST
        latest = dict(sorted(took.items(), key=lambda item: item[1], reverse=True)[:CUSTOMERS_AT_MOST])
        bought: dict[str, str] = {}
        for email, product, level, instant in self._rows.bought(list(latest), livemode=self._livemode):
            if instant > latest[email]:
                bought.setdefault(email, level_sold(product, level) or UNKNOWN)
        levels: dict[str, int] = {}
        for name in bought.values():
            levels[name] = levels.get(name, 0) + 1
        return Conversion(len(latest), len(bought), levels, complete=complete)

    def refresh(self, seconds: float | None = None) -> None:
        """Works out the days whose orders changed, for at most about so many seconds when they are given.

        Any number of processes may do it at once, and be killed while they do. Where another thread of this
        one does it for longer it is left to that thread, unless nothing was ever worked out.
        """
        if not self._lock.acquire(timeout=-1 if seconds is None else seconds):
            if self._rollups.state() is not None:
                return
            self._lock.acquire()
        try:
            self._refresh(seconds)
        finally:
            self._lock.release()

    def _refresh(self, seconds: float | None) -> None:
        state = self._rollups.state()
        if state is None:
            self._build(None)
            return
        now = self._clock()
        certain = self._follow(state.watermark - OVERLAP)
        if now - state.watermark > _STEP:
            self._rollups.advance(now)
        dirty = self._rollups.dirty()
        if dirty:
            self._work_out(dirty, certain, seconds)

    def mark(self, instants: Iterable[datetime]) -> None:
        """Says that orders that count at these instants (UTC) are news, though their updatedAt is not."""
        self._rollups.mark(self._days(instants))

    def followed_until(self) -> datetime | None:
        """Every change to the orders before this instant (UTC) is in the figures; None when none are kept."""
        state = self._rollups.state()
        return state.watermark if state else None

    def rebuild(self, *, actor: Actor, progress: Progress | None = None) -> int:
        """Works out every day from nothing and answers how many; `progress` is told days done and in all.

        Raises Forbidden.
        """
        require(actor, Permission.VIEW_SYSTEM)
        with self._lock:
            days = self._build(progress)
        self._record(actor, Action.REBUILD_REVENUE, {"days": days})
        return days

    def verify(
        self, *, actor: Actor, first: date | None = None, last: date | None = None
    ) -> tuple[list[Mismatch], list[Row]]:
        """Every kept figure that differs from the orders, and the rows as the orders have them.

        Without days, from the first that has anything to today. A payment that comes in meanwhile is looked
        at again before it counts as a difference.
        """
        require(actor, Permission.VIEW_REVENUE)
        self.refresh()
        extent = self._extent(self._rollups.versions())
        first, last = first or extent[0], last or extent[1]
        mismatches: list[Mismatch] = []
        rows: list[Row] = []
        for start, end in _pieces(first, last):
            counted = _dated(self._count(start, end))
            if differences(_dated(self._rollups.read(start, end)), counted):
                self.refresh()
                counted = _dated(self._count(start, end))
                mismatches += differences(_dated(self._rollups.read(start, end)), counted)
            rows += counted
        return mismatches, rows

    def _record(self, actor: Actor, action: Action, after: dict[str, Any]) -> None:
        self._audit.record(AuditEntry.by(actor, action, self._clock(), after=after))

    def recheck(self, seconds: float) -> int:
        """Verifies some days more, for about so many seconds, and marks those that are wrong; answers how
        many were. Called again and again it comes round: so even an order that somebody changed without a
        new updatedAt is counted rightly in the end.
        """
        if self._rollups.state() is None:
            return 0
        first, last = self._extent(self._rollups.versions())
        until, wrong = time.monotonic() + seconds, set[date]()
        start = self._recheck_from if self._recheck_from and self._recheck_from >= first else last
        while time.monotonic() < until:
            end, start = start, max(first, start - timedelta(days=_DAYS_AT_FIRST - 1))
            counted = _dated(self._count(start, end))
            kept = _dated(self._rollups.read(start, end))
            wrong |= {mismatch.day for mismatch in differences(kept, counted)}
            if start == first:
                self._recheck_from = None
                break
            start -= timedelta(days=1)
            self._recheck_from = start
        self._rollups.mark(wrong)
        return len(wrong)

    def _changed(self, since: datetime) -> dict[Any, Row]:
        """The orders changed since an instant (UTC), by their ids."""
        return {row["_id"]: row for row in self._rows.changed_since(since)}

    def _follow(self, since: datetime) -> set[date]:
        """Marks the days of orders that changed since an instant (UTC): those they stand on, which it
        answers, and those they may have left.

        An order says where it counts, not where it counted before somebody moved its completedAt; nothing of
        it can have counted before it was made, nor left a day of which nothing is kept.
        """
        changed = self._changed(since)
        fresh = [row for key, row in changed.items() if self._seen.get(key) != row]
        certain: set[date] = set()
        possible: set[date] = set()
        today = self.today()
        for row in fresh:
            known = self._days(_instants(row))
            if not known:
                continue
            certain |= known
            possible |= set(every_day(min(known), max(today, *known)))
        if possible := possible - certain:
            possible &= self._rollups.versions().keys()
        self._rollups.mark(certain | possible)
        # Only now: had the store failed above, these orders would have to be marked again.
        self._seen = changed
        return certain

    def _work_out(self, dirty: Mapping[date, int], urgent: set[date], seconds: float | None) -> None:
        until = None if seconds is None else time.monotonic() + seconds
        first, rest = (
            sorted((day for day in dirty if (day in urgent) == wanted), reverse=True)
            for wanted in (True, False)
        )
        for first_day, last_day in [*contiguous(first), *contiguous(rest)]:
            for start, end in _pieces(first_day, last_day):
                if until is not None and time.monotonic() > until:
                    return
                counted = self._count(start, end)
                every = {day: counted.get(day, []) for day in every_day(start, end) if day in dirty}
                self._rollups.store(every, dirty, self._clock())

    def _build(self, progress: Progress | None) -> int:
        began = self._clock()
        versions = self._rollups.versions()
        first, last = self._extent(versions)
        days: dict[date, list[Row]] = {day: [] for day in versions}
        number = (last - first).days + 1
        # What changes from here on is found by the next who looks; this much is counted below.
        changed = self._changed(began - OVERLAP)
        for start, end in _pieces(first, last):
            if progress:
                progress((start - first).days, number)
            days |= self._count(start, end)
        self._rollups.store(days, versions, began)
        self._rollups.begin(began)
        self._seen = changed
        if progress:
            progress(number, number)
        return number

    def _extent(self, known: Iterable[date]) -> tuple[date, date]:
        """The days on which anything may count, the known ones with them, up to tomorrow: a clock of ours may
        be behind that of Stripe.
        """
        now = self._clock() + timedelta(days=1)
        days = [self._day(self._rows.first_instant()), self._day(now), *known]
        return min(days), max(days)

    def _count(self, first: date, last: date) -> dict[date, list[Row]]:
        """The rows of days, from the orders."""
        start, end = self._bounds(first, last)
        zone = self._timezone.key
        return combine(
            self._rows.sales(start, end, zone, livemode=self._livemode),
            self._rows.undated(start, end, zone, livemode=self._livemode),
            self._rows.refunds(start, end, zone, livemode=self._livemode),
        )

    def _bounds(self, first: date, last: date) -> tuple[datetime, datetime]:
        return bounds(first, last, self._timezone)

    def _days(self, instants: Iterable[datetime]) -> set[date]:
        """The days of these instants (UTC); other programs may date an order to where none are counted."""
        return {self._day(instant) for instant in instants if instant.year in LISTED_YEARS}

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self._timezone).date()


def contiguous(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days, newest first, as ranges of neighbours."""
    ranges: list[tuple[date, date]] = []
    for day in days:
        if ranges:
            first, last = ranges[-1]
            if day == first - timedelta(days=1):
                ranges[-1] = day, last
                continue
        ranges.append((day, day))
    return ranges


def _instants(row: Mapping[str, Any]) -> list[datetime]:
    """When anything of an order counts, or would: made, paid, refunded."""
    refunds = row.get("refunds") or []
    every = [row.get("createdAt"), row.get("completedAt"), *(refund.get("createdAt") for refund in refunds)]
    return [instant for instant in every if isinstance(instant, datetime)]


def _dated(days: Mapping[date, list[Row]]) -> list[Row]:
    return [{"day": day, **row} for day in sorted(days) for row in days[day]]


def _pieces(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The range in pieces, each as long as the one before it was quick to be dealt with."""
    days = _DAYS_AT_FIRST
    while first <= last:
        end = min(last, first + timedelta(days=days - 1))
        began = time.monotonic()
        yield first, end
        took = time.monotonic() - began
        if took < _QUICK:
            days *= 2
        elif took > _SLOW:
            days = max(1, days // 2)
        first = end + timedelta(days=1)
