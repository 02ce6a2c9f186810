"""Logs for people or for machines, without secrets."""

import logging
import sys
from typing import Any

import structlog

from bot.redaction import redact
from bot.settings import Settings


def set_up(settings: Settings) -> None:
    level = getattr(logging, settings.log_level.upper())
    # The default traceback shows local variables, which may hold request bodies and secrets.
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    as_json = structlog.processors.JSONRenderer()
    last: list[Any] = [as_json if settings.log_format == "json" else console]
    trace = [structlog.processors.format_exc_info] if settings.log_format == "json" else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *trace,
            *last,
            _without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Libraries log each request at INFO, which is too much.
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr)


def _without_secrets(_: Any, __: str, line: Any) -> Any:
    return redact(line) if isinstance(line, str) else line
