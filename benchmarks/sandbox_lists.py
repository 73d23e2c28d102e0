"""Does the sandbox slow down as it fills? The same requests at 1,000 and at 100,000 PaymentIntents, in turns.

    python benchmarks/sandbox_lists.py [--small 1000] [--large 100000] [--rounds 200]

Prints the median of each request on either sandbox and the ratio; near 1, size does not matter.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from lumira.sandbox import shapes
from lumira.sandbox.store import Store

PROMPT = "Lumira sandbox on "
HEADERS = {"Authorization": "Bearer sk_test_benchmark", "Stripe-Version": "2026-10-28.endive"}
FORM = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
STATUSES = ("succeeded", "succeeded", "succeeded", "requires_payment_method", "canceled")


def fill(path: Path, count: int) -> str:
    """Write a state file of `count` PaymentIntents of 100 customers, a minute apart; answers a customer."""
    store = Store(path)
    store.begin()
    now = int(time.time())
    customers = [shapes.new("customer", now) for _ in range(100)]
    for customer in customers:
        store.save(customer)
    for number in range(count):
        intent = shapes.new(
            "payment_intent",
            now - (count - number) * 60,
            amount=4700 + number % 5000,
            currency="eur",
            customer=customers[number % 100]["id"],
            metadata={"orderId": f"order-{number}", "level": str(number % 4)},
            payment_method_types=["card"],
            status=STATUSES[number % len(STATUSES)],
        )
        store.save(intent)
    store.commit()
    store.close()
    return str(customers[7]["id"])


@contextlib.contextmanager
def running(path: Path) -> Iterator[http.client.HTTPConnection]:
    """A sandbox process on a state file, and one connection to it."""
    command = [sys.executable, "-m", "lumira.sandbox", "--port", "0", "--state", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        connection = http.client.HTTPConnection(
            urlsplit(process.stdout.readline().removeprefix(PROMPT).strip()).netloc, timeout=30
        )
        try:
            yield connection
        finally:
            connection.close()
            process.terminate()


def milliseconds(connection: http.client.HTTPConnection, method: str, path: str, body: str | None) -> float:
    """How long one request takes, its answer read."""
    started = time.perf_counter()
    connection.request(method, path, body, FORM if body else HEADERS)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Fill two sandboxes, ask both in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    since = int(time.time()) - 30 * 60
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sides = []
        title = f"milliseconds, median of {options.rounds}"
        for count in (options.small, options.large):
            path = Path(folder) / f"{count}.sqlite"
            customer = fill(path, count)
            requests = {
                "list, 10": ("GET", "/v1/payment_intents", None),
                "list, 100": ("GET", "/v1/payment_intents?limit=100", None),
                "list of a customer, 10": ("GET", f"/v1/payment_intents?customer={customer}", None),
                "list of half an hour": ("GET", f"/v1/payment_intents?created[gte]={since}&limit=100", None),
                "search by metadata": ("GET", search(f"metadata['orderId']:'order-{count // 2}'"), None),
                "search by common metadata, 10": ("GET", search("metadata['level']:'2'"), None),
                "search by status, 10": ("GET", search("status:'succeeded' AND amount>5000"), None),
                "create": ("POST", "/v1/payment_intents", "amount=4700&currency=eur&metadata[orderId]=1"),
            }
            sides.append((stack.enter_context(running(path)), requests))
        small, large = sides
        print(f"{title:34}{options.small:>10,}{options.large:>10,}{'ratio':>8}")
        for name in small[1]:
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.rounds):
                for side, measured in zip((small, large), times, strict=True):
                    measured.append(milliseconds(side[0], *side[1][name]))
            medians = [statistics.median(measured[len(measured) // 10 :]) for measured in times]
            print(f"{name:34}{medians[0]:>10.2f}{medians[1]:>10.2f}{medians[1] / medians[0]:>8.2f}")


def search(query: str) -> str:
    """The URL of a search."""
    return f"/v1/payment_intents/search?query={quote(query)}"


if __name__ == "__main__":
    main()
