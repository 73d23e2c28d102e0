"""No page reads a whole collection: what each asks the store, and how the store says it finds it."""

from __future__ import annotations

from typing import Any

import pymongo
import pytest
from pymongo.monitoring import CommandListener

from lumira.access import Actor, Role
from lumira.storage.indexes import AUDIT, EVENTS, ORDERS

TESTS = Actor("tests", Role.ADMIN)
LARGE = (ORDERS, EVENTS, AUDIT)


class Asked(CommandListener):
    """Keeps what is asked of the collections that grow, by every client made from now on."""

    def __init__(self) -> None:
        self.filters: list[tuple[str, dict[str, Any], Any]] = []

    def started(self, event: Any) -> None:
        command = event.command
        collection = command.get(event.command_name)
        if collection not in LARGE:
            return
        if event.command_name == "find":
            self.filters.append((collection, command.get("filter", {}), command.get("sort")))
        if event.command_name == "aggregate":
            first = command["pipeline"][0]
            self.filters.append((collection, first.get("$match", {}), None))

    def succeeded(self, event: Any) -> None:
        """Says nothing."""

    failed = succeeded


ASKED = Asked()
pymongo.monitoring.register(ASKED)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("overview", {}),
        ("orders", {}),
        ("orders", {"status": "failed"}),
        ("orders", {"status": "pending,processing", "level": "mystique"}),
        ("orders", {"q": "zoe martin"}),
        ("orders", {"q": "zoe@example.com", "refunded": "yes"}),
        ("orders", {"stripe": "differs"}),
        ("orders", {"stripe": "succeeded"}),
        ("orders", {"sort": "-amount", "min": "10"}),
        ("orders", {"date": "completed", "sort": "date"}),
        ("orders", {"disputed": "yes", "from": "2026-01-01"}),
        ("order", {"id": "order"}),
        ("new_payment", {}),
        ("new_payment", {"payment": "order"}),
        ("webhooks", {}),
        ("webhooks", {"state": "failed"}),
        ("webhooks", {"state": "processing", "age": "30d"}),
        ("webhooks", {"type": "payment_intent.succeeded"}),
        ("revenue", {}),
        ("revenue", {"range": "year", "compare": "year"}),
        ("payouts", {}),
        ("month_close", {}),
        ("reconciliation", {}),
        ("system", {}),
        ("audit", {}),
        ("audit", {"action": "refund"}),
        ("audit", {"by": "claire@example.com", "age": "7d"}),
        ("audit", {"order": "order"}),
    ],
    ids=lambda part: part if isinstance(part, str) else "&".join(f"{k}={v}" for k, v in part.items()) or "-",
)
def test_a_page_reads_no_collection_whole(open_page, desk, pay, page, query):
    order = pay(customerEmail="zoe@example.com", customerName="Zoé Martin")
    desk.order_list.list_all(5)
    desk.revenue.days(desk.revenue.today(), desk.revenue.today(), actor=TESTS)
    ASKED.filters.clear()
    open_page(page, **{name: order.id if value == "order" else value for name, value in query.items()})
    whole = []
    for collection, found, sort in ASKED.filters:
        command = {"find": collection, "filter": found} | ({"sort": sort} if sort else {})
        plan = desk.store.database.command("explain", command)["queryPlanner"]["winningPlan"]
        if "COLLSCAN" in str(plan):
            whole.append((collection, found, sort))
    assert whole == []
