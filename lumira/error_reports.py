"""Reports of errors nobody foresaw, to Sentry or to whatever understands its protocol.

What the log has at level error is reported, with its traceback; nothing else is. A report holds no secret, no
customer and no value of a variable: the `request_id` in it leads to the log.
https://docs.sentry.io/platforms/python/configuration/options/
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from structlog.contextvars import get_contextvars

from lumira import __version__
from lumira.settings import Settings

# How long what is still to be reported may keep a process from ending.
_LAST_SECONDS: Final = 2
# The log names customers by ids alone; the words of a library may not.
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")


def configure(settings: Settings, redact: Callable[[str], str]) -> None:
    """Reports the errors of this process where `settings` say, without what `redact` hides.

    They are sent in the background: a collector that does not answer costs nobody a request.
    """
    if settings.sentry_dsn is None:
        return
    # Half a second of imports that a process without reports need not pay.
    import sentry_sdk
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger

    # A collector of traces that is away is no error of ours.
    ignore_logger("opentelemetry.*")

    def reported(event: Any, _hint: object) -> Any:
        # What is bound round the work: request, event, order, page.
        event["tags"] = {**event.get("tags", {}), **get_contextvars()}
        return _safe(event, redact)

    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        release=f"lumira@{__version__}",
        environment="live" if settings.livemode else "test",
        # The others send requests, headers and what people did before.
        default_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR), DedupeIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        shutdown_timeout=_LAST_SECONDS,
        before_send=reported,
    )


def _safe(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return _EMAIL.sub("[e-mail]", redact(value))
    if isinstance(value, Mapping):
        return {name: _safe(part, redact) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(part, redact) for part in value]
    return value
