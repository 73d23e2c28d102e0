"""What a file of refunds tells of each: one row a refund, where a file of orders has one row an order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from lumira.export import Column
from lumira.money import major_units
from lumira.order_filter import DateField, OrderFilter
from lumira.orders import Order, OrderStatus
from lumira.refunds import Refund
from lumira.texts import level_name, translate, translate_or


@dataclass(frozen=True)
class Refunded:
    """One refund and the order it is of."""

    order: Order
    refund: Refund


def refunded(orders: Iterable[Order], wanted: OrderFilter, zone: ZoneInfo) -> Iterator[Refunded]:
    """Each refund of these orders whose money left us, as revenue counts them.

    Where the filter's period is one of refunds, those made outside of it are left out: the sum is that of
    the refunds which *Revenue* has in these days. The release of a payment that was never captured, which
    Stripe shows as a refund, is none: no money had come.
    """
    start, end = wanted.bounds(zone) if wanted.dated is DateField.REFUNDED else (None, None)
    for order in orders:
        for refund in order.refunds if order.status is OrderStatus.COMPLETED else ():
            inside = (start is None or start <= refund.created_at) and (
                end is None or refund.created_at < end
            )
            if refund.counts and inside:
                yield Refunded(order, refund)


def refund_columns(language: str, zone: ZoneInfo) -> list[Column[Refunded]]:
    """The columns of such a file, titles and values in `fr` or `en`."""

    def title(name: str) -> str:
        return translate(language, name)

    def worded(name: str, value: str) -> str:
        return translate_or(language, f"{name}.{value}", value)

    return [
        Column(f"{title('refunds.made')} ({zone.key})", lambda row: row.refund.created_at, 20),
        Column(title("orders.refunded"), lambda row: major_units(row.refund.amount, row.order.currency), 11),
        Column(title("orders.currency"), lambda row: row.order.currency.upper(), 8),
        Column(title("refunds.status"), lambda row: worded("refund_status", row.refund.status), 14),
        Column(
            title("refunds.reason"),
            # A sentence on the page, a value here.
            lambda row: (
                worded("timeline.reason", row.refund.reason).removesuffix(".") if row.refund.reason else None
            ),
            28,
        ),
        Column(title("orders.level"), lambda row: level_name(language, row.order.level), 12),
        Column(title("orders.customer"), lambda row: row.order.name, 24),
        Column(title("order.email"), lambda row: row.order.address, 30),
        Column(f"{title('orders.completed')} ({zone.key})", lambda row: row.order.counts_at, 20),
        Column(title("orders.amount"), lambda row: major_units(row.order.amount, row.order.currency), 11),
        Column(title("refunds.id"), lambda row: row.refund.id, 30),
        Column(title("order.payment_intent"), lambda row: row.order.payment_intent_id, 30),
        Column(title("order.id"), lambda row: row.order.id, 26),
    ]
