"""Spans by OpenTelemetry's SDK. Only a process that traces imports this."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bot.errors import Refused
from bot.tracing import Kind, Span, Traceparent, Value

KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
HEADER = "traceparent"
W3C = TraceContextTextMapPropagator()


class _Recorded:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, **attributes: Value | None) -> None:
        self._span.set_attributes(_with_dots(attributes))

    def fail(self, error: str) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR))


class Spans:
    """The backend of `bot.tracing`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("hubbub")

    @contextmanager
    def start(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        links: Sequence[str],
        attributes: Mapping[str, Value | None],
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            context=_context_of(parent) if parent else None,
            kind=KINDS[kind],
            links=[Link(_span_in(each)) for each in links],
            attributes=_with_dots(attributes),
            # Its text may have secrets and words of people.
            record_exception=False,
            set_status_on_exception=False,
        ) as started:
            recorded = _Recorded(started)
            try:
                yield recorded
            except Refused as exc:
                recorded.fail(exc.code)
                raise
            except BaseException as exc:
                recorded.fail(type(exc).__qualname__)
                raise

    @contextmanager
    def continuing(self, traceparent: str | None) -> Iterator[None]:
        if not traceparent:
            yield
            return
        token = context.attach(_context_of(traceparent))
        try:
            yield
        finally:
            context.detach(token)

    def traceparent(self) -> Traceparent:
        carrier: dict[str, str] = {}
        W3C.inject(carrier)
        return carrier.get(HEADER)

    def is_recording(self) -> bool:
        return trace.get_current_span().is_recording()

    def ids(self) -> dict[str, str]:
        here = trace.get_current_span().get_span_context()
        if not here.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(here.trace_id),
            "span_id": trace.format_span_id(here.span_id),
        }


def _context_of(traceparent: str) -> context.Context:
    """Anything but a traceparent is as none."""
    return W3C.extract({HEADER: traceparent}, context=context.get_current())


def _span_in(traceparent: str) -> trace.SpanContext:
    return trace.get_current_span(W3C.extract({HEADER: traceparent})).get_span_context()


def _with_dots(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {
        name.replace("__", "."): value for name, value in attributes.items() if value is not None
    }
