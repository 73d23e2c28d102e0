"""Five thousand orders of two years, and their figures, worked out without Lumira, store or pandas.

    python tests/data/revenue.py orders     writes orders.jsonl.gz: always the same orders
    python tests/data/revenue.py figures    reads it and writes figures.json

Both files are checked in. The figures follow from the definitions alone: gross on the day the money came in,
refunds on the day they were made, days of Paris. Its change of the clocks is spelled out here on purpose.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

FOLDER = Path(__file__).parent
ORDERS, FIGURES = FOLDER / "orders.jsonl.gz", FOLDER / "figures.json"
UTC = timezone.utc  # noqa: UP017 - as any Python 3 has it
FIRST = datetime(2022, 11, 1, tzinfo=UTC)
DAYS = 730
# From the last Sunday of March, 1:00 UTC, to the last Sunday of October, 1:00 UTC.
SUMMERS = [
    (datetime(2023, 3, 26, 1, tzinfo=UTC), datetime(2023, 10, 29, 1, tzinfo=UTC)),
    (datetime(2024, 3, 31, 1, tzinfo=UTC), datetime(2024, 10, 27, 1, tzinfo=UTC)),
]
LEVELS = {
    "initie": "initie",
    "Simple": "initie",
    "mystique": "mystique",
    "intuitive": "mystique",
    "profond": "profond",
    "Alchimique": "profond",
    "integrale": "integrale",
    "Niveau Intégral": "integrale",
    "horoscope": "unknown",
}
PRICES = {"eur": (0, 2700, 4700, 4900, 6700, 9900, 19900), "jpy": (0, 7600, 9800), "kwd": (0, 15750)}


def make_orders() -> None:
    """Write the orders, instants as milliseconds since 1970."""
    chance = random.Random(20261123)
    lines = []
    for number in range(5_000):
        seconds = chance.random() * DAYS * 86_400
        if chance.random() < 0.15:
            # Near midnight in Paris, winter or summer.
            seconds = chance.randrange(DAYS) * 86_400 + chance.choice((22, 23)) * 3600 + chance.randint(-2, 2)
        created = int((FIRST + timedelta(seconds=seconds)).timestamp() * 1000)
        currency = chance.choices(list(PRICES), (94, 4, 2))[0]
        status = chance.choices(
            ("completed", "failed", "cancelled", "pending", "processing"), (80, 10, 6, 3, 1)
        )[0]
        amount = chance.choice(PRICES[currency])
        order = {
            "productId": chance.choice(list(LEVELS)),
            "amount": amount,
            "currency": currency,
            "status": status,
            "paymentIntentId": f"{'pi' if amount else 'free'}_{number:06}",
            "createdAt": created,
            "updatedAt": created,
        }
        if chance.random() < 0.8:
            order["livemode"] = chance.random() < 0.05
        if status == "completed":
            if chance.random() < 0.98:
                order["completedAt"] = created + chance.choice((0, 40_000, 3_600_000, 90_000_000))
            if amount and chance.random() < 0.08:
                back = created + chance.randrange(0, 60 * 86_400_000)
                state = chance.choices(("succeeded", "pending", "failed"), (8, 1, 1))[0]
                part = amount if chance.random() < 0.6 else amount // 3
                order["refunds"] = [
                    {"id": f"re_{number:06}", "amount": part, "status": state, "createdAt": back}
                ]
                if state != "failed":
                    order["lastRefundAt"] = back
        lines.append(json.dumps(order, ensure_ascii=False))
    ORDERS.write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))


def day_in_paris(milliseconds: int) -> str:
    """The day on the calendar of Paris."""
    instant = datetime.fromtimestamp(milliseconds / 1000, UTC)
    summer = any(start <= instant < end for start, end in SUMMERS)
    return (instant + timedelta(hours=2 if summer else 1)).date().isoformat()


def make_figures() -> None:
    """Work out the figures of each month, and of the days of each change of the clocks."""
    figures: dict[str, dict[str, int]] = {}

    def add(milliseconds: int, order: dict, name: str, number: int) -> None:
        day = day_in_paris(milliseconds)
        for period in {day[:7], day if day[5:] in {"03-26", "03-31", "10-27", "10-29"} else day[:7]}:
            key = f"{period} {LEVELS[order['productId']]} {order['currency']}"
            sums = figures.setdefault(key, {"gross": 0, "refunds": 0, "orders": 0, "free": 0, "failed": 0})
            sums[name] += number

    for line in gzip.decompress(ORDERS.read_bytes()).decode().splitlines():
        order = json.loads(line)
        if order.get("livemode"):
            continue
        if order["status"] == "failed":
            add(order["createdAt"], order, "failed", 1)
        if order["status"] != "completed":
            continue
        paid = order.get("completedAt", order["createdAt"])
        add(paid, order, "gross", order["amount"])
        add(paid, order, "orders" if order["amount"] else "free", 1)
        for refund in order.get("refunds", []):
            if refund["status"] != "failed":
                add(refund["createdAt"], order, "refunds", refund["amount"])
    lines = [f"{json.dumps(key)}: {json.dumps(sums)}" for key, sums in sorted(figures.items())]
    FIGURES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    {"orders": make_orders, "figures": make_figures}[sys.argv[1]]()
