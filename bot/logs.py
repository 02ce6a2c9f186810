"""Logs for people or for machines, without secrets and without control characters from outside."""

import logging
import sys
from textwrap import indent
from types import TracebackType
from typing import Any

import structlog

from bot.redaction import printable, printable_lines, redact
from bot.settings import Settings


def set_up(settings: Settings) -> None:
    """Log to standard error: our own lines, those of libraries, and what nobody caught."""
    level = getattr(logging, settings.log_level.upper())
    rendering = _as_json() if settings.log_format == "json" else _for_a_terminal()
    structlog.configure(
        processors=[*_common(), *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _set_up_libraries(level, rendering)
    sys.excepthook = _log_uncaught


def _set_up_libraries(level: int, rendering: list[Any]) -> None:
    """Libraries use the standard library's logging. Below warnings they log each request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_common(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler])
    logging.captureWarnings(capture=True)


def _common() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _as_json() -> list[Any]:
    renderer = structlog.processors.JSONRenderer()
    return [structlog.processors.format_exc_info, renderer, _without_secrets]


def _for_a_terminal() -> list[Any]:
    # The default traceback shows local variables, which may hold request bodies and secrets.
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
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
