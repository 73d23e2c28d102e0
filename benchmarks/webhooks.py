"""How many webhooks a second? Lumira's route beside a bare one, in turns.

    python benchmarks/webhooks.py [--events 200] [--rounds 15]

A is the API's webhook: verify, record, apply to the order, settle. B is a Starlette route that verifies the
signature with stripe-python, inserts the event and updates the order. Each is served by a uvicorn process of
its own; the same client sends `payment_intent.succeeded` of waiting orders, over several connections. Prints
the rates and their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import stripe
from pymongo import MongoClient

from lumira.child_process import free_port
from lumira.desk import Desk
from lumira.embedded import running
from lumira.orders import Order, OrderStatus
from lumira.settings import load_settings
from lumira.storage.orders import Orders

SECRET = "whsec_of_the_benchmark"  # noqa: S105
CONNECTIONS = 4
PATHS = {"lumira": "/api/products/webhook", "bare": "/webhook"}


def bare_application() -> Any:
    """The bare route: verify, one insert, one update."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    database = MongoClient(os.environ["MONGODB_URI"], w="majority")[os.environ["MONGODB_DB"]]
    events, orders = database["bare_events"], database["productorders"]

    def handle(payload: bytes, signature: str) -> None:
        event = stripe.Webhook.construct_event(payload, signature, SECRET)  # type: ignore[no-untyped-call]
        intent = event["data"]["object"]
        now = datetime.now(UTC)
        events.insert_one({"eventId": event["id"], "eventType": event["type"], "createdAt": now})
        orders.update_one(
            {"paymentIntentId": intent["id"]},
            {"$set": {"status": "completed", "completedAt": now, "updatedAt": now}},
        )

    async def webhook(request: Request) -> JSONResponse:
        payload = await request.body()
        await run_in_threadpool(handle, payload, request.headers["stripe-signature"])
        return JSONResponse({"received": True})

    return Starlette(routes=[Route("/webhook", webhook, methods=["POST"])])


def lumira_application() -> Any:
    """Lumira's API on the desk of the environment."""
    from starlette.applications import Starlette

    from lumira.serving import routes

    return Starlette(routes=routes())


@contextmanager
def serving(name: str, environment: dict[str, str]) -> Iterator[str]:
    """One of the two applications as a process of its own; its address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"webhooks:{name}_application", "--factory"]
    command += ["--port", str(port), "--log-level", "error"]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parent, env={**os.environ, **environment, "LUMIRA_PORT": str(port)}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(url)
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def waiting_orders(orders: Orders, count: int) -> list[str]:
    """The PaymentIntent ids of that many new orders that wait for their payment."""
    now = datetime.now(UTC)
    made = [
        Order(
            id=orders.new_id(),
            product_id="mystique",
            amount=4700,
            currency="eur",
            status=OrderStatus.PENDING,
            payment_intent_id=f"pi_{secrets.token_hex(12)}",
            created_at=now,
            updated_at=now,
            livemode=False,
        )
        for _ in range(count)
    ]
    orders.insert_many(made)
    return [str(order.payment_intent_id) for order in made]


def delivery(payment_intent_id: str) -> tuple[bytes, dict[str, str]]:
    """A signed payment_intent.succeeded, about as large as Stripe's."""
    payment_intent = {
        "id": payment_intent_id,
        "object": "payment_intent",
        "amount": 4700,
        "currency": "eur",
        "status": "succeeded",
        "latest_charge": f"ch_{secrets.token_hex(12)}",
        "livemode": False,
        "metadata": {f"key{number}": "x" * 60 for number in range(20)},
    }
    event = {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "api_version": stripe.api_version,
        "created": int(time.time()),
        "livemode": False,
        "type": "payment_intent.succeeded",
        "data": {"object": payment_intent},
    }
    body = json.dumps(event)
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET, timestamp=int(time.time()))
    return body.encode(), {"Stripe-Signature": header, "Content-Type": "application/json"}


def rate(url: str, deliveries: list[tuple[bytes, dict[str, str]]]) -> float:
    """Deliveries answered a second, over CONNECTIONS connections at once."""
    shares = [deliveries[number::CONNECTIONS] for number in range(CONNECTIONS)]

    def send(client: httpx.Client, share: list[tuple[bytes, dict[str, str]]]) -> None:
        for body, headers in share:
            client.post(url, content=body, headers=headers).raise_for_status()

    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(timeout=30)) for _ in range(CONNECTIONS)]
        pool = stack.enter_context(ThreadPoolExecutor(CONNECTIONS))
        start = time.perf_counter()
        list(pool.map(send, clients, shares))
        return len(deliveries) / (time.perf_counter() - start)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(home=Path(folder), port=9)
        with running(settings) as complete:
            assert complete.mongodb_uri
            assert complete.stripe_secret_key
            environment = {
                "MONGODB_URI": complete.mongodb_uri.get_secret_value(),
                "MONGODB_DB": "benchmark",
                "STRIPE_SECRET_KEY": complete.stripe_secret_key.get_secret_value(),
                "STRIPE_API_BASE": str(complete.stripe_api_base),
                "STRIPE_WEBHOOK_SECRET": SECRET,
                "LUMIRA_WEBHOOK_RATE_LIMIT": "1000000/second",
            }
            desk = Desk.open(complete.model_copy(update={"mongodb_db": "benchmark"}))
            desk.store.prepare()
            desk.store.database["bare_events"].create_index("eventId", unique=True)
            rates: dict[str, list[float]] = {name: [] for name in PATHS}
            with serving("lumira", environment) as lumira, serving("bare", environment) as bare:
                for number in range(options.rounds + 1):
                    for name, url in (("lumira", lumira), ("bare", bare)):
                        ids = waiting_orders(desk.orders, options.events)
                        measured = rate(url + PATHS[name], [delivery(one) for one in ids])
                        if number:  # the first round warms up
                            rates[name].append(measured)
            desk.store.close()
    for name, measured in rates.items():
        print(
            f"{name:7} median {statistics.median(measured):.0f} a second, "
            f"from {min(measured):.0f} to {max(measured):.0f}"
        )
    ratio = statistics.median(rates["lumira"]) / statistics.median(rates["bare"])
    print(f"ratio {ratio:.2f} (goal: at least 0.85)")


if __name__ == "__main__":
    main()
