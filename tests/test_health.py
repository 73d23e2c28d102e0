"""Whether the parts answer: asked side by side, with a time-out, and one question at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from lumira.health import Health
from lumira.stripe_gateway import StripeGateway
from tests.conftest import STRIPE_KEY


def test_a_stripe_that_hangs_is_told_in_time_and_asked_once_for_all(desk, faulty_sandbox_url, fault):
    health = Health(desk.store, StripeGateway(STRIPE_KEY, api_base=faulty_sandbox_url, timeout=0.5, tries=1))
    # A second question would be answered: the fault is for one request.
    fault(answer="hang", seconds=2)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: health.problems(), range(10)))
    assert {answer["stripe"] and answer["stripe"].code for answer in answers} == {"SERVICE_TIMEOUT"}
    assert {answer["store"] for answer in answers} == {None}


def test_whoever_has_little_patience_is_told_what_was_known(desk, faulty_sandbox_url, fault):
    health = Health(desk.store, StripeGateway(STRIPE_KEY, api_base=faulty_sandbox_url, timeout=0.4, tries=1))
    # Nothing is known at first, so that this is waited for.
    known = health.problems(0)
    assert known == {"store": None, "stripe": None}
    # So long it is not asked again.
    time.sleep(1)
    fault(answer="hang", seconds=1)
    assert health.problems(0) is known
    assert health.problems()["stripe"].code == "SERVICE_TIMEOUT"


def test_an_error_nobody_foresaw_is_told_and_leaves_no_one_waiting(desk):
    health = Health(desk.store, SimpleNamespace(ping=lambda: 1 / 0))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            health.problems()
