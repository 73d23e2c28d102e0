"""What does each page cost, with few orders and with many? A rerun, in turns.

    python benchmarks/page_reruns.py [--small 10000] [--large 1000000] [--reruns 40]

Two stores, one with few orders, webhook events and audit entries and one with many, each behind a dashboard
of its own; one visitor of each reruns the same pages in turns, over Streamlit's websocket. Prints for every
page, and for several lists of orders, what a rerun costs with many orders beside few, and what the unfiltered
list costs beside an empty page and the bare query together. The revenue page has a program of its own.
Seeding a million orders takes some minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from pymongo import MongoClient
from websocket import Visitor, cookie_of

from lumira.access import Actor, Role
from lumira.audit import Action, AuditEntry
from lumira.child_process import free_port
from lumira.desk import Desk
from lumira.embedded import running
from lumira.order_filter import parse_filter
from lumira.orders import Order, OrderStatus
from lumira.refunds import Refund
from lumira.secret_key import secret_key
from lumira.settings import Settings, load_settings
from lumira.storage import OrderRows
from lumira.storage.audit import to_document as to_audit_document
from lumira.storage.order_listing import KnownAmounts
from lumira.storage.orders import to_document

EMPTY = "empty"
SITE, STAFF = Actor("site", Role.SUPPORT), Actor("claire@example.com", Role.FINANCE)
# Every page but revenue's two: its address and what stands behind the question mark.
OTHERS = {
    "overview": ("overview", ""),
    "an order": ("order", "id={id}"),
    "new payment": ("new-payment", ""),
    "webhooks": ("webhooks", ""),
    "failed webhooks": ("webhooks", "state=failed"),
    "reconciliation": ("reconciliation", ""),
    "audit log": ("audit", ""),
    "refunds in the log": ("audit", "action=refund"),
}
LISTS = {
    "all": "",
    "failed": "status=failed",
    "waiting": "status=pending,processing",
    "a name": "q=camille%20laurent",
    "an id": "q={id}",
    "refunded": "refunded=yes",
    "differs": "stripe=differs",
    "a month, two levels": "level=profond,integrale&from={month}",
    "highest amount": "sort=-amount",
    "paid, oldest first": "date=completed&sort=date",
}
FIRST = (
    "Camille",
    "Léa",
    "Manon",
    "Chloé",
    "Inès",
    "Zoé",
    "Éloïse",
    "Anaïs",
    "Hugo",
    "Théo",
    "Jules",
    "Rémi",
)
LAST = ("Martin", "Bernard", "Petit", "Durand", "Moreau", "Laurent", "Lefèvre", "Garçon", "Le Goff", "Diallo")
LEVELS = {"initie": 0, "mystique": 4700, "profond": 6700, "integrale": 9700}
STATUSES = {
    OrderStatus.COMPLETED: "succeeded",
    OrderStatus.FAILED: "requires_payment_method",
    OrderStatus.CANCELLED: "canceled",
    OrderStatus.PENDING: "requires_payment_method",
    OrderStatus.PROCESSING: "processing",
}
DAYS = 365
BATCH = 2_000


def orders(count: int, now: datetime) -> Iterator[Order]:
    """`count` believable orders of the last year, oldest first."""
    chance = random.Random(count)
    for number in range(count):
        created = now - timedelta(days=DAYS) * ((count - number) / count)
        status = chance.choices(list(STATUSES), (840, 100, 55, 4, 1))[0]
        level = chance.choices(list(LEVELS), (38, 36, 23, 3))[0]
        first, last = chance.choice(FIRST), chance.choice(LAST)
        paid = status is OrderStatus.COMPLETED
        refunds = []
        if paid and LEVELS[level] and chance.random() < 0.045:
            refunds = [Refund(id=f"re_{number:024}", amount=LEVELS[level], created_at=created)]
        yield Order(
            id=f"{int(created.timestamp()):08x}{number:016x}",
            product_id=level,
            customer_email=f"{first}.{last}.{number}@example.com".lower().replace(" ", ""),
            customer_name=f"{first} {last}",
            amount=LEVELS[level],
            currency="eur",
            status=status,
            payment_intent_id=f"pi_{chance.getrandbits(96):024x}",
            # A few differ from what Stripe says.
            stripe_status="succeeded" if chance.random() < 5 / count else STATUSES[status],
            created_at=created,
            updated_at=created,
            completed_at=created if paid else None,
            livemode=False,
            source="api",
            metadata={"level": level, "productName": f"Niveau {level}"},
            refunds=refunds,
            amount_refunded=sum(refund.amount for refund in refunds),
            last_refund_at=created if refunds else None,
        )


PAGES = {**{title: ("orders", query) for title, query in LISTS.items()}, **OTHERS}


def event(order: Order) -> dict[str, object]:
    """The row that the webhook of a finished order has left in the ledger."""
    return {
        "eventId": f"evt_{order.id}",
        "eventType": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": {"id": order.payment_intent_id, "object": "payment_intent"}},
        "eventCreated": int(order.created_at.timestamp()),
        "attempts": 1,
        "state": "processed",
        "createdAt": order.created_at,
        "updatedAt": order.created_at,
    }


def audit_entry(order: Order) -> dict[str, object]:
    """What the log holds of an order: that the site made it; of a refunded one, the refund of a person."""
    made = AuditEntry.by(SITE, Action.CREATE_INTENT, order.created_at, order_id=order.id)
    if order.refunds:
        made = AuditEntry.by(STAFF, Action.REFUND, order.created_at, order_id=order.id)
    return to_audit_document(made)


def seed(desk: Desk, count: int, *, with_events: bool = False) -> str:
    """Fills the store; the PaymentIntent id of an order in the middle."""
    desk.store.prepare()
    KnownAmounts(desk.store.database).add(set(LEVELS.values()))
    assert desk.settings.mongodb_uri
    # A client of its own: while the store writes out what it holds, a batch may take longer than a page may.
    with MongoClient(desk.settings.mongodb_uri.get_secret_value()) as client:
        database = client[str(desk.settings.mongodb_db)]
        batch: list[dict[str, object]] = []
        events: list[dict[str, object]] = []
        entries: list[dict[str, object]] = []
        middle = ""
        for number, order in enumerate(orders(count, datetime.now(UTC))):
            batch.append(to_document(order))
            if with_events:
                events.append(event(order))
                entries.append(audit_entry(order))
            middle = str(order.payment_intent_id) if number == count // 2 else middle
            if len(batch) == BATCH or number == count - 1:
                database["productorders"].insert_many(batch, ordered=False)
                if events:
                    database["processed_events"].insert_many(events, ordered=False)
                    database["audit_entries"].insert_many(entries, ordered=False)
                batch, events, entries = [], [], []
    return middle


@contextmanager
def dashboard(settings: Settings, home: Path) -> Iterator[str]:
    """`lumira run` on this store; its address."""
    assert settings.mongodb_uri
    assert settings.stripe_secret_key
    port = free_port()
    environment = {
        **os.environ,
        "LUMIRA_HOME": str(home),
        "LUMIRA_PORT": str(port),
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DB": str(settings.mongodb_db),
        "STRIPE_SECRET_KEY": settings.stripe_secret_key.get_secret_value(),
        "STRIPE_API_BASE": str(settings.stripe_api_base),
        # The key that `cookie_of` signs with.
        "LUMIRA_SECRET_KEY": secret_key(settings).decode(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "lumira", "run"], env=environment, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert process.poll() is None
            try:
                httpx.get(f"{url}/api/healthz")
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def bare_query(rows: OrderRows) -> float:
    """The seconds of the query that the unfiltered list makes."""
    wanted = parse_filter({})
    start = time.perf_counter()
    rows.page(wanted, 50)
    return time.perf_counter() - start


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--reruns", type=int, default=40)
    options = parser.parse_args()
    month = (datetime.now(UTC) - timedelta(days=30)).date().isoformat()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        settings = stack.enter_context(running(load_settings(home=Path(folder), port=9)))
        desks: dict[str, Desk] = {}
        ids: dict[str, str] = {}
        visitors: dict[str, dict[str, Visitor]] = {}
        for name, count in (("small", options.small), ("large", options.large), (EMPTY, 0)):
            own = settings.model_copy(update={"mongodb_db": f"orders_{name}"})
            desks[name] = Desk.open(own)
            stack.callback(desks[name].store.close)
            began = time.monotonic()
            ids[name] = seed(desks[name], count, with_events=True)
            print(f"{count} orders seeded in {time.monotonic() - began:.0f} s", flush=True)
            url = stack.enter_context(dashboard(own, Path(folder) / name))
            # What the dashboard does in the background is done before anything is measured.
            desks[name].revenue.refresh()
            pages = {EMPTY: ("order", "")} if name == EMPTY else PAGES
            visitors[name] = {}
            cookie = cookie_of(desks[name])
            for title, (page, query) in pages.items():
                visitor = stack.enter_context(Visitor(url, cookie=cookie))
                visitor.open(page, query.format(id=ids[name], month=month))
                visitor.rerun()
                visitors[name][title] = visitor
        taken: dict[tuple[str, str], list[float]] = {}
        bare: list[float] = []
        # Kept, as a desk keeps its own: a new one counts the orders first.
        large = desks["large"]
        rows = OrderRows(large.store.database, large.settings.business_timezone, livemode=False)
        rows.page(parse_filter({}), 50)
        for _ in range(options.reruns):
            for title in PAGES:
                for name in ("small", "large"):
                    taken.setdefault((name, title), []).append(visitors[name][title].rerun())
            taken.setdefault((EMPTY, EMPTY), []).append(visitors[EMPTY][EMPTY].rerun())
            bare.append(bare_query(rows))
    median = {key: statistics.median(seconds) * 1000 for key, seconds in taken.items()}
    print(f"\n{'page or list':22} {options.small:>10} {options.large:>10}  ratio (goal: at most 1.5)")
    for title in PAGES:
        small, large = median["small", title], median["large", title]
        print(f"{title:22} {small:7.1f} ms {large:7.1f} ms  {large / small:.2f}")
    empty, query = median[EMPTY, EMPTY], statistics.median(bare) * 1000
    ratio = median["large", "all"] / (empty + query)
    print(
        f"\nlist {median['large', 'all']:.1f} ms, empty page {empty:.1f} ms, bare query {query:.1f} ms: "
        f"ratio {ratio:.2f} (goal: at most 2)"
    )


if __name__ == "__main__":
    main()
