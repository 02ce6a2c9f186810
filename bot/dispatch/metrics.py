"""How often operations are called, with what outcome, and how long they take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram

from bot.errors import Refused
from bot.operations import OPERATIONS


class Calls:
    """Of all surfaces. The registry is our own: the library's is shared by all in the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "hubbub_operation_seconds",
            "How long calls of an operation took, by outcome: ok, or the code of the error.",
            ["operation", "code"],
            registry=self.registry,
        )

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        code = "internal"
        try:
            yield
            code = "ok"
        except Refused as exc:
            code = exc.code
            raise
        finally:
            # Callers could make up names without end.
            known = name if name in OPERATIONS else "unknown"
            self._seconds.labels(known, code).observe(time.perf_counter() - began)
