"""What a file of revenue tells of each day, level and currency."""

from __future__ import annotations

from lumira.export import Column
from lumira.money import major_units
from lumira.revenue_sums import Row
from lumira.texts import level_name, translate


def revenue_columns(language: str) -> list[Column[Row]]:
    """The columns of rows of `Revenue.days`, titles and values in `fr` or `en`."""

    def title(name: str) -> str:
        return translate(language, name)

    return [
        Column(title("bars.day"), lambda row: row["day"], 12),
        Column(title("orders.level"), lambda row: level_name(language, row["level"]), 12),
        Column(title("revenue.currency"), lambda row: row["currency"].upper(), 8),
        Column(title("revenue.gross"), lambda row: major_units(row["gross"], row["currency"])),
        Column(title("revenue.refunds"), lambda row: major_units(row["refunds"], row["currency"])),
        Column(title("revenue.net"), lambda row: major_units(row["gross"] - row["refunds"], row["currency"])),
        Column(title("revenue.fees"), lambda row: major_units(row["fees"], row["currency"])),
        Column(title("revenue.fees_known"), lambda row: row["fees_known"], 12),
        Column(title("revenue.orders"), lambda row: row["orders"], 18),
        Column(title("revenue.free"), lambda row: row["free"], 10),
        Column(title("revenue.refunded"), lambda row: row["refunded"], 16),
        Column(title("revenue.disputed"), lambda row: row["disputed"], 12),
        Column(title("revenue.failed"), lambda row: row["failed"], 18),
    ]
