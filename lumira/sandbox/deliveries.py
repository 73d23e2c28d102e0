"""Deliveries of events to webhook endpoints: signed, in order, in the background, again until a 2xx.

https://docs.stripe.com/webhooks
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable
from functools import partial

import httpx

from lumira.sandbox.store import Store

TIMEOUT = 10.0
USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
# Seconds until the next attempt after the first, second … failure. Stripe goes on for three days.
BACK_OFF: tuple[float, ...] = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 7200, 14400, *([28800] * 6))


def signature(payload: bytes, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header. https://docs.stripe.com/webhooks#verify-manually."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def _authorities() -> ssl.SSLContext:
    """Who vouches for an https endpoint: the authorities of the web, and this machine's own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class Deliveries:
    """Sends what the deliveries table owes: to each endpoint in the order of its events."""

    def __init__(
        self, store: Store, now: Callable[[], float], back_off: tuple[float, ...] = BACK_OFF
    ) -> None:
        self.store = store
        self.now = now
        self.back_off = back_off
        self.wake = asyncio.Event()
        self.busy: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Deliver for ever: woken by `wake`, or when a retry is due."""
        async with httpx.AsyncClient(
            timeout=TIMEOUT, follow_redirects=False, trust_env=False, verify=_authorities()
        ) as client:
            try:
                while True:
                    self.wake.clear()
                    for endpoint in self._endpoints_due():
                        if endpoint not in self.busy:
                            task = asyncio.create_task(self._deliver_to(client, endpoint))
                            self.busy[endpoint] = task
                            task.add_done_callback(partial(self._done, endpoint))
                    # No `asyncio.wait_for`: see app.py.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._next_due()):
                            await self.wake.wait()
            finally:
                for task in list(self.busy.values()):
                    task.cancel()

    def _done(self, endpoint: str, _: asyncio.Task[None]) -> None:
        self.busy.pop(endpoint, None)
        self.wake.set()

    def _endpoints_due(self) -> list[str]:
        query = "SELECT DISTINCT endpoint FROM deliveries WHERE state = 'pending' AND due <= ?"
        return [row[0] for row in self.store.connection.execute(query, (self.now(),))]

    def _next_due(self) -> float:
        marks = ", ".join("?" * len(self.busy))
        query = f"SELECT min(due) FROM deliveries WHERE state = 'pending' AND endpoint NOT IN ({marks})"  # noqa: S608
        [due] = self.store.connection.execute(query, list(self.busy)).fetchone()
        return 3600.0 if due is None else max(0.0, float(due) - self.now())

    async def _deliver_to(self, client: httpx.AsyncClient, endpoint: str) -> None:
        """All that is due to one endpoint, in order."""
        while row := self.store.connection.execute(
            "SELECT sequence, event, attempts FROM deliveries WHERE endpoint = ? AND state = 'pending' AND "
            "due <= ? ORDER BY rank, sequence LIMIT 1",
            (endpoint, self.now()),
        ).fetchone():
            await self._attempt(client, endpoint, *row)

    async def _attempt(
        self, client: httpx.AsyncClient, endpoint: str, sequence: int, event_id: str, tried: int
    ) -> None:
        target, event = self.store.get(endpoint), self.store.get(event_id)
        if target is None or event is None or target["status"] != "enabled":
            self._settle(sequence, "dropped", tried, self.now())
            return
        payload = json.dumps(event, ensure_ascii=False).encode()
        status, error, started = None, None, time.perf_counter()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(payload, target["secret"], int(time.time())),
            "User-Agent": USER_AGENT,
        }
        try:
            answer = await client.post(target["url"], content=payload, headers=headers)
            status = answer.status_code
        except Exception as problem:  # whatever an address provokes is a failed attempt
            error = f"{type(problem).__name__}: {problem}"
        milliseconds = (time.perf_counter() - started) * 1000
        self.store.connection.execute(
            "INSERT INTO attempts (delivery, at, status, error, milliseconds) VALUES (?, ?, ?, ?, ?)",
            (sequence, self.now(), status, error, milliseconds),
        )
        if status is not None and 200 <= status < 300:
            self._settle(sequence, "delivered", tried + 1, self.now())
            if event := self.store.get(event_id):
                self.store.save({**event, "pending_webhooks": max(0, event["pending_webhooks"] - 1)})
        elif tried >= len(self.back_off):
            self._settle(sequence, "failed", tried + 1, self.now())
        else:
            self._settle(sequence, "pending", tried + 1, self.now() + self.back_off[tried])

    def _settle(self, sequence: int, state: str, attempts: int, due: float) -> None:
        query = "UPDATE deliveries SET state = ?, attempts = ?, due = ? WHERE sequence = ?"
        self.store.connection.execute(query, (state, attempts, due, sequence))
