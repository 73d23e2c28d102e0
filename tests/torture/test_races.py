"""Everyone who can hear of a payment hears of it at the same moment; one of them moves the order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import reconciliation_of
from tests.torture.conftest import ROUNDS
from tests.torture.crash import ACTOR
from tests.torture.stripe_side import StripeSide, compare, delivery

LIVES: list[Callable[[StripeSide, str], Any]] = [
    lambda side, intent: side.confirm(intent, "pm_card_visa"),
    lambda side, intent: (
        side.confirm(intent, "pm_card_visa_chargeDeclined"),
        side.confirm(intent, "pm_card_visa"),
    ),
    lambda side, intent: (
        side.confirm(intent, "pm_card_visa"),
        side.refund(intent, 700),
        side.refund(intent, 900),
    ),
    lambda side, intent: side.post(f"payment_intents/{intent}/cancel"),
    lambda side, intent: side.reprice(intent, 5200),
    lambda side, intent: (side.reprice(intent, 5200), side.confirm(intent, "pm_card_visa")),
]


def test_polls_events_and_walks_at_once(desk, stripe_side, documents, counts):
    started = datetime.now(UTC) - timedelta(seconds=2)
    seen: set[str] = set()
    unforeseen: list[BaseException] = []
    start = threading.Barrier(1)

    def walk() -> None:
        reconciliation = reconciliation_of(desk)
        reconciliation.run(started, actor=ACTOR, apply=True)

    def hear(call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        start.wait()
        try:
            call(*arguments, **options)
        except BaseException as error:
            unforeseen.append(error)
            raise

    for number in range(12 * ROUNDS):
        intent = desk.intents.create({"productId": "mystique"}, actor=ACTOR, source="torture").order_id
        LIVES[number % len(LIVES)](stripe_side, intent)
        events = stripe_side.events(seen)
        threads = [
            threading.Thread(target=hear, args=(desk.webhooks.receive, *delivery(event))) for event in events
        ]
        threads += [
            threading.Thread(target=hear, args=(desk.intents.refresh, intent), kwargs={"actor": ACTOR})
            for _ in range(6)
        ]
        threads.append(threading.Thread(target=hear, args=(walk,)))
        start = threading.Barrier(len(threads))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts["events sent"] += len(events)
        counts["races"] += 1
    assert unforeseen == []
    for order in compare(stripe_side, documents, counts).values():
        told = [entry["kind"] for entry in order["timeline"]]
        assert told.count("refund.succeeded") == len(order.get("refunds", []))
        assert told.count("amount.changed") == (order["amount"] == 5200)
