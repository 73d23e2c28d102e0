"""What does revenue cost, with few orders and with many? Reruns of the page, in turns; building its days.

    python benchmarks/revenue.py [--small 10000] [--large 1000000] [--reruns 40]

Two stores, one with few orders of the last year and one with many, each behind a dashboard of its own; one
visitor of each reruns the same pages in turns, over Streamlit's websocket. Prints what a rerun costs with
many orders beside few, what building all days from nothing costs beside the raw aggregation of the same
orders, what a day of eleven months ago costs beside yesterday, and how long after a payment the page shows
it. Seeding a million orders takes some minutes.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from page_reruns import dashboard, seed
from websocket import Visitor, cookie_of

from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.embedded import running
from lumira.settings import load_settings

PAGES = {
    "30 days": "",
    "7 days": "range=7d",
    "this year, by month": "range=year",
    "a year before": "compare=year",
}
ADMIN = Actor("benchmark", Role.ADMIN)
FINANCE = Actor("benchmark", Role.FINANCE)


def build(desk: Desk) -> Iterator[tuple[float, float]]:
    """Seconds of building every day from nothing, and of counting the same orders, in turns."""
    revenue, database = desk.revenue, desk.store.database
    today = revenue.today()
    first = today - timedelta(days=370)
    while True:
        database.revenue_daily.delete_many({})
        database.revenue_state.delete_many({})
        start = time.perf_counter()
        revenue.rebuild(actor=ADMIN)
        built = time.perf_counter() - start
        start = time.perf_counter()
        revenue.counted(first, today, actor=FINANCE)
        yield built, time.perf_counter() - start


def old_day(desk: Desk) -> float:
    """The seconds of counting a day of eleven months ago, with all refunds since, by those of yesterday."""
    yesterday = desk.revenue.today() - timedelta(days=1)
    ratios = []
    for _ in range(10):
        taken = []
        for day in (yesterday - timedelta(days=335), yesterday):
            start = time.perf_counter()
            desk.revenue.counted(day, day, actor=FINANCE)
            taken.append(time.perf_counter() - start)
        ratios.append(taken[0] / taken[1])
    return statistics.median(ratios)


def gross(visitor: Visitor) -> str:
    """The first figure of the page as it was drawn last."""
    for message in visitor.messages:
        element = message.delta.new_element
        if element.WhichOneof("type") == "metric":
            return str(element.metric.body)
    return ""


def seconds_until_shown(desk: Desk, visitor: Visitor) -> float:
    """How long after a payment is in the store the page has it."""
    visitor.rerun()
    before = gross(visitor)
    now = datetime.now(UTC)
    paid = {
        **{"productId": "mystique", "amount": 4700, "currency": "eur", "status": "completed"},
        **{"createdAt": now, "updatedAt": now, "completedAt": now, "livemode": False},
    }
    desk.store.database.productorders.insert_one(paid)
    start = time.perf_counter()
    while gross(visitor) == before:
        visitor.rerun()
    return time.perf_counter() - start


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--reruns", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        settings = stack.enter_context(running(load_settings(home=Path(folder), port=9)))
        sides: list[tuple[Desk, dict[str, Visitor]]] = []
        for name, count in (("small", options.small), ("large", options.large)):
            own = settings.model_copy(update={"mongodb_db": f"revenue_{name}"})
            desk = Desk.open(own)
            stack.callback(desk.store.close)
            began = time.monotonic()
            seed(desk, count)
            print(f"{count} orders seeded in {time.monotonic() - began:.0f} s", flush=True)
            rounds = [pair for pair, _ in zip(build(desk), range(3), strict=False)]
            built, raw = (statistics.median(times) for times in zip(*rounds, strict=True))
            ratio = built / raw
            print(
                f"  all days from nothing {built:.2f} s, raw aggregation {raw:.2f} s, ratio {ratio:.2f}",
                flush=True,
            )
            print(f"  a day of eleven months ago by yesterday {old_day(desk):.2f}", flush=True)
            url = stack.enter_context(dashboard(own, Path(folder) / name))
            visitors = {}
            cookie = cookie_of(desk)
            for title, query in PAGES.items():
                visitors[title] = stack.enter_context(Visitor(url, cookie=cookie))
                visitors[title].open("revenue", query)
                visitors[title].rerun()
                assert re.search(r"\d", gross(visitors[title]))
            sides.append((desk, visitors))
        print(f"{'rerun, milliseconds':24}{options.small:>12,}{options.large:>12,}{'ratio':>8}")
        for title in PAGES:
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.reruns):
                for (_, visitors), taken in zip(sides, times, strict=True):
                    taken.append(visitors[title].rerun() * 1000)
            few, many = (statistics.median(taken[2:]) for taken in times)
            print(f"{title:24}{few:>12.1f}{many:>12.1f}{many / few:>8.2f}", flush=True)
        shown = [seconds_until_shown(desk, visitors["30 days"]) for desk, visitors in sides for _ in range(3)]
        print(f"a payment is on the page after at most {max(shown):.2f} s")


if __name__ == "__main__":
    main()
