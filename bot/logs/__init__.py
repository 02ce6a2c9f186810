"""Logs for people or for machines, without secrets and without control characters from outside."""

import logging
import sys
from textwrap import indent
from types import TracebackType
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from bot import tracing
from bot.logs.output import Output
from bot.redaction import printable, printable_lines, redact
from bot.settings import Settings, unknown
from store.engine.transaction import StoreError

NOTE = "%d lines of the log could not be written"
NOTE_AS_JSON = '{"level": "warning", "event": "lines of the log could not be written", "lost": %d}'


def set_up(settings: Settings) -> None:
    """Log to standard error: our own lines, those of libraries, and what nobody caught."""
    level = getattr(logging, settings.log_level.upper())
    rendering = _as_json() if settings.log_format == "json" else _for_a_terminal()
    output: Any = Output(sys.stderr, NOTE_AS_JSON if settings.log_format == "json" else NOTE)
    structlog.configure(
        processors=[*_common(), *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    _set_up_libraries(level, rendering, output)
    sys.excepthook = _log_uncaught


def tell_unknown_settings() -> None:
    log = structlog.get_logger()
    for name, meant in unknown().items():
        tell = log.warning if meant else log.info
        tell("unknown setting", name=name, did_you_mean=meant)


def _set_up_libraries(level: int, rendering: list[Any], output: Any) -> None:
    """Libraries use the standard library's logging. Below warnings they log each request."""
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_common(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler])
    logging.getLogger("aiohttp.server").addFilter(_is_worth_an_error)
    logging.captureWarnings(capture=True)


def _is_worth_an_error(record: logging.LogRecord) -> bool:
    """Not if a client sent what is not HTTP, because any port scanner does, and gets a 400."""
    exc = record.exc_info[1] if record.exc_info else None
    if not isinstance(exc, HttpProcessingError):
        return True
    structlog.get_logger().debug("not HTTP", why=str(exc))
    return False


def _common() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        _with_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_traceback_of_outages,
    ]


def _with_trace(_: Any, __: str, event: Any) -> Any:
    return event | tracing.ids()


def _without_traceback_of_outages(_: Any, __: str, event: Any) -> Any:
    """The text of a StoreError says why the database cannot work; the code is not the reason."""
    given = event.get("exc_info")
    exc = sys.exc_info()[1] if given is True else given
    return {**event, "exc_info": None, "error": str(exc)} if isinstance(exc, StoreError) else event


def _as_json() -> list[Any]:
    renderer = structlog.processors.JSONRenderer()
    return [structlog.processors.format_exc_info, renderer, _without_secrets]


def _for_a_terminal() -> list[Any]:
    # The default traceback shows local variables, which may hold request bodies and secrets.
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr is not None and sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [structlog.processors.format_exc_info, _printable_values, renderer, _without_secrets]


def _printable_values(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Without what a terminal would obey. A traceback keeps its lines, but none looks like ours."""
    trace = event.pop("exception", None)
    shown = {name: _printable_value(value) for name, value in event.items()}
    return shown if trace is None else shown | {"exception": indent(printable_lines(trace), "  ")}


def _printable_value(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return printable(value if isinstance(value, str) else repr(value))


def _without_secrets(_: Any, __: str, line: Any) -> Any:
    return redact(line) if isinstance(line, str) else line


def _log_uncaught(
    kind: type[BaseException], exc: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, exc, trace)
        return
    structlog.get_logger().critical("uncaught error", exc_info=(kind, exc, trace))
