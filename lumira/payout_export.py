"""What a file of a payout tells of each transaction it consists of."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

from lumira.export import Column
from lumira.money import major_units
from lumira.payouts import BalanceTransaction, Payout
from lumira.texts import level_name, translate


def payout_columns(payout: Payout, language: str, zone: ZoneInfo) -> list[Column[BalanceTransaction]]:
    """The columns of a payout's transactions, titles and words in `fr` or `en`; their net adds up to it."""

    def title(name: str) -> str:
        return translate(language, name)

    def money(amount: int) -> Decimal:
        return major_units(amount, payout.currency)

    return [
        Column(f"{title('payout.booked')} ({zone.key})", lambda row: row.booked_at, 20),
        Column(title("month.movement"), lambda row: kind_name(row.kind, language), 18),
        Column(
            title("orders.level"),
            lambda row: level_name(language, row.order.level) if row.order else None,
            12,
        ),
        Column(title("orders.customer"), lambda row: row.order.name if row.order else None, 24),
        Column(title("payout.gross"), lambda row: money(row.amount), 11),
        Column(title("payout.fee"), lambda row: money(row.fee), 11),
        Column(title("orders.net"), lambda row: money(row.net), 11),
        Column(title("orders.currency"), lambda _: payout.currency.upper(), 8),
        Column(title("payout.description"), lambda row: row.description or None, 28),
        Column(title("order.id"), lambda row: row.order.id if row.order else None, 26),
        Column(title("order.payment_intent"), lambda row: row.payment_intent_id, 30),
        Column(title("payout.transaction"), lambda row: row.id, 30),
        Column(title("payout.id"), lambda _: payout.id, 30),
        Column(title("payout.arrives"), lambda _: payout.arrives, 14),
    ]


def kind_name(kind: str, language: str) -> str:
    """What one transaction is, in words."""
    return translate(language, f"payout.kind.{kind}")
