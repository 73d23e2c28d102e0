"""Traces, for OpenTelemetry: a request, a page or a piece of background work, and what it asked of others.

The span of a request to the API is FastAPI's own; the webhook's is ours. As long as no collector is named,
spans cost next to nothing and go nowhere. None holds a secret or a customer: their names and attributes are
as few as the labels of the metrics. https://opentelemetry.io/docs/specs/semconv/
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from lumira import __version__
from lumira.errors import LumiraError
from lumira.settings import Settings

# How long a collector may take, while the process ends too.
_SECONDS: Final = 3

_tracer: Final = trace.get_tracer("lumira", __version__)


def configure(settings: Settings) -> None:
    """Sends the traces of this process where `settings` say, in the background. Only the first call counts.

    How many are kept is the SDK's to read from OTEL_TRACES_SAMPLER; what is not yet sent when the process
    ends is sent then. A collector that does not answer costs nobody a request.
    """
    if settings.otlp_endpoint is None or hasattr(trace.get_tracer_provider(), "add_span_processor"):
        return
    # Half a second of imports that a process without traces need not pay.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": os.environ.get("OTEL_SERVICE_NAME") or "lumira",
                "service.version": __version__,
                "deployment.environment.name": "live" if settings.livemode else "test",
            }
        )
    )
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces",
        headers=settings.otlp_header_values,
        timeout=_SECONDS,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def belongs_to(request_id: str) -> None:
    """Names the request on the span that has begun for it, so that a trace leads to its log."""
    trace.get_current_span().set_attribute("lumira.request_id", request_id)


@contextmanager
def work(name: str) -> Iterator[None]:
    """The span of a webhook, a page or work in the background; an error is named by its code alone."""
    with _tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            failed(error.code if isinstance(error, LumiraError) else type(error).__name__)
            raise


def failed(code: str) -> None:
    """Says of what goes on in this thread that it failed, and by what code."""
    trace.get_current_span().set_status(Status(StatusCode.ERROR, code))


def asked(name: str, seconds: float, *, failed: bool = False, **attributes: Any) -> None:
    """The span of something asked of Stripe or of the store that ends now and took `seconds`.

    It is part of what asked; what nobody's span asked, such as a heartbeat, is not traced.
    """
    if not is_traced():
        return
    ended = time.time_ns()
    span = _tracer.start_span(
        name,
        kind=SpanKind.CLIENT,
        start_time=ended - int(seconds * 1e9),
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
    )
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end(ended)


def is_traced() -> bool:
    """Whether what goes on in this thread is part of a trace that is kept."""
    return trace.get_current_span().is_recording()


def trace_id() -> str | None:
    """The id of the trace that what goes on in this thread is part of, as its viewers write it."""
    # The span of a request that was answered has ended; lines about it may still be logged.
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
