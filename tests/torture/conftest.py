"""A desk to torture: a sandbox and a database of the test's own, and what is counted while it suffers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.conftest import opened, sandbox
from tests.torture.stripe_side import StripeSide

# `make torture` sets more rounds of the same tests.
ROUNDS = int(os.environ.get("TORTURE_ROUNDS") or "1")


@pytest.fixture
def counts(record_property) -> Iterator[Counter[str]]:
    """What a test has counted; pytest's summary shows it."""
    counted: Counter[str] = Counter()
    yield counted
    record_property("counts", ", ".join(f"{number} {what}" for what, number in counted.items()))


@pytest.fixture
def torture_sandbox() -> Iterator[str]:
    """A Stripe whose every PaymentIntent is this test's, and which settles at once."""
    with sandbox(faults=True, settlement_delay=0.01) as url:
        yield url


@pytest.fixture
def desk(settings, torture_sandbox):
    """A desk beside that Stripe, on a database of its own."""
    with opened(settings.model_copy(update={"stripe_api_base": torture_sandbox})) as desk:
        yield desk


@pytest.fixture
def stripe_side(desk, torture_sandbox) -> Iterator[StripeSide]:
    """What happens at Stripe without us."""
    with StripeSide(torture_sandbox) as side:
        yield side
