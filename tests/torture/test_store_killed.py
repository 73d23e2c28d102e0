"""The store killed under load, again and again: what was acknowledged is there, the rest is told again."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from lumira.child_process import free_port, kept_running
from lumira.embedded import embedded_store
from lumira.errors import OrderNotPayable, StoreUnavailable
from lumira.serving import routes
from tests.conftest import (
    WEBHOOK_SECRET,
    opened,
    reconciliation_of,
    sandbox,
    serving,
    wait_until,
)
from tests.torture.conftest import ROUNDS
from tests.torture.crash import ACTOR
from tests.torture.stripe_side import StripeSide, compare

KILLS = 2 * ROUNDS
WRITERS = 6


@pytest.fixture
def webhook_port() -> int:
    return free_port()


@pytest.fixture
def torture_sandbox(webhook_port: int) -> Iterator[str]:
    """A Stripe that delivers every event to our webhook until it hears a 200, and then never again."""
    with sandbox(
        faults=True,
        settlement_delay=0.01,
        back_off=(0.3,) * 400,
        webhook_url=f"http://127.0.0.1:{webhook_port}/api/products/webhook",
        webhook_secret=WEBHOOK_SECRET,
    ) as url:
        yield url


@pytest.mark.long(20)
def test_the_store_killed_under_load(settings, torture_sandbox, webhook_port, tmp_path, counts):
    child, uri = embedded_store(tmp_path)
    update = {"mongodb_uri": SecretStr(uri), "stripe_api_base": torture_sandbox}
    started = datetime.now(UTC) - timedelta(seconds=2)
    acknowledged: dict[str, str] = {}
    unanswered: list[str] = []
    unforeseen: list[BaseException] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            key = uuid4().hex
            try:
                acknowledged[key] = create(key)
                desk.intents.confirm(acknowledged[key], "pm_card_visa", actor=ACTOR)
                desk.refunds.create(acknowledged[key], 700, actor=ACTOR, idempotency_key=f"{key}-refund")
            except StoreUnavailable:
                counts["answers that the store is away"] += 1
                if key not in acknowledged:
                    unanswered.append(key)
            except OrderNotPayable:
                pass  # the webhook was faster
            except BaseException as error:
                unforeseen.append(error)
                raise

    def create(key: str) -> str:
        body = {"productId": "mystique"}
        return desk.intents.create(body, actor=ACTOR, source="torture", idempotency_key=key).order_id

    def told() -> bool:
        """Whether every event came through; what a dead store left claimed is given back."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        events = desk.store.database.processed_events
        events.update_many({"state": "processing"}, {"$set": {"leaseUntil": past}})
        processed = {row["eventId"] for row in events.find({"state": "processed"})}
        waiting = {event["id"] for event in side.every("events")} - processed
        counts["events sent"] = len(processed)
        time.sleep(0.2)
        return not waiting

    with (
        kept_running(child),
        opened(settings.model_copy(update=update)) as desk,
        serving(Starlette(routes=routes()), webhook_port),
        StripeSide(torture_sandbox) as side,
    ):
        writers = [threading.Thread(target=write) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            for number in range(KILLS):
                before = len(acknowledged)
                wait_until(lambda before=before: len(acknowledged) > before + 15 or unforeseen, 60)
                store = json.loads((tmp_path / "store.pid").read_text())[0]
                if number % 2:
                    # Silent for longer than anybody waits: the calls in flight have failed, done or not.
                    os.kill(store, signal.SIGSTOP)
                    time.sleep(6)
                os.kill(store, signal.SIGKILL)
                counts["stores killed"] += 1
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        assert unforeseen == []
        assert counts["answers that the store is away"]
        for key in unanswered:
            acknowledged[key] = create(key)
        wait_until(told, 60)
        counts["creates acknowledged"] = len(acknowledged)
        later = reconciliation_of(desk, timedelta(hours=1))
        assert later.run(started, actor=ACTOR, apply=True).open_differences == []
        assert later.run(started, actor=ACTOR).differences == []
        orders = compare(side, desk.store.database, counts)
        assert set(acknowledged.values()) == set(orders)
        # The very order that was acknowledged, not one made anew from what Stripe knows.
        assert {key: orders[intent].get("attemptId") for key, intent in acknowledged.items()} == {
            key: key for key in acknowledged
        }
