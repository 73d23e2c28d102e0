"""Stripe limiting us, failing, silent, hanging up: callers are told what it was, and nobody pays twice."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from lumira.errors import (
    LumiraError,
    OrderNotPayable,
    StripeError,
    StripeRateLimited,
    StripeServiceError,
    StripeTimeout,
)
from lumira.intents import Intents
from lumira.refund_requests import RefundRequests
from lumira.stripe_gateway import StripeGateway
from tests.conftest import STRIPE_KEY, reconciliation_of
from tests.torture.conftest import ROUNDS
from tests.torture.crash import ACTOR
from tests.torture.stripe_side import compare, delivery

# What Stripe does, how often before its library gives up, and what our caller hears.
FAULTS: list[tuple[Any, int, type[LumiraError]]] = [
    (429, 1, StripeRateLimited),
    (500, 1, StripeServiceError),
    ("drop", 3, StripeServiceError),
    ("hang", 3, StripeTimeout),
]


@pytest.fixture
def desk(desk):
    """A desk that gives Stripe half a second."""
    gateway = StripeGateway(STRIPE_KEY, api_base=desk.settings.stripe_api_base, timeout=0.5)
    intents = Intents(desk.orders, gateway, desk.audit, return_url="http://127.0.0.1/")
    refunds = RefundRequests(desk.orders, intents, gateway, desk.audit)
    return dataclasses.replace(desk, gateway=gateway, intents=intents, refunds=refunds)


@pytest.fixture
def reconcile(desk, counts):
    """A walk an hour later."""
    started = datetime.now(UTC) - timedelta(seconds=2)
    reconciliation = reconciliation_of(desk, timedelta(hours=1))

    def reconcile(*, apply: bool) -> list[Any]:
        counts["reconciliations"] += 1
        report = reconciliation.run(started, actor=ACTOR, apply=apply)
        return report.open_differences

    return reconcile


@pytest.mark.parametrize(("answer", "times", "error"), FAULTS, ids=[str(fault[0]) for fault in FAULTS])
def test_each_fault_of_each_call(desk, stripe_side, documents, counts, reconcile, answer, times, error):
    def created(pay: bool = False) -> str:
        intent = desk.intents.create({"productId": "mystique"}, actor=ACTOR, source="torture").order_id
        if pay:
            stripe_side.confirm(intent, "pm_card_visa")
        return intent

    def calls() -> list[tuple[Callable[..., Any], str, dict[str, Any]]]:
        """Each call: where it posts, and its arguments."""
        paid, open_, waiting = created(pay=True), created(), created()
        create = {"body": {"productId": "profond"}, "source": "torture", "idempotency_key": uuid4().hex}
        confirm = {"payment_method": "pm_card_visa", "idempotency_key": uuid4().hex}
        refund = {"amount": 700, "idempotency_key": uuid4().hex}
        return [
            (desk.intents.create, "/v1/payment_intents", create),
            (desk.intents.confirm, "/v1/payment_intents/", {"order_id": open_, **confirm}),
            (desk.refunds.create, "/v1/refunds", {"order_id": paid, **refund}),
            (desk.intents.cancel, "/v1/payment_intents/", {"order_id": waiting}),
        ]

    for executed in (False, True):
        for call, path, arguments in calls():
            if times > 1 and ROUNDS == 1 and (not executed or call == desk.intents.cancel):
                continue  # Stripe's library waits between its tries: the long form has the time
            # A hang ends after the caller has gone.
            how = {"retry": False} if times == 1 else {"seconds": 0.8}
            how |= {"answer": answer, "next": times, "executed": executed}
            stripe_side.switch("faults", method="POST", path=path, **how)
            with pytest.raises(error):
                call(**arguments, actor=ACTOR)
            stripe_side.end_faults()
            counts["calls failed"] += 1
            call(**arguments, actor=ACTOR)
    for event in stripe_side.events(set()):
        desk.webhooks.receive(*delivery(event))
        counts["events sent"] += 1
    # Everything was asked again, so nothing is left to mend.
    assert reconcile(apply=False) == []
    compare(stripe_side, documents, counts)


def test_a_storm_of_faults(desk, stripe_side, documents, counts, reconcile):
    lives, threads = 3 * ROUNDS, 4
    unforeseen: list[BaseException] = []

    def insist(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Asks until Stripe answers, always with the same key."""
        while True:
            try:
                return call(*arguments, actor=ACTOR, **options)
            except StripeError as error:
                counts[f"{type(error).__name__}s"] += 1

    def live(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(lives):
                key = uuid4().hex
                body = {"productId": "mystique"}
                intents = desk.intents
                intent = insist(intents.create, body, source="torture", idempotency_key=key).order_id
                if chance.random() < 0.2:
                    insist(intents.cancel, intent)
                    continue
                try:
                    insist(intents.confirm, intent, "pm_card_visa", idempotency_key=f"{key}-confirm")
                except OrderNotPayable:
                    counts["payments known already"] += 1
                if chance.random() < 0.5:
                    insist(desk.refunds.create, intent, 700, idempotency_key=f"{key}-refund")
        except BaseException as error:
            unforeseen.append(error)
            raise

    for answer, share in ((429, 0.15), (500, 0.15), ("drop", 0.05), ("hang", 0.03)):
        for executed in (False, True):
            how = {"retry": False} if isinstance(answer, int) else {"seconds": 0.8}
            stripe_side.switch("faults", answer=answer, share=share, executed=executed, **how)
    workers = [threading.Thread(target=live, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert unforeseen == []
    for _ in range(100):
        try:
            reconcile(apply=True)
            break
        except StripeError:
            counts["reconciliations broken off"] += 1
    stripe_side.end_faults()
    assert reconcile(apply=True) == []
    assert reconcile(apply=False) == []
    assert counts["StripeRateLimiteds"]
    assert counts["StripeServiceErrors"]
    compare(stripe_side, documents, counts)
