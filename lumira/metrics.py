"""What is counted and timed, for Prometheus. The values of every label are few and known beforehand.

Each is counted where it happens: intents by `Intents.create`, deliveries at the webhook's route, moves where
orders are moved, Stripe and store at the edge of their libraries. No label holds an id, a name or an address.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from lumira.errors import LumiraError

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
# Each counter would have a second series, `_created`, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Set by `lumira api` for its workers, before they begin: each of them answers for all.
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
# Seconds. A page waits for Stripe for four, and nothing for more than ten.
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STORE_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 4.0)

INTENTS: Final = Counter("lumira_intents", "Requests for a PaymentIntent, by what came of them.", ["result"])
DELIVERIES: Final = Histogram(
    "lumira_webhook_seconds", "Webhook deliveries, by what came of them.", ["outcome"], buckets=_BUCKETS
)
MOVES: Final = Counter("lumira_transitions", "Orders moved to a status.", ["to"])
STRIPE: Final = Histogram(
    "lumira_stripe_seconds",
    "Each try of a request to Stripe, by resource and HTTP status.",
    ["method", "resource", "status"],
    buckets=_BUCKETS,
)
STORE: Final = Histogram(
    "lumira_store_seconds", "Commands to the store.", ["command", "result"], buckets=_STORE_BUCKETS
)
DIFFERENCES: Final = Counter(
    "lumira_reconcile_differences", "Differences between Stripe and the orders.", ["kind", "repaired"]
)
REFUSALS: Final = Counter("lumira_api_errors", "Errors that the API answered, by code.", ["code"])

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def counted_by_result(
    counter: Counter,
) -> Callable[[Callable[Parameters, Answer]], Callable[Parameters, Answer]]:
    """Counts each call of a function as `ok`, or by the code of the error it raised."""

    def decorate(function: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
        @wraps(function)
        def counted(*arguments: Parameters.args, **options: Parameters.kwargs) -> Answer:
            result = "ok"
            try:
                return function(*arguments, **options)
            except BaseException as error:
                result = code_of(error)
                raise
            finally:
                counter.labels(result).inc()

        return counted

    return decorate


@contextmanager
def timed_delivery() -> Iterator[Callable[[str], None]]:
    """Times one webhook delivery; what is yielded takes its outcome. An error is its own outcome."""
    began, outcome = time.perf_counter(), ""

    def became(what: str) -> None:
        nonlocal outcome
        outcome = what

    try:
        yield became
    except BaseException as error:
        outcome = code_of(error)
        raise
    finally:
        DELIVERIES.labels(outcome).observe(time.perf_counter() - began)


def code_of(error: BaseException) -> str:
    """The code of an error of ours, and one for all others."""
    return error.code if isinstance(error, LumiraError) else LumiraError.code


def exposition(gauges: Iterable[tuple[str, str, float]] = ()) -> bytes:
    """Everything counted, in Prometheus' text format: of this process, or of all workers of `lumira api`.

    `gauges` are looked up for this answer: name, what it is, value.
    """
    now = CollectorRegistry()
    now.register(_Gauges([GaugeMetricFamily(name, what, value) for name, what, value in gauges]))
    if os.environ.get(SHARED_FOLDER):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    else:
        counted = REGISTRY
    return generate_latest(counted) + generate_latest(now)


class _Gauges(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
