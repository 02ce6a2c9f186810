"""Turns traces on, as the standard variables of OpenTelemetry say, and sends them off at the end.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import metadata, util
from typing import TYPE_CHECKING

import structlog

from bot.settings import WrongSettings
from bot.tracing import TRACING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

log = structlog.get_logger()

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTER = "OTEL_TRACES_EXPORTER"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# The one protocol that needs no compiled library.
PROTOCOL = "http/protobuf"
# At the end: how long the last spans may take.
FLUSH_S = 5.0


def exporter_name(env: Mapping[str, str]) -> str | None:
    """otlp, console, or None for none. Raise WrongSettings.

    The variables are standard, but by default nothing is sent: no collector may be there.
    """
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    default = "otlp" if any(env.get(each) for each in ENDPOINTS) else "none"
    name = env.get(EXPORTER, "").strip() or default
    if name not in ("otlp", "console", "none"):
        raise WrongSettings(f"{EXPORTER} is {name!r}; it must be otlp, console or none.")
    protocol = next((env[each] for each in PROTOCOLS if env.get(each)), PROTOCOL)
    if name == "otlp" and protocol != PROTOCOL:
        raise WrongSettings(f"{PROTOCOLS[1]} is {protocol!r}; Hubbub sends only {PROTOCOL}.")
    return None if name == "none" else name


@asynccontextmanager
async def open_tracing(env: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Trace within the block, if the environment says so. Raise WrongSettings."""
    name = exporter_name(env)
    if name is None:
        yield
        return
    if util.find_spec("opentelemetry.sdk") is None:
        raise WrongSettings(
            f"{EXPORTER} or an endpoint of OpenTelemetry is set, but its libraries are missing. "
            'Install them with `pip install "hubbub[otel]"`, or set OTEL_SDK_DISABLED=true.'
        )
    from bot.tracing import spans  # noqa: PLC0415 - loads OpenTelemetry

    provider = _provider(name)
    TRACING.backend = spans.Spans(provider)
    try:
        yield
    finally:
        TRACING.backend = None
        await _flush(provider)


def _provider(name: str) -> "TracerProvider":
    from opentelemetry import trace  # noqa: PLC0415 - as above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    about = {"service.name": "hubbub", "service.version": metadata.version("hubbub")}
    # What the environment says goes before.
    resource = Resource(about).merge(Resource.create())
    if not _names_service():
        resource = resource.merge(Resource({"service.name": "hubbub"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter(name)))
    # For the spans of the MCP library. It can be set once in a process.
    trace.set_tracer_provider(provider)
    return provider


def _names_service() -> bool:
    attributes = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return bool(os.environ.get("OTEL_SERVICE_NAME")) or "service.name=" in attributes


def _exporter(name: str) -> "SpanExporter":
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - as above

        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - as above
        OTLPSpanExporter,
    )

    return OTLPSpanExporter()


async def _flush(provider: "TracerProvider") -> None:
    """Send what is left, but do not let a collector that is away hold up the end.

    The exporter blocks, and for each 512 spans it tries for 10 s. The end of a program waits for
    asyncio's threads, but not for a daemon (opentelemetry-python issues 3309 and 4568).
    """
    loop, is_sent = asyncio.get_running_loop(), asyncio.Event()

    def send() -> None:
        provider.force_flush()
        provider.shutdown()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(is_sent.set)

    threading.Thread(target=send, name="last traces", daemon=True).start()
    try:
        await asyncio.wait_for(is_sent.wait(), FLUSH_S)
    except TimeoutError:
        log.warning("the last traces were not sent", seconds=FLUSH_S)
