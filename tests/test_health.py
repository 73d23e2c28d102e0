"""Whether the parts answer: asked side by side, with a time-out, and one question at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
