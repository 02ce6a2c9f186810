"""Spans by OpenTelemetry. While traces are off nothing of it is imported, and a span costs nothing.

A trace goes on in other processes and at other times: rows of deliveries, commands and writes keep
the `traceparent` under which they came to be. An error is recorded by its code or its class; its
text may have secrets and words of people.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
Value: TypeAlias = str | int | float | bool
Traceparent: TypeAlias = str | None


class Span(Protocol):
    def set(self, **attributes: Value | None) -> None:
        """Set attributes. In a name, two underscores stand for a dot."""

    def fail(self, error: str) -> None:
        """Mark it as failed. `error`: a code, or the name of a class."""


class Backend(Protocol):
    def start(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        links: Sequence[str],
        attributes: Mapping[str, Value | None],
    ) -> AbstractContextManager[Span]: ...

    def continuing(self, traceparent: str | None) -> AbstractContextManager[None]: ...

    def traceparent(self) -> Traceparent: ...

    def is_recording(self) -> bool: ...

    def ids(self) -> dict[str, str]: ...


class _NoSpan:
    def set(self, **attributes: Value | None) -> None:
        pass

    def fail(self, error: str) -> None:
        pass


_NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())
_NOTHING: AbstractContextManager[None] = nullcontext()


class _Tracing:
    """What this process traces with: as the log, it is one for the whole process."""

    backend: Backend | None = None


TRACING = _Tracing()


def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    links: Sequence[str | None] = (),
    **attributes: Value | None,
) -> AbstractContextManager[Span]:
    """A span around a block. `parent`: a traceparent, if it is not the span around this one.

    In the names of attributes, two underscores stand for a dot.
    """
    backend = TRACING.backend
    if backend is None:
        return _NO_SPAN
    return backend.start(name, kind, parent, [each for each in links if each], attributes)


def continuing(traceparent: str | None) -> AbstractContextManager[None]:
    """Spans of the block belong to the trace of a caller."""
    backend = TRACING.backend
    return _NOTHING if backend is None else backend.continuing(traceparent)


def traceparent() -> Traceparent:
    """The current span as W3C's traceparent, to be stored in a row. None while traces are off."""
    backend = TRACING.backend
    return None if backend is None else backend.traceparent()


def ids() -> dict[str, str]:
    """The ids of the current trace and span, for the log."""
    backend = TRACING.backend
    return {} if backend is None else backend.ids()
