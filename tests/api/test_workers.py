"""`lumira api`: several processes on one store and one port, without the dashboard."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import psutil
import pytest
from stripe import HTTPClient

from lumira.settings import Settings
from lumira.stripe_gateway import TIMEOUT_SECONDS, TRIES
from lumira.workers import GRACE_SECONDS
from tests import web
from tests.api.conftest import event, sign
from tests.conftest import API_TOKEN, STRIPE_KEY, WEBHOOK_SECRET, wait_until
from tests.running import Running, running

pytestmark = pytest.mark.whole


def workers(settings: Settings, number: int = 2) -> AbstractContextManager[Running]:
    """So many workers on a free port, which serve the database of the test."""
    environment = {
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DB": settings.mongodb_db,
        "STRIPE_SECRET_KEY": STRIPE_KEY,
        "STRIPE_API_BASE": settings.stripe_api_base,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "LUMIRA_RATE_LIMIT": settings.rate_limit,
        "LUMIRA_WEBHOOK_RATE_LIMIT": settings.webhook_rate_limit,
    }
    command = f"-m lumira api --workers {number} --port {{port}}"
    return running(settings.home, command, environment=environment)


def servers(process: subprocess.Popen) -> list[psutil.Process]:
    """The worker processes, without the tracker that multiprocessing starts beside them."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.long(10)
def test_two_workers_apply_each_event_once_and_finish_what_they_have_begun(settings, desk, documents):
    events = [
        event(
            "payment_intent.succeeded",
            {"id": f"pi_{number}", "amount": 4700, "currency": "eur", "status": "succeeded"},
        )
        for number in range(10)
    ]

    def deliver(number: int) -> httpx.Response:
        body = json.dumps(events[number % 10]).encode()
        return web.post(f"{url}/api/products/webhook", content=body, headers=sign(body), timeout=30)

    with workers(settings) as server:
        url, process = server.url, server.process
        assert len(servers(process)) == 2
        with ThreadPoolExecutor(8) as pool:
            delivered = list(pool.map(deliver, range(40)))
        # Stripe delivers again what was busy in the other worker's hands.
        again = [deliver(number) for number in range(10)]
        # Whichever worker is asked answers for both.
        for _ in range(6):
            metrics = web.get(f"{url}/metrics").raise_for_status().text
            counts = re.findall(r"^lumira_webhook_seconds_count{.*} (.+)$", metrics, re.MULTILINE)
            assert sum(map(float, counts)) == 50
        nothing = web.get(f"{url}/orders", headers={"X-Request-Id": "req-1"})
        assert (nothing.status_code, nothing.json()["code"]) == (404, "NOT_FOUND")
        assert nothing.json()["requestId"] == nothing.headers["X-Request-Id"] == "req-1"

        def end_in_the_middle() -> None:
            # Its order is stored before Stripe is asked: from then on the request is in flight.
            wait_until(lambda: documents.productorders.find_one({"source": {"$ne": "stripe"}}))
            process.send_signal(signal.SIGTERM)

        threading.Thread(target=end_in_the_middle, daemon=True).start()
        created = web.post(
            f"{url}/api/products/create-payment-intent",
            json={"productId": "mystique"},
            headers={"Authorization": f"Bearer {API_TOKEN}"},
            timeout=30,
        )
        assert created.status_code == 200
        assert process.wait(timeout=40) == 0
    assert [answer.json() for answer in again] == [{"received": True, "duplicate": True}] * 10
    applied = [answer for answer in delivered if answer.json() == {"received": True}]
    assert len(applied) == 10
    assert {answer.status_code for answer in delivered} <= {200, 500}
    orders = list(documents.productorders.find({"source": "stripe"}))
    assert sorted(order["paymentIntentId"] for order in orders) == sorted(f"pi_{n}" for n in range(10))
    assert {order["status"] for order in orders} == {"completed"}
    assert all(len([e for e in order["timeline"] if e.get("to") == "completed"]) <= 1 for order in orders)
    assert documents.processed_events.count_documents({"state": "processed"}) == 10


def test_a_stripe_that_is_silent_holds_no_request_beyond_the_end_of_its_worker():
    rests = sum(HTTPClient.INITIAL_DELAY * 2**number for number in range(TRIES - 1))
    assert TRIES * TIMEOUT_SECONDS + rests < GRACE_SECONDS


def test_a_single_worker_counts_too(settings, desk):
    with workers(settings, 1) as server:
        assert web.get(f"{server.url}/api/nothing").status_code == 404
        assert 'lumira_api_errors_total{code="NOT_FOUND"} 1.0' in web.get(f"{server.url}/metrics").text


@pytest.mark.long(10)
def test_no_worker_outlives_the_process_that_started_it(settings, desk):
    with workers(settings) as server:
        children = servers(server.process)
        server.process.kill()
        server.process.wait()
        gone, alive = psutil.wait_procs(children, timeout=15)
        assert (len(gone), alive) == (2, [])


@pytest.mark.parametrize("uri", [None, "nonsense"])
def test_without_a_store_it_says_so_in_one_line(tmp_path: Path, uri):
    environment = {**os.environ, "LUMIRA_HOME": str(tmp_path), "LUMIRA_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "lumira", "api"],
        env=environment | ({"MONGODB_URI": uri} if uri else {}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "MONGODB_URI" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_dashboard_is_not_even_imported():
    code = "import sys, lumira.workers as w; w.api_application(); print('streamlit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
