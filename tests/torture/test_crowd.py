"""Eight processes deliver the same events at the same time: each is applied once."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections import Counter
from typing import Any

import pytest

from tests import web
from tests.api.conftest import sign
from tests.api.test_workers import workers
from tests.torture.conftest import ROUNDS
from tests.torture.crash import ACTOR, without_main
from tests.torture.stripe_side import compare

SENDERS = 8
EVENTS = 40 if ROUNDS == 1 else 500


def send(url: str, bodies: list[bytes], seed: int) -> list[tuple[int, int, bool]]:
    """One sender: every event, in an order of its own; which event got which answer."""
    answers = []
    with web.Client(timeout=60) as client:
        for number in random.Random(seed).sample(range(len(bodies)), len(bodies)):
            body = bodies[number]
            answer = client.post(f"{url}/api/products/webhook", content=body, headers=sign(body))
            answers.append((number, answer.status_code, "duplicate" in answer.json()))
    return answers


@pytest.mark.long(20)
def test_eight_senders_of_the_same_events(desk, stripe_side, documents, counts):
    events: list[dict[str, Any]] = []
    seen: set[str] = set()
    while len(events) < EVENTS:
        intent = desk.intents.create({"productId": "mystique"}, actor=ACTOR, source="torture").order_id
        if len(events) % 3 == 0:
            documents.productorders.delete_one({"paymentIntentId": intent})
        stripe_side.confirm(intent, "pm_card_visa")
        stripe_side.refund(intent, 700)
        stripe_side.refund(intent, 900)
        events += stripe_side.events(seen)
    bodies = [json.dumps(event).encode() for event in events]
    processes = multiprocessing.get_context("forkserver")
    with workers(desk.settings) as server, without_main(), processes.Pool(SENDERS) as pool:
        answers = [
            answer
            for sent in pool.starmap(send, [(server.url, bodies, seed) for seed in range(SENDERS)])
            for answer in sent
        ]
    counts["events sent"] += len(answers)
    assert Counter(status for _, status, _ in answers) == {200: len(bodies) * SENDERS}
    first = sorted(number for number, _, duplicate in answers if not duplicate)
    assert first == list(range(len(bodies))), "not each event was applied exactly once"
    rows = list(documents.processed_events.find())
    assert {(row["state"], row["attempts"]) for row in rows} == {("processed", 1)}
    assert {row["outcome"] for row in rows} <= {"applied", "unchanged"}
    for order in compare(stripe_side, documents, counts).values():
        told = Counter(entry["kind"] for entry in order["timeline"])
        assert (told["payment_intent.succeeded"], told["refund.succeeded"]) == (1, 2)
