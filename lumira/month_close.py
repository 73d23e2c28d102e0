"""A month beside the movements of Stripe's balance, and its closing.

Ours are the orders and refunds of the month's days in the business time zone; Stripe's are its balance
transactions of the same days (https://docs.stripe.com/reports/balance-transaction-types): charges, refunds,
fees, disputes, payouts. Sales and refunds are compared order by order, so each difference has its orders.
A closed month is stored as it was signed and shows the same figures for ever; what would change it since is
told beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from lumira.access import Actor, Permission, require
from lumira.audit import AuditEntry
from lumira.balance import balance_transactions
from lumira.catalog import level_sold
from lumira.errors import InvalidRequest, MonthClosed, MonthNotOver
from lumira.order_filter import UNKNOWN
from lumira.orders import FREE_PREFIX, OrderStatus
from lumira.refunds import Refund, refunded

if TYPE_CHECKING:
    from lumira.revenue import Revenue
    from lumira.storage import AuditLog, MonthCloses, RevenueRows
    from lumira.stripe_gateway import StripeGateway

# Stripe books a sale some time after it was made; at midnight that is the next day, or the next month.
_BOOKED_WITHIN: Final = timedelta(hours=1)
# By how much our instant of a sale may differ from Stripe's: a webhook brings that of the event, which Stripe
# makes some time after the charge.
_DATED_WITHIN: Final = timedelta(minutes=10)
# The first and the last month of the calendar have a day before or after them that does not exist.
_YEARS: Final = range(2000, 3000)
# A list of differences longer than this is no list to work through: the sums hold all of them.
DIFFERENCES_KEPT: Final = 500
# Stripe's reporting category by what it is to a reader.
_KINDS: Final[Mapping[str, str]] = {
    "charge": "charges",
    "refund": "refunds",
    "refund_failure": "refunds",
    # Of a payment captured in part Stripe books the whole, then takes back the rest, as a refund.
    "partial_capture_reversal": "refunds",
    "dispute": "disputes",
    "dispute_reversal": "disputes",
    "payout": "payouts",
    "payout_reversal": "payouts",
    "fee": "fees",
}
KINDS: Final = ("charges", "refunds", "disputes", "fees", "other", "payouts")

Progress = Callable[[int], None]
Key = tuple[str, str]


@dataclass
class Line:
    """One level in one currency, minor units: ours beside Stripe's. Refunds are positive on both sides."""

    level: str
    currency: str
    orders: int = 0
    gross: int = 0
    stripe_gross: int = 0
    refunds: int = 0
    stripe_refunds: int = 0

    @property
    def net(self) -> int:
        """Our gross less our refunds."""
        return self.gross - self.refunds

    @property
    def stripe_net(self) -> int:
        """Stripe's charges less its refunds."""
        return self.stripe_gross - self.stripe_refunds

    @property
    def difference(self) -> int:
        """Our net less Stripe's."""
        return self.net - self.stripe_net


@dataclass(frozen=True)
class OrderDifference:
    """An order whose sale or refunds are not Stripe's; minor units of `currency`, `kind` gross or refunds.

    `order_id` is None for a payment that no order knows. `cause` is amount, not_at_stripe, no_order, unpaid,
    other_month or unknown_refund; empty in a month that was closed before causes were told.
    """

    kind: str
    level: str
    currency: str
    payment_intent_id: str | None
    order_id: str | None
    ours: int
    stripes: int
    cause: str = ""


@dataclass
class Balance:
    """What moved Stripe's balance in one currency, minor units, signs as Stripe has them: `amounts` by kind
    of KINDS, fees negative. Their sum without the payouts is what the month brought.
    """

    currency: str
    amounts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    @property
    def earned(self) -> int:
        """What is left of the month: charges less refunds, disputes and fees."""
        return sum(amount for kind, amount in self.amounts.items() if kind != "payouts")


@dataclass
class MonthFigures:
    """A month, `2026-10`, as it was compared at `made_at` (UTC); `closed_by` is None while it is open."""

    month: str
    made_at: datetime
    lines: list[Line] = field(default_factory=list)
    differences: list[OrderDifference] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    difference_count: int = 0
    transactions: int = 0
    closed_by: str | None = None

    @property
    def is_closed(self) -> bool:
        """Whether somebody signed it."""
        return self.closed_by is not None

    def totals(self) -> list[Line]:
        """The lines of each currency added up, their level `total`."""
        sums: dict[str, Line] = {}
        for line in self.lines:
            total = sums.setdefault(line.currency, Line("total", line.currency))
            for name in ("orders", "gross", "stripe_gross", "refunds", "stripe_refunds"):
                setattr(total, name, getattr(total, name) + getattr(line, name))
        return list(sums.values())


@dataclass(frozen=True)
class LateChange:
    """A figure that a closed month would have now: `figure` is gross or refunds, minor units."""

    level: str
    currency: str
    figure: str
    closed: int
    now: int


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
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rows = rows
        self._closes = closes
        self._revenue = revenue
        self._gateway = gateway
        self._audit = audit
        self._timezone = timezone
        self._clock = clock

    def closed(self, month: str, *, actor: Actor) -> MonthFigures | None:
        """The month as it was closed, or None while it is open."""
        require(actor, Permission.VIEW_REVENUE)
        days_of(month)
        stored = self._closes.find(month)
        return _from_document(stored) if stored else None

    def compare(self, month: str, *, actor: Actor, progress: Progress | None = None) -> MonthFigures:
        """The month now, ours and Stripe's; `progress` is told the movements read. Raises StripeError."""
        require(actor, Permission.VIEW_REVENUE)
        first, last = days_of(month)
        start, end = (
            datetime.combine(day, time.min, self._timezone).astimezone(UTC)
            for day in (first, last + timedelta(days=1))
        )
        figures = MonthFigures(month, self._clock().replace(microsecond=0))
        ours, refunds, orders = self._ours(start, end)
        charged, returned, levels = self._stripes(start, end, orders, figures, progress)
        compare(figures, ours, refunds, charged, returned, orders, levels)
        self._find_orders(figures)
        return figures

    def close(self, month: str, *, actor: Actor, progress: Progress | None = None) -> MonthFigures:
        """Compares the month once more and stores it as closed, with whatever differs.

        Raises MonthNotOver before its last day has passed, MonthClosed when it was closed before, and
        StripeError.
        """
        require(actor, Permission.CLOSE_MONTH)
        _, last = days_of(month)
        if self._clock().astimezone(self._timezone).date() <= last:
            raise MonthNotOver(f"{month} is not over. Close it when its last day has passed.")
        if self._closes.find(month):
            raise MonthClosed(f"{month} is closed already; its figures stay as they are.")
        figures = self.compare(month, actor=actor, progress=progress)
        figures.closed_by = actor.name
        if not self._closes.store(month, asdict(figures)):
            raise MonthClosed(f"{month} was closed by somebody else meanwhile.")
        self._audit.record(
            AuditEntry.by(
                actor,
                str(Permission.CLOSE_MONTH),
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
                "export_month",
                self._clock(),
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

    def _find_orders(self, figures: MonthFigures) -> None:
        """Names the orders of differences that no order of the month explains: some are paid in another."""
        unexplained = [str(found.payment_intent_id) for found in figures.differences if not found.order_id]
        orders = self._rows.of_payment_intents(unexplained)
        for place, found in enumerate(figures.differences):
            if found.order_id is None and (order := orders.get(str(found.payment_intent_id))):
                paid = order["status"] == OrderStatus.COMPLETED
                cause = _cause(found.kind, found.ours, found.stripes, known=True) if paid else "unpaid"
                figures.differences[place] = replace(found, order_id=str(order["_id"]), cause=cause)

    def _ours(
        self, start: datetime, end: datetime
    ) -> tuple[dict[str, int], dict[str, int], dict[str, dict[str, Any]]]:
        """Gross and refunds of the month by PaymentIntent (or order, where it has none), and the orders, with
        those beside them that Stripe may date to this month.
        """
        gross: dict[str, int] = {}
        refunds: dict[str, int] = {}
        orders: dict[str, dict[str, Any]] = {}
        around = start - _DATED_WITHIN, end + _BOOKED_WITHIN + _DATED_WITHIN
        for order in self._rows.money_of(*around, livemode=self._gateway.livemode):
            payment = str(order.get("paymentIntentId") or order["_id"])
            amount = round(order["amount"])
            if payment in orders or amount == 0 or payment.startswith(FREE_PREFIX):
                continue
            orders[payment] = order
            made = map(Refund.model_validate, order.get("refunds") or [])
            returned = refunded(refund for refund in made if start <= refund.created_at < end)
            if start <= _paid_at(order) < end:
                gross[payment] = amount
            if returned:
                refunds[payment] = returned
        return gross, refunds, orders

    def _stripes(
        self,
        start: datetime,
        end: datetime,
        orders: Mapping[str, Mapping[str, Any]],
        figures: MonthFigures,
        progress: Progress | None,
    ) -> tuple[dict[str, list[Any]], dict[str, list[Any]], dict[str, str]]:
        """Charges and refunds by PaymentIntent as [amount, currency], and the levels Stripe names; the
        balance goes into `figures`.
        """
        charged: dict[str, list[Any]] = {}
        returned: dict[str, list[Any]] = {}
        levels: dict[str, str] = {}
        balances: dict[str, Balance] = {}
        for transaction in balance_transactions(
            self._gateway, start - _DATED_WITHIN, end + _BOOKED_WITHIN + _DATED_WITHIN
        ):
            if not start <= _happened(transaction, orders) < end:
                continue
            source = transaction.get("source")
            figures.transactions += 1
            if progress and figures.transactions % 100 == 0:
                progress(figures.transactions)
            balance = balances.setdefault(transaction["currency"], Balance(transaction["currency"]))
            kind = _KINDS.get(transaction["reporting_category"], "other")
            balance.amounts[kind] += transaction["amount"]
            balance.amounts["fees"] -= transaction["fee"]
            if kind not in {"charges", "refunds"} or not isinstance(source, Mapping):
                continue
            payment = str(source.get("payment_intent") or source["id"])
            # The source has the currency of the sale; the movement may have that of the bank account.
            sign = -1 if transaction["amount"] > 0 and kind == "refunds" else 1
            side = charged if kind == "charges" else returned
            sums = side.setdefault(payment, [0, source["currency"]])
            sums[0] += sign * source["amount"]
            if kind == "charges":
                metadata = source.get("metadata") or {}
                levels[payment] = level_sold(metadata.get("productId"), metadata.get("level")) or UNKNOWN
        figures.balances = sorted(balances.values(), key=lambda balance: balance.currency)
        return charged, returned, levels


def compare(
    figures: MonthFigures,
    gross: Mapping[str, int],
    refunds: Mapping[str, int],
    charged: Mapping[str, list[Any]],
    returned: Mapping[str, list[Any]],
    orders: Mapping[str, Mapping[str, Any]],
    levels: Mapping[str, str],
) -> None:
    """Fills the figures with lines and differences from both sides by PaymentIntent."""
    lines: dict[Key, Line] = {}
    for payment in sorted({*gross, *refunds, *charged, *returned}):
        order = orders.get(payment)
        stripes_currency = (charged.get(payment) or returned.get(payment) or [0, None])[1]
        currency = str(order["currency"] if order else stripes_currency).lower()
        if order:
            level = level_sold(order["productId"], (order.get("metadata") or {}).get("level")) or UNKNOWN
        else:
            level = levels.get(payment, UNKNOWN)
        line = lines.setdefault((level, currency), Line(level, currency))
        ours = (gross.get(payment, 0), refunds.get(payment, 0))
        theirs = []
        for side in (charged, returned):
            amount, said = side.get(payment, [0, currency])
            # In another currency it is no amount to compare: it stands on a line of its own.
            if said != currency:
                other = lines.setdefault((level, said), Line(level, said))
                other.stripe_gross += amount if side is charged else 0
                other.stripe_refunds += amount if side is returned else 0
                amount = 0
            theirs.append(amount)
        line.orders += payment in gross
        line.gross += ours[0]
        line.refunds += ours[1]
        line.stripe_gross += theirs[0]
        line.stripe_refunds += theirs[1]
        for kind, have, say in zip(("gross", "refunds"), ours, theirs, strict=True):
            if have != say:
                figures.difference_count += 1
                if len(figures.differences) < DIFFERENCES_KEPT:
                    order_id = str(order["_id"]) if order else None
                    cause = _cause(kind, have, say, known=order is not None)
                    figures.differences.append(
                        OrderDifference(kind, level, currency, payment, order_id, have, say, cause)
                    )
    figures.lines = [lines[key] for key in sorted(lines, key=lambda key: (key[1], key[0]))]


def _cause(kind: str, ours: int, stripes: int, *, known: bool) -> str:
    """Why the two sides differ, as far as the amounts tell; `known` when there is an order that is paid."""
    if ours:
        return "amount" if stripes else "not_at_stripe"
    if not known:
        return "no_order"
    return "other_month" if kind == "gross" else "unknown_refund"


def _happened(transaction: Mapping[str, Any], orders: Mapping[str, Mapping[str, Any]]) -> datetime:
    """When the money moved: a sale or refund when it was made, even if it was booked a moment later.

    What is booked much later, as a debit is that the bank has accepted, counts when it is booked. A sale that
    its order dates between the two, or a moment before or after them, happened when the order says: with
    midnight there it would differ in two months. Of a payment that was authorized first and captured later,
    Stripe's charge has the instant of the one, its booking and our order that of the other.
    """
    source = transaction.get("source")
    happened = booked = datetime.fromtimestamp(transaction["created"], UTC)
    if not isinstance(source, Mapping) or not isinstance(source.get("created"), int):
        return happened
    made = datetime.fromtimestamp(source["created"], UTC)
    if timedelta() <= happened - made <= _BOOKED_WITHIN:
        happened = made
    order = orders.get(str(source.get("payment_intent")))
    if order and transaction["reporting_category"] == "charge":
        paid = _paid_at(order)
        return paid if happened - _DATED_WITHIN <= paid <= booked + _DATED_WITHIN else happened
    return happened


def _paid_at(order: Mapping[str, Any]) -> datetime:
    paid_at: datetime = order.get("completedAt") or order["createdAt"]
    return paid_at


def _from_document(stored: Mapping[str, Any]) -> MonthFigures:
    plain = {
        **stored,
        "lines": [Line(**line) for line in stored["lines"]],
        "differences": [OrderDifference(**difference) for difference in stored["differences"]],
        "balances": [Balance(**balance) for balance in stored["balances"]],
    }
    return MonthFigures(**plain)
