"""A sandbox over TCP, clients that check every exchange, and a webhook endpoint that remembers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import stripe

from tests import web
from tests.conftest import sandbox
from tests.sandbox.openapi import check_answer, check_request

KEY = "sk_test_sandbox"
ROOT = Path(__file__).parents[2]
PROMPT = "Lumira sandbox on "
RETURN_URL = "https://shop.example/done"


def check_exchange(method: str, url: str, body: Any, answer: Any, status: int) -> None:
    """Check one request that succeeded, and any answer, against Stripe's OpenAPI document."""
    parts = urlsplit(url)
    if status == 200:
        check_request(method.upper(), parts.path, body or parts.query)
    check_answer(status, json.loads(answer))


class CheckedRequests(stripe.RequestsClient):
    """stripe-python's usual client, with every exchange checked."""

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **more: Any) -> Any:
        content, status, answered = super().request(method, url, headers, post_data, **more)
        check_exchange(method, url, post_data, content, status)
        return content, status, answered


class CheckedHttpx(stripe.HTTPXClient):
    """stripe-python's asynchronous client, with every exchange checked."""

    async def request_async(
        self, method: str, url: str, headers: Any, post_data: Any = None, **more: Any
    ) -> Any:
        content, status, answered = await super().request_async(method, url, headers, post_data, **more)
        check_exchange(method, url, post_data, content, status)
        return content, status, answered


SESSIONS: list[requests.Session] = []


@pytest.fixture(autouse=True)
def closed_sessions() -> Iterator[None]:
    """Close what `client_of` opened during a test."""
    yield
    while SESSIONS:
        SESSIONS.pop().close()


def advance(address: str, *, days: int) -> None:
    """Sets the sandbox's clock forward, a second more than so many days."""
    assert web.post(f"{address}/_sandbox/clock", json={"advance": days * 86400 + 1}).status_code == 200


def client_of(
    address: str, key: str = KEY, *, asynchronous: bool = False, **options: Any
) -> stripe.StripeClient:
    """A stripe-python client for a sandbox."""
    if asynchronous:
        http: stripe.HTTPClient = CheckedHttpx()
    else:
        session = requests.Session()
        SESSIONS.append(session)
        http = CheckedRequests(session=session)
    return stripe.StripeClient(key, base_addresses={"api": address}, http_client=http, **options)


@dataclass
class Received:
    """One delivery, as an endpoint got it."""

    body: bytes
    headers: dict[str, str]
    at: float
    event: dict[str, Any]


@dataclass
class Endpoint:
    """A webhook endpoint that remembers what it got, and answers as it is told."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """The statuses of the next answers; 200 afterwards."""
    pause: float = 0.0

    @property
    def types(self) -> list[str]:
        return [delivery.event["type"] for delivery in self.received]

    def wait_for(self, condition: Callable[[Endpoint], bool] | str, seconds: float = 5.0) -> Received:
        """Wait until an event of this type came, or until a condition holds; answers the last delivery."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if isinstance(condition, str):
                for delivery in self.received:
                    if delivery.event["type"] == condition:
                        return delivery
            elif condition(self):
                return self.received[-1]
            time.sleep(0.005)
        raise AssertionError(f"only {self.types} came within {seconds} s")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A webhook endpoint on a free port."""
    remembered = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.time()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(remembered.pause)
            remembered.received.append(Received(body, dict(self.headers.items()), at, json.loads(body)))
            self.send_response(remembered.answers.pop(0) if remembered.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    remembered.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield remembered
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def sandbox_process(*options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`python -m lumira.sandbox` on a free port; yields its address and the process."""
    command = [sys.executable, "-m", "lumira.sandbox", "--port", "0", *options]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout
    assert process.stderr
    try:
        line = process.stdout.readline()
        assert line.startswith(PROMPT), (line, process.stderr.read() if process.poll() is not None else "")
        yield line.removeprefix(PROMPT).strip(), process
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a sandbox that the whole run shares: any test key, quick settlement."""
    with sandbox(key=None, faults=True, settlement_delay=0.05, publishable_key="pk_test_shared") as url:
        yield url


@pytest.fixture
def client(address: str) -> stripe.StripeClient:
    """A checked client for the shared sandbox."""
    return client_of(address)


@pytest.fixture
def browser(address: str) -> Iterator[httpx.Client]:
    """What a page with the publishable key can send to the shared sandbox."""
    with web.Client(base_url=address, params={"key": "pk_test_shared"}) as pages:
        yield pages


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start sandboxes of a test's own and get their addresses; options are create_app's."""
    quick = {"key": None, "faults": True, "settlement_delay": 0.05, "back_off": (0.05, 0.05, 0.1)}
    with contextlib.ExitStack() as running:
        yield lambda **options: running.enter_context(sandbox(**{**quick, **options}))


def paid(client: stripe.StripeClient, card: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
    """A PaymentIntent confirmed with a test card."""
    params = {
        "amount": 4700,
        "currency": "eur",
        "payment_method": card,
        "confirm": True,
        "return_url": RETURN_URL,
    }
    return client.v1.payment_intents.create({**params, **more})


def eventually(read: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 5.0) -> Any:
    """Read until what was read is as wanted."""
    deadline = time.monotonic() + seconds
    while not wanted(last := read()):
        assert time.monotonic() < deadline, f"still {last}"
        time.sleep(0.01)
    return last
