"""What does Lumira add to creating a PaymentIntent? Its create beside the bare calls, in turns.

    python benchmarks/create_intent.py [--rounds 300]

A is `Intents.create`: check, store the order, audit, ask Stripe with an idempotency key, tie the
PaymentIntent to the order. B is stripe-python's create with the same parameters, one insert and one update.
Both talk to the same sandbox and the same store, over TCP. Prints the medians and their ratio.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import stripe
from pymongo import MongoClient

from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.embedded import running
from lumira.intents import payment_intent_parameters
from lumira.settings import load_settings
from lumira.storage.orders import to_document

ACTOR = Actor("benchmark", Role.ADMIN)
BODY = {"productId": "mystique", "customerEmail": "anais@example.com", "customerName": "Anaïs Garçon"}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(home=Path(folder), port=9)
        with running(settings) as complete:
            desk = Desk.open(complete)
            desk.store.prepare()
            ours, bare = measure(desk, rounds)
            desk.store.close()
    report(ours, bare)


def measure(desk: Desk, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each of our creates and of each bare one, taken in turns."""
    settings = desk.settings
    assert settings.mongodb_uri
    assert settings.stripe_secret_key
    client = stripe.StripeClient(
        settings.stripe_secret_key.get_secret_value(),
        base_addresses={"api": str(settings.stripe_api_base)},
        http_client=stripe.RequestsClient(),
    )
    database: MongoClient[dict[str, object]] = MongoClient(
        settings.mongodb_uri.get_secret_value(), w="majority"
    )
    collection = database["bare"]["orders"]
    collection.create_index("paymentIntentId", unique=True, sparse=True)
    created = desk.intents.create(BODY, actor=ACTOR, source="benchmark")
    order = desk.intents.find(created.order_id, actor=ACTOR)
    parameters = payment_intent_parameters(order)
    template = {key: value for key, value in to_document(order).items() if key != "paymentIntentId"}

    def bare() -> None:
        inserted = collection.insert_one({**template, "_id": secrets.token_hex(12)}).inserted_id
        intent = client.v1.payment_intents.create(parameters, {"idempotency_key": secrets.token_hex(16)})
        collection.update_one({"_id": inserted}, {"$set": {"paymentIntentId": intent.id}})

    def ours() -> None:
        desk.intents.create(BODY, actor=ACTOR, source="benchmark")

    for work in (bare, ours) * 20:
        work()
    pairs = [(timed(ours), timed(bare)) for _ in range(rounds)]
    database.close()
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def timed(work: Callable[[], None]) -> float:
    """The seconds `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(ours: list[float], bare: list[float]) -> None:
    """Prints both medians, their spread and the ratio."""
    for name, seconds in (("Intents.create", ours), ("bare calls", bare)):
        quarter, median, three = statistics.quantiles(seconds, n=4)
        print(f"{name:15} median {median * 1000:.2f} ms, middle half {quarter * 1000:.2f}–{three * 1000:.2f}")
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"ratio {ratio:.2f} (goal: at most 1.15)")


if __name__ == "__main__":
    main()
