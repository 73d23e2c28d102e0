"""The log: one line an event, JSON or for the eye, whoever writes it; docs/logs.md names the events.

Modules log by `logging.getLogger("lumira.…")`: the message is the event's name, which stays as it is, and
what is to be known of it stands in `extra`. What is `bound` around the work is on every line of it. Lines of
uvicorn, Streamlit and every other library come out the same way, on stderr.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import structlog
from pydantic import SecretStr
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from lumira import error_reports, traces
from lumira.connection_string import passwords
from lumira.redaction import redaction_of
from lumira.settings import LogFormat, Settings

# Those that print by handlers of their own.
_LIBRARIES: Final = ("uvicorn", "streamlit", "websockets")
# They log each request; we log those that matter.
_TALKATIVE: Final = ("httpx", "pymongo", "stripe", "urllib3", "uvicorn.access")
# It logs each try to reach a collector that is away, every few seconds.
_INSISTENT: Final = "opentelemetry"


class _Handler(logging.StreamHandler[Any]):
    """Ours among the handlers of the root logger."""


def bound(**facts: str) -> AbstractContextManager[None]:
    """Puts these facts on every line logged until the context ends, in threads it hands work to, too."""
    return bound_contextvars(**facts)


def configure(settings: Settings) -> None:
    """Sends what this process logs to stderr as `settings` say, without secrets. Twice is as once.

    What has level error is reported too, where `settings` name a place.
    """
    redact = redaction_of(_secrets(settings))
    _redact_every_record(redact)
    error_reports.configure(settings, redact)
    shared: list[Processor] = [
        merge_contextvars,
        _traced,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redacting(redact),
                *_rendering(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(known for known in root.handlers if not isinstance(known, _Handler)), handler]
    root.setLevel(settings.log_level.upper())
    take_over_libraries()


def take_over_libraries() -> None:
    """Takes from libraries the handlers they print by, which they add as they start: they log as we do."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_INSISTENT).setLevel(logging.ERROR)
    # A copy: another thread may make a logger meanwhile.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _LIBRARIES:
            logger.handlers.clear()
            logger.propagate = True


def _rendering(log_format: LogFormat | None) -> list[Processor]:
    if (log_format or ("console" if sys.stderr.isatty() else "json")) == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.JSONRenderer(ensure_ascii=False)]


def _traced(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Names the trace on a line, so that each leads to the other."""
    if trace_id := traces.trace_id():
        event["trace_id"] = trace_id
    return event


def _redacting(redact: Callable[[str], str]) -> Processor:
    """The last look at a line's facts, names and values alike, before they are written."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, Mapping):
            return {redact(str(name)): plain(part) for name, part in value.items()}
        if isinstance(value, list | tuple | set):
            return [plain(part) for part in value]
        return value if value is None or isinstance(value, bool | int | float) else redact(str(value))

    def process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        # Named facts are looked at by name too: a password has no shape of its own.
        return {name: _by_name(name, plain(value), redact) for name, value in event.items()}

    return process


def _by_name(name: str, value: Any, redact: Callable[[str], str]) -> Any:
    if not isinstance(value, str):
        return value
    marked = f"{name}="
    return redact(f"{marked}{value}").removeprefix(marked)


def _redact_every_record(redact: Callable[[str], str]) -> None:
    """Redacts each record as it is made: handlers that a library adds later write nothing secret either."""

    def record_of(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        if isinstance(record.args, tuple):
            record.args = tuple(redact(part) if isinstance(part, str) else part for part in record.args)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            # A line whose text and values don't fit is the handler's to report.
            return record
        if (safe := redact(message)) != message or not isinstance(record.msg, str):
            record.msg, record.args = safe, ()
        if record.exc_info and record.exc_info[0]:
            # A formatter takes the text that is there before it makes its own.
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return record

    logging.setLogRecordFactory(record_of)


def _secrets(settings: Settings) -> Iterator[str]:
    """The values of the secrets in the settings; of an address its password, as written and as meant."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if not isinstance(value, SecretStr):
            continue
        text = value.get_secret_value()
        if "://" in text:
            yield from passwords(text)
        else:
            yield text
    yield from settings.otlp_header_values.values()
