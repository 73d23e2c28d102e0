"""A replica set whose primary is lost again and again, seen from the wire.

The store does what it is told, but its answer is lost, or it says that it is no longer the primary, before or
after it has done it: all that a driver sees of an election.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from lumira.errors import EventInProgress, StoreUnavailable
from tests.conftest import opened, reconciliation_of
from tests.store_gate import Fate, gate
from tests.torture.conftest import ROUNDS
from tests.torture.crash import ACTOR
from tests.torture.stripe_side import StripeSide, compare, delivery

COMMANDS = ("insert", "update", "delete", "findAndModify", "find", "aggregate")
FATES = (Fate.UNHEARD, Fate.NOT_PRIMARY, Fate.STEPPED_DOWN)
# The driver repeats a command half a second later, as long as there is time for it.
SHARE = 0.15

Answer = TypeVar("Answer")


def test_a_primary_lost_again_and_again_loses_and_doubles_nothing(
    settings, store_uri, documents, torture_sandbox, counts
):
    chance = random.Random(ROUNDS)
    started = datetime.now(UTC) - timedelta(seconds=2)
    losing = False

    def fate(command: str) -> Fate:
        if not losing or command not in COMMANDS or chance.random() > SHARE:
            return Fate.PASSES
        counts["commands lost"] += 1
        return chance.choice(FATES)

    def until_it_works(work: Callable[[], Answer]) -> Answer:
        """What whoever asks does: the same again, with the same idempotency key."""
        while True:
            try:
                return work()
            except StoreUnavailable:
                counts["answers that the store is away"] += 1
            except EventInProgress:
                # What a lost answer left claimed is given back in a while, and Stripe delivers it again.
                past = datetime.now(UTC) - timedelta(seconds=1)
                held = {"state": "processing"}
                documents.processed_events.update_many(held, {"$set": {"leaseUntil": past}})
                counts["events still claimed"] += 1

    def live(key: str) -> str:
        intent = until_it_works(
            lambda: desk.intents.create(
                {"productId": "mystique"}, actor=ACTOR, source="torture", idempotency_key=key
            )
        ).order_id
        side.confirm(intent, "pm_card_visa")
        for event in side.events(seen):
            until_it_works(lambda event=event: desk.webhooks.receive(*delivery(event)))
            counts["events sent"] += 1
        until_it_works(lambda: refunded(intent, f"{key}-refund"))
        edit = {"firstName": "Anaïs", "lastName": key}
        until_it_works(lambda: desk.intents.correct_customer(intent, edit, actor=ACTOR))
        return intent

    def refunded(intent: str, key: str) -> None:
        desk.refunds.create(intent, 700, actor=ACTOR, idempotency_key=key)

    seen: set[str] = set()
    with gate(urlsplit(store_uri).port, fate) as uri:
        told = settings.model_copy(update={"mongodb_uri": SecretStr(uri), "stripe_api_base": torture_sandbox})
        with opened(told) as desk, StripeSide(torture_sandbox) as side:
            losing = True
            keys = [secrets.token_hex(8) for _ in range(4 * ROUNDS)]
            intents = {live(key): key for key in keys}
            losing = False
            later = reconciliation_of(desk, timedelta(hours=1))
            later.run(started, actor=ACTOR, apply=True)
            assert later.run(started, actor=ACTOR).differences == []
            orders = compare(side, desk.store.database, counts)
            assert {intent: order["attemptId"] for intent, order in orders.items()} == intents
            for order in orders.values():
                assert order["amountRefunded"] == 700
                assert order["customerName"] == f"Anaïs {order['attemptId']}"
                told_of = [entry["kind"] for entry in order["timeline"]]
                assert told_of.count("refund.succeeded") == 1
                assert (
                    side.get(f"payment_intents/{order['paymentIntentId']}")["metadata"]["customerName"]
                    == (order["customerName"])
                )
            entries = desk.store.database.audit_entries
            for action in ("create_intent", "refund"):
                assert entries.count_documents({"action": action}) == len(keys)
    assert counts["commands lost"]
